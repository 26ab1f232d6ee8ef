"""Trials run until they tell, and again; only what lasts is told."""

from collections.abc import Iterator

import pytest

from monopod.kube.client.api import ApiError, ApiUnreachable, Json
from monopod.pods.rules.dry_run import Impossible, NotSandboxed, Outcome, Pending, PodDryRun, Refused, Sandboxed
from monopod.profiles.dry_runs import REPEAT_SECONDS, SETTLING_SECONDS, Plan, ProfileDryRuns
from tests.unit.fake_api import Answer, FakeApi
from tests.unit.fake_clock import FakeClock
from tests.unit.running import PROBLEMS, running, settle

TRIAL = PodDryRun("prod", (), "web", "kata")
OTHER = PodDryRun("dev", (), "web", "kata")
PLAN = Plan((TRIAL,), ())
PATH, OTHER_PATH = "/api/v1/namespaces/prod/pods", "/api/v1/namespaces/dev/pods"
MARKED: Json = {"metadata": {"labels": {"monopod.dev/profile": "web"}}, "spec": {"runtimeClassName": "kata"}}
PLAIN: Json = {"metadata": {}, "spec": {}}
FORBIDDEN = ApiError(403, "Forbidden", "exceeded quota")


class Probe:
    """A prober of the profile `web`, and how often it told of an outcome."""

    def __init__(self, answer: Answer) -> None:
        self.api, self.clock, self.told = FakeApi({("try", PATH): answer}), FakeClock(), 0
        self.prober = ProfileDryRuns(self.api, self._count, PROBLEMS, self.clock)

    def _count(self) -> None:
        self.told += 1

    async def outcome(self, plan: Plan = PLAN, seconds: float = 2 * SETTLING_SECONDS) -> Outcome:
        """What is known of a plan, from nothing, after so much time."""
        self.prober.update({"web": plan})
        async with running(self.prober.controller):
            return await self.later(seconds, plan)

    async def later(self, seconds: float, plan: Plan = PLAN) -> Outcome:
        """What is known after so much time, a tenth of a second after the other."""
        for _ in range(round(seconds * 10)):
            self.clock.step(0.1)
            await settle(20)
        return self.prober.outcome("web", plan)


def test_nothing_is_known_at_first() -> None:
    probe = Probe(MARKED)
    probe.prober.update({"web": PLAN})
    assert probe.prober.outcome("web", PLAN) == Pending()


async def test_a_sandboxed_pod_tells_at_once() -> None:
    probe = Probe(MARKED)
    assert isinstance(await probe.outcome(seconds=0), Sandboxed)
    assert (len(probe.api.requests), probe.told) == (1, 1)


async def test_an_unsandboxed_pod_is_tried_again_because_rows_take_a_moment_to_be_seen() -> None:
    answers: Iterator[Json] = iter([PLAIN, PLAIN, PLAIN, MARKED])
    probe = Probe(lambda _: next(answers))
    assert probe.prober.outcome("web", PLAN) == Pending()
    assert isinstance(await probe.outcome(seconds=1), Sandboxed)
    assert probe.told == 1


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
    probe.prober.update({"web": PLAN})
    async with running(probe.prober.controller):
        assert isinstance(await probe.later(2 * SETTLING_SECONDS), NotSandboxed)
        probe.api.answers["try", PATH] = MARKED
        assert isinstance(await probe.later(30), Sandboxed)


async def test_an_active_profile_is_tried_again_from_time_to_time() -> None:
    probe = Probe(MARKED)
    probe.prober.update({"web": PLAN})
    async with running(probe.prober.controller):
        assert isinstance(await probe.later(1), Sandboxed)
        probe.api.answers["try", PATH] = PLAIN
        assert isinstance(await probe.later(0.7 * REPEAT_SECONDS), Sandboxed)
        assert isinstance(await probe.later(0.6 * REPEAT_SECONDS), NotSandboxed)


async def test_an_api_server_that_is_away_tells_nothing() -> None:
    probe = Probe(ApiUnreachable("away"))
    probe.prober.update({"web": PLAN})
    async with running(probe.prober.controller):
        assert await probe.later(2 * SETTLING_SECONDS) == Pending()
        probe.api.answers["try", PATH] = MARKED
        assert isinstance(await probe.later(30), Sandboxed)


async def test_a_namespace_that_refuses_pods_gives_way_to_one_that_answers() -> None:
    probe = Probe(FORBIDDEN)
    probe.api.answers["try", OTHER_PATH] = MARKED
    assert isinstance(await probe.outcome(Plan((TRIAL, OTHER), ())), Sandboxed)


async def test_a_plan_without_trials_is_impossible() -> None:
    assert await Probe(MARKED).outcome(Plan((), ())) == Impossible()


async def test_another_plan_begins_afresh_and_the_same_one_does_not() -> None:
    probe = Probe(MARKED)
    await probe.outcome()
    probe.prober.update({"web": PLAN})
    assert isinstance(probe.prober.outcome("web", PLAN), Sandboxed)
    other = Plan((TRIAL,), ("other selectors",))
    probe.prober.update({"web": other})
    assert probe.prober.outcome("web", other) == Pending()


async def test_what_comes_of_a_plan_that_was_replaced_meanwhile_counts_for_nothing() -> None:
    other = Plan((OTHER,), ())

    def replace_plan(_: Json) -> Json:
        probe.prober.update({"web": other})
        return MARKED

    probe = Probe(replace_plan)
    probe.api.answers["try", OTHER_PATH] = PLAIN
    probe.prober.update({"web": PLAN})
    async with running(probe.prober.controller):
        assert probe.prober.outcome("web", other) == Pending()
    assert [path for _, path, _ in probe.api.requests[:2]] == [PATH, OTHER_PATH]


async def test_a_forgotten_profile_is_tried_no_more() -> None:
    probe = Probe(PLAIN)
    probe.prober.update({"web": PLAN})
    probe.prober.update({})
    async with running(probe.prober.controller):
        probe.clock.step(60)
        await settle()
    assert probe.api.requests == []
