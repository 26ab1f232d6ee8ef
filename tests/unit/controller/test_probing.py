"""Trials run until they tell, and again; only what lasts is told."""

import asyncio
from collections.abc import Iterator

import pytest

from monopod.cluster.client import ApiError, ApiUnreachable, Json
from monopod.controller import probing
from monopod.controller.probing import Plan, Prober
from monopod.domain.trial import Impossible, NotSandboxed, Outcome, Pending, PodTrial, Refused, Sandboxed
from tests.unit.controller.fake_api import Answer, FakeApi

TRIAL = PodTrial("prod", (), "web", "kata")
OTHER = PodTrial("dev", (), "web", "kata")
PLAN = Plan((TRIAL,), ())
PATH, OTHER_PATH = "/api/v1/namespaces/prod/pods", "/api/v1/namespaces/dev/pods"
MARKED: Json = {"metadata": {"labels": {"monopod.dev/profile": "web"}}, "spec": {"runtimeClassName": "kata"}}
PLAIN: Json = {"metadata": {}, "spec": {}}
FORBIDDEN = ApiError(403, "Forbidden", "exceeded quota")


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same behaviour a hundred times faster."""
    for name in ("SETTLING_SECONDS", "FIRST_RETRY_SECONDS", "LONGEST_RETRY_SECONDS", "REPEAT_SECONDS"):
        monkeypatch.setattr(probing, name, getattr(probing, name) / 100)


class Probe:
    """A prober, and the outcomes that it tells."""

    def __init__(self, answer: Answer) -> None:
        self.api = FakeApi({("try", PATH): answer})
        self.told = asyncio.Event()
        self.prober = Prober(self.api.client, self.told.set)

    async def outcome(self, plan: Plan = PLAN) -> Outcome:
        """What is told next."""
        self.prober.require("web", plan)
        self.told.clear()
        async with asyncio.timeout(1):
            await self.told.wait()
        return self.prober.require("web", plan)


async def test_nothing_is_known_at_first() -> None:
    assert Probe(MARKED).prober.require("web", PLAN) == Pending()


async def test_a_sandboxed_pod_tells_at_once() -> None:
    probe = Probe(MARKED)
    assert isinstance(await probe.outcome(), Sandboxed)
    assert len(probe.api.requests) == 1


async def test_an_unsandboxed_pod_is_tried_again_because_rows_take_a_moment_to_be_seen() -> None:
    answers: Iterator[Json] = iter([PLAIN, PLAIN, PLAIN, MARKED])
    assert isinstance(await Probe(lambda _: next(answers)).outcome(), Sandboxed)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(PLAIN, NotSandboxed), (FORBIDDEN, Refused), ({"odd": 1}, Refused)],
    ids=["plain", "refused", "odd"],
)
async def test_what_does_not_change_for_a_while_tells(answer: Answer, kind: type[Outcome]) -> None:
    probe = Probe(answer)
    assert isinstance(await probe.outcome(), kind)
    assert len(probe.api.requests) > 1


async def test_a_failed_profile_recovers_when_its_cause_is_gone() -> None:
    probe = Probe(PLAIN)
    assert isinstance(await probe.outcome(), NotSandboxed)
    probe.api.answers["try", PATH] = MARKED
    assert isinstance(await probe.outcome(), Sandboxed)


async def test_an_active_profile_is_tried_again_from_time_to_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "REPEAT_SECONDS", 0.02)
    probe = Probe(MARKED)
    assert isinstance(await probe.outcome(), Sandboxed)
    probe.api.answers["try", PATH] = PLAIN
    assert isinstance(await probe.outcome(), NotSandboxed)


async def test_an_api_server_that_is_away_tells_nothing() -> None:
    probe = Probe(ApiUnreachable("away"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await probe.outcome()
    probe.api.answers["try", PATH] = MARKED
    assert isinstance(await probe.outcome(), Sandboxed)


async def test_a_namespace_that_refuses_pods_gives_way_to_one_that_answers() -> None:
    probe = Probe(FORBIDDEN)
    probe.api.answers["try", OTHER_PATH] = MARKED
    assert isinstance(await probe.outcome(Plan((TRIAL, OTHER), ())), Sandboxed)


async def test_a_plan_without_trials_is_impossible() -> None:
    assert await Probe(MARKED).outcome(Plan((), ())) == Impossible()


async def test_another_plan_begins_afresh_and_the_same_one_does_not() -> None:
    probe = Probe(MARKED)
    await probe.outcome()
    assert isinstance(probe.prober.require("web", PLAN), Sandboxed)
    assert probe.prober.require("web", Plan((TRIAL,), ("other rows",))) == Pending()


async def test_a_forgotten_profile_is_tried_no_more() -> None:
    probe = Probe(PLAIN)
    probe.prober.require("web", PLAN)
    probe.prober.retain(())
    await asyncio.sleep(0.05)
    assert probe.api.requests == []
