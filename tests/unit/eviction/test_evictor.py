"""Evictions: what the API server's answers mean, and a controller that asks for one after the other."""

from dataclasses import replace
from typing import Any

import pytest

from monopod.eviction.api import request_eviction, terminate
from monopod.eviction.evictor import Evictor
from monopod.eviction.options import EvictionOptions
from monopod.eviction.rules.order import (
    Answer,
    Candidate,
    Changed,
    Evicted,
    Gone,
    OverBudget,
    Refused,
    SeveralBudgets,
    Unanswered,
)
from monopod.kube.client.api import ApiError, ApiUnreachable, Cause, ServerTrouble
from tests.unit.fake_api import FakeApi, not_found
from tests.unit.fake_clock import FakeClock
from tests.unit.running import PROBLEMS, running, settle

TWENTY = EvictionOptions(evictions_per_minute=20)  # one in 3 s
POD = Candidate("prod", "a", "uid-a", "", "web")
PATH = "/api/v1/namespaces/prod/pods/a/eviction"
SAID = "The disruption budget web needs 3 healthy pods and has 3 currently"
CAUSE = Cause("DisruptionBudget", SAID)
SEVERAL = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
PROCESSING = Cause("DisruptionBudget", "The disruption budget web is still being processed by the server.")

ANSWERS = [
    pytest.param({}, Evicted(), id="granted"),
    pytest.param(not_found(), Gone(), id="gone"),
    pytest.param(ApiError(409, "Conflict", "the UID in the precondition (a) …"), Gone(), id="a namesake"),
    pytest.param(ApiError(409, "Conflict", "Precondition failed: UID in precondition: a"), Gone(), id="a new namesake"),
    pytest.param(
        ApiError(409, "Conflict", "the ResourceVersion in the precondition (1) does …"), Changed(), id="another version"
    ),
    pytest.param(ApiError(409, "Conflict", "no"), Refused("no (409 Conflict)"), id="another conflict"),
    pytest.param(ApiError(403, "Forbidden", "no"), Refused("no (403 Forbidden)"), id="refused"),
    pytest.param(ServerTrouble(429, "", "no", (CAUSE,)), OverBudget(("web",), SAID, words="no"), id="over budget"),
    pytest.param(
        ServerTrouble(429, "", "no", (PROCESSING,), 10.0),
        OverBudget(("web",), PROCESSING[1], 10.0, "no"),
        id="budget not worked out yet",
    ),
    pytest.param(ServerTrouble(500, "", SEVERAL), SeveralBudgets(SEVERAL), id="several budgets"),
    pytest.param(ServerTrouble(429, "", "slow down", (), 1.0), Unanswered("slow down (429)", 1.0), id="overloaded"),
    pytest.param(ApiUnreachable("away"), Unanswered("away"), id="away"),
]


@pytest.mark.parametrize(("said", "answer"), ANSWERS)
async def test_an_answer_is_understood(said: Any, answer: Answer) -> None:
    assert await request_eviction(FakeApi({("create", PATH): said}), POD) == answer


async def test_an_eviction_names_the_very_pod() -> None:
    api = FakeApi()
    await request_eviction(api, POD)
    ((_, eviction),) = api.sent("create")
    assert eviction["deleteOptions"] == {"preconditions": {"uid": "uid-a"}}


async def test_an_eviction_names_the_version_that_counts() -> None:
    api = FakeApi()
    await request_eviction(api, replace(POD, version="7"))
    ((_, eviction),) = api.sent("create")
    assert eviction["deleteOptions"] == {"preconditions": {"uid": "uid-a", "resourceVersion": "7"}}


async def test_a_pod_that_has_changed_is_left_alone_until_it_was_looked_at_again() -> None:
    conflict = ApiError(409, "Conflict", "the ResourceVersion in the precondition (7) does not match")
    api, clock = FakeApi({("create", PATH): conflict}), FakeClock()
    evictor = Evictor(api, TWENTY, PROBLEMS, clock=clock)
    pod = replace(POD, version="7")
    async with running(evictor.controller):
        for asked in (1, 2):
            evictor.update("bare", [pod])
            clock.step(60)
            await settle()
            clock.step(60)
            await settle()
            assert len(api.sent("create")) == asked
        assert evictor.compute_obstacles([pod]) == ()


async def test_the_mover_evicts_what_is_wanted_and_nothing_more() -> None:
    api, clock = FakeApi(), FakeClock()
    evictor = Evictor(api, TWENTY, PROBLEMS, clock=clock)
    other = replace(POD, name="b", uid="uid-b", created="2026-01-02T00:00:00Z")
    async with running(evictor.controller):
        evictor.update("deletion", [POD, other])
        clock.step(2.9)
        await settle()
        assert api.sent("create") == [], "a new process begins with a full distance"
        clock.step(0.1)
        await settle()
        clock.step(2.9)
        await settle()
        evictor.update("deletion", [])
        clock.step(60)
        await settle()
        assert [path for path, _ in api.sent("create")] == [PATH]


async def test_who_wants_to_know_is_told_of_pods_that_were_evicted_and_of_those_that_may_have_been() -> None:
    api, clock = FakeApi({("create", PATH): ApiUnreachable("away")}), FakeClock()
    evicted, doubtful = list[Candidate](), list[Candidate]()
    evictor = Evictor(api, TWENTY, PROBLEMS, clock=clock)
    evictor.listen(evicted.append)
    evictor.listen_for_doubt(doubtful.append)
    evictor.update("patching", [POD])
    async with running(evictor.controller):
        clock.step(3)
        await settle()
        assert (evicted, [pod.uid for pod in doubtful]) == ([], ["uid-a"])
        api.answers["create", PATH] = {}
        clock.step(10)
        await settle()
    assert ([pod.uid for pod in evicted], len(doubtful)) == (["uid-a"], 1)


async def test_evictions_keep_their_distance() -> None:
    api, clock = FakeApi(), FakeClock()
    evictor = Evictor(api, TWENTY, PROBLEMS, clock=clock)
    pods = [replace(POD, name=f"p{number}", uid=f"{number}") for number in range(5)]
    async with running(evictor.controller):
        evictor.update("deletion", pods)
        for evicted in range(1, 6):
            clock.step(3)
            await settle()
            assert len(api.sent("create")) == evicted


async def test_nothing_is_evicted_while_it_is_not_known_whether_this_replica_leads() -> None:
    api, clock, leads = FakeApi(), FakeClock(), False
    evictor = Evictor(api, EvictionOptions(), PROBLEMS, lambda: leads, clock)
    async with running(evictor.controller):
        evictor.update("deletion", [POD])
        clock.step(60)
        await settle()
        assert api.sent("create") == []
        leads = True
        clock.step(1)
        await settle()
        assert len(api.sent("create")) == 1


async def test_the_mover_tells_what_blocks() -> None:
    answered: list[None] = []
    api, clock = FakeApi({("create", PATH): ServerTrouble(429, "", "no", (CAUSE,))}), FakeClock()
    evictor = Evictor(api, EvictionOptions(), PROBLEMS, clock=clock)
    evictor.answered.subscribe(lambda: answered.append(None))
    async with running(evictor.controller):
        evictor.update("deletion", [POD])
        clock.step(1)
        await settle()
        (obstacle,) = evictor.compute_obstacles([POD])
        assert (obstacle.pods, obstacle.budgets) == (("prod/a",), ("prod/web",))
        assert answered


async def test_a_pod_that_is_overdue_is_deleted_if_its_eviction_is_refused_once_more() -> None:
    overdue, delete = replace(POD, overdue=True), PATH.removesuffix("/eviction")
    for refusal in (ServerTrouble(429, "", "no", (CAUSE,)), ServerTrouble(500, "", SEVERAL), ApiError(403, "", "no")):
        api = FakeApi({("create", PATH): refusal})
        assert await terminate(api, overdue) == Evicted()
        assert api.sent("delete") == [(delete, {"uid": "uid-a"})]
    answers: list[Any] = [{}, not_found(), ApiUnreachable("away")]
    for answer in answers:
        api = FakeApi({("create", PATH): answer})
        await terminate(api, overdue)
        assert api.sent("delete") == [], "it went, or nobody knows"
    api = FakeApi(
        {("create", PATH): ServerTrouble(429, "", "no", (CAUSE,)), ("delete", delete): ApiError(403, "", "a")}
    )
    assert isinstance(await terminate(api, overdue), Refused)


async def test_only_overdue_pods_are_deleted_within_the_same_bound() -> None:
    refused = ServerTrouble(429, "", "no", (CAUSE,))
    api, clock = FakeApi({("create", PATH): refused, ("create", PATH.replace("/a/", "/b/")): refused}), FakeClock()
    evictor = Evictor(api, TWENTY, PROBLEMS, clock=clock)
    other = replace(POD, name="b", uid="uid-b", workload="other", overdue=True)
    async with running(evictor.controller):
        evictor.update("patching", [POD, other])
        for seconds in (3, 0.1):
            clock.step(seconds)
            await settle()
        assert [path for path, _ in api.sent("delete")] == [PATH.replace("/a/eviction", "/b")]
        assert evictor.find_refused([POD, other])["uid-a"] == OverBudget(("web",), SAID, words="no")
        assert "uid-b" not in evictor.find_refused([other])
