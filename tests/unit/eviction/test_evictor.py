"""Evictions: what the API server's answers mean, and a controller that asks for one after the other."""

import json
from dataclasses import replace
from typing import Any

import pytest

from monopod.eviction.api import request_eviction
from monopod.eviction.evictor import Evictor
from monopod.eviction.options import EvictionOptions
from monopod.eviction.rules.order import (
    Answer,
    Candidate,
    Evicted,
    Gone,
    OverBudget,
    Refused,
    SeveralBudgets,
    Unanswered,
)
from monopod.kube.client import LONGEST_MESSAGE, ApiError, ApiUnreachable, ServerTrouble, _read_answer
from tests.unit.fake_api import FakeApi, not_found
from tests.unit.fake_clock import FakeClock
from tests.unit.running import PROBLEMS, running, settle

TWENTY = EvictionOptions(evictions_per_minute=20)  # one in 3 s
POD = Candidate("prod", "a", "uid-a", "", "web")
PATH = "/api/v1/namespaces/prod/pods/a/eviction"
SAID = "The disruption budget web needs 3 healthy pods and has 3 currently"
CAUSE = ("DisruptionBudget", SAID)
SEVERAL = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
PROCESSING = ("DisruptionBudget", "The disruption budget web is still being processed by the server.")

ANSWERS = [
    pytest.param({}, Evicted(), id="granted"),
    pytest.param(not_found(), Gone(), id="gone"),
    pytest.param(ApiError(409, "Conflict", "Precondition failed: UID in precondition: a, b"), Gone(), id="a namesake"),
    pytest.param(ApiError(403, "Forbidden", "no"), Refused("no (403 Forbidden)"), id="refused"),
    pytest.param(ServerTrouble("evict", 429, "no", (CAUSE,)), OverBudget(("web",), SAID), id="over budget"),
    pytest.param(
        ServerTrouble("evict", 429, "no", (PROCESSING,), 10.0),
        OverBudget(("web",), PROCESSING[1], 10.0),
        id="budget not worked out yet",
    ),
    pytest.param(ServerTrouble("evict", 500, SEVERAL), SeveralBudgets(), id="several budgets"),
    pytest.param(
        ServerTrouble("evict", 429, "slow down", (), 1.0), Unanswered("evict: 429 slow down", 1.0), id="overloaded"
    ),
    pytest.param(ApiUnreachable("away"), Unanswered("away"), id="away"),
]


@pytest.mark.parametrize(("said", "answer"), ANSWERS)
async def test_an_answer_is_understood(said: Any, answer: Answer) -> None:
    assert await request_eviction(FakeApi({("create", PATH): said}).client, POD) == answer


async def test_an_eviction_names_the_very_pod() -> None:
    api = FakeApi()
    await request_eviction(api.client, POD)
    ((_, eviction),) = api.sent("create")
    assert eviction["deleteOptions"] == {"preconditions": {"uid": "uid-a"}}


def test_what_a_troubled_server_says_is_kept() -> None:
    status = (
        b'{"message":"no","details":{"causes":[{"reason":"DisruptionBudget","message":"m"}],"retryAfterSeconds":7}}'
    )
    with pytest.raises(ServerTrouble) as caught:
        _read_answer("POST /x", 429, status, None)
    assert (caught.value.causes, caught.value.retry_after) == ((("DisruptionBudget", "m"),), 7)
    with pytest.raises(ServerTrouble) as caught:
        _read_answer("POST /x", 429, b"slow down", "3")
    assert (str(caught.value), caught.value.retry_after) == ("POST /x: 429 slow down", 3)


@pytest.mark.parametrize("text", [b"<html>log in</html>", b"", b"null", b'"busy"', b"[]", b"503"])
def test_an_answer_that_is_no_object_is_none_whatever_its_status(text: bytes) -> None:
    """A proxy's page would pass for an empty list, or for the word that a pod is evicted."""
    for status in (200, 503):
        with pytest.raises(ApiUnreachable):
            _read_answer("GET /x", status, text, None)
    with pytest.raises(ApiError):
        _read_answer("GET /x", 404, text, None)


@pytest.mark.parametrize("status", [403, 500])
def test_a_webhook_that_talks_too_much_does_not_keep_a_status_from_being_written(status: int) -> None:
    said = json.dumps({"message": "no" * 50_000}).encode()
    with pytest.raises((ApiError, ServerTrouble)) as caught:
        _read_answer("POST /x", status, said, None)
    assert LONGEST_MESSAGE < len(str(caught.value)) < LONGEST_MESSAGE + 100


@pytest.mark.parametrize("wish", ["Wed, 21 Oct 2026 07:28:00 GMT", "1.5", "-1", "²", "soon", ""])
def test_a_wish_that_is_no_number_of_seconds_is_none(wish: str) -> None:
    with pytest.raises(ServerTrouble) as caught:
        _read_answer("POST /x", 429, b"{}", wish)
    assert caught.value.retry_after == 0


async def test_the_mover_evicts_what_is_wanted_and_nothing_more() -> None:
    api, clock = FakeApi(), FakeClock()
    evictor = Evictor(api.client, TWENTY, PROBLEMS, clock=clock)
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


async def test_evictions_keep_their_distance() -> None:
    api, clock = FakeApi(), FakeClock()
    evictor = Evictor(api.client, TWENTY, PROBLEMS, clock=clock)
    pods = [replace(POD, name=f"p{number}", uid=f"{number}") for number in range(5)]
    async with running(evictor.controller):
        evictor.update("deletion", pods)
        for evicted in range(1, 6):
            clock.step(3)
            await settle()
            assert len(api.sent("create")) == evicted


async def test_nothing_is_evicted_while_it_is_not_known_whether_this_replica_leads() -> None:
    api, clock, leads = FakeApi(), FakeClock(), False
    evictor = Evictor(api.client, EvictionOptions(), PROBLEMS, lambda: leads, clock)
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
    api, clock = FakeApi({("create", PATH): ServerTrouble("evict", 429, "no", (CAUSE,))}), FakeClock()
    evictor = Evictor(api.client, EvictionOptions(), PROBLEMS, clock=clock)
    evictor.answered.subscribe(lambda: answered.append(None))
    async with running(evictor.controller):
        evictor.update("deletion", [POD])
        clock.step(1)
        await settle()
        (obstacle,) = evictor.find_obstacles([POD])
        assert (obstacle.pods, obstacle.budgets) == (("prod/a",), ("prod/web",))
        assert answered
