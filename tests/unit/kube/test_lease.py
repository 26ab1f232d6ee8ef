"""Who leads: what the Lease allows, whatever else happens."""

import asyncio
import copy
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from monopod.kube.client.api import ApiError, ApiUnreachable, Json
from monopod.kube.lease import LeadershipLost, Lease, Timing
from tests.unit.fake_api import FakeApi, an_object, conflict
from tests.unit.fake_clock import FakeClock
from tests.unit.running import settle

COLLECTION = "/apis/coordination.k8s.io/v1/namespaces/monopod-system/leases"
PATH = f"{COLLECTION}/monopod"
TIMING = Timing.from_duration(10)


def a_lease(api: FakeApi, clock: FakeClock | None = None) -> Lease:
    return Lease(api, "monopod-system", "me", TIMING, clock=clock or FakeClock())


@asynccontextmanager
async def working(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Work that is cancelled in the end, if it isn't done."""
    task = asyncio.create_task(work)
    yield task
    task.cancel()
    await asyncio.wait([task])


async def pass_time(clock: FakeClock, task: asyncio.Task[None], seconds: float = 60) -> float:
    """Lets time pass until the task is done, so much at most; how much it was."""
    began = clock.monotonic()
    while True:
        await settle(10)
        if task.done() or clock.monotonic() - began >= seconds:
            return clock.monotonic() - began
        clock.step(0.5)


def held_by(identity: str, version: int = 1, duration: float = 1) -> Json:
    spec: dict[str, Any] = {"holderIdentity": identity, "leaseDurationSeconds": duration, "leaseTransitions": 3}
    return {**an_object("monopod", version=version), "spec": spec}


def accept(body: Json) -> Json:
    """As the API server does: a new version."""
    return {**body, "metadata": {**body["metadata"], "resourceVersion": "100"}}


def api_with(lease: Json | Exception | None = None) -> FakeApi:
    api = FakeApi({("create", COLLECTION): accept, ("replace", PATH): accept})
    if lease is not None:
        api.answers["get", PATH] = lease
    return api


async def test_the_first_replica_creates_the_lease() -> None:
    api = api_with()
    await a_lease(api).acquire()
    ((_, body),) = api.sent("create")
    assert body["spec"]["holderIdentity"] == "me"


async def test_a_released_lease_is_taken_at_once_and_the_transition_counted() -> None:
    api = api_with(held_by(""))
    await a_lease(api).acquire()
    ((_, body),) = api.sent("replace")
    assert (body["spec"]["holderIdentity"], body["spec"]["leaseTransitions"]) == ("me", 4)
    assert body["metadata"]["resourceVersion"] == "1"


async def test_another_holders_lease_is_left_alone_while_it_is_renewed() -> None:
    versions, clock, api = iter(range(1, 10**6)), FakeClock(), api_with()
    api.answers["get", PATH] = lambda _: held_by("other", next(versions), duration=5)
    async with working(a_lease(api, clock).acquire()) as acquiring:
        await pass_time(clock, acquiring)
        assert not acquiring.done()
    assert api.sent("replace") == []


async def test_another_holders_lease_is_taken_once_it_has_run_out_by_our_own_clock() -> None:
    clock = FakeClock()
    async with working(a_lease(api_with(held_by("other", duration=20)), clock).acquire()) as acquiring:
        assert 20 < await pass_time(clock, acquiring) < 23
        await acquiring


async def test_losing_the_race_for_a_lease_is_not_an_error() -> None:
    clock, api = FakeClock(), api_with(held_by(""))
    api.answers["replace", PATH] = conflict()
    async with working(a_lease(api, clock).acquire()) as acquiring:
        await pass_time(clock, acquiring)
        assert not acquiring.done()
    assert api.sent("replace"), "it took part in the race"


async def test_an_api_server_that_is_away_is_waited_for() -> None:
    clock, api = FakeClock(), api_with(ApiUnreachable("away"))
    async with working(a_lease(api, clock).acquire()) as acquiring:
        await pass_time(clock, acquiring)
        assert not acquiring.done()
        api.answers["get", PATH] = held_by("")
        await pass_time(clock, acquiring)
        await acquiring


async def test_missing_rights_end_the_wait() -> None:
    with pytest.raises(ApiError):
        await a_lease(api_with(ApiError(403, "Forbidden", "no"))).acquire()


async def test_a_leader_whose_renewals_fail_gives_up_before_the_lease_runs_out() -> None:
    clock = FakeClock()
    async with working(a_lease(api_with(ApiUnreachable("away")), clock).hold()) as holding:
        assert TIMING.renew_within <= await pass_time(clock, holding) < TIMING.duration
        with pytest.raises(LeadershipLost):
            await holding


async def test_a_renewal_that_hangs_does_not_outlast_the_lease() -> None:
    clock, api = FakeClock(), api_with()

    async def hang(*_: Any) -> Json:
        await asyncio.Event().wait()
        return {}

    api.get = hang  # type: ignore[method-assign,assignment]  # a request that is never answered
    async with working(a_lease(api, clock).hold()) as holding:
        assert await pass_time(clock, holding) < TIMING.duration
        with pytest.raises(LeadershipLost):
            await holding


async def test_a_leader_stops_when_another_leads() -> None:
    clock = FakeClock()
    async with working(a_lease(api_with(held_by("other", duration=60)), clock).hold()) as holding:
        await pass_time(clock, holding)
        with pytest.raises(LeadershipLost, match="other holds the Lease"):
            await holding


async def test_a_leader_that_renews_goes_on() -> None:
    clock, api = FakeClock(), api_with(held_by("me"))
    async with working(a_lease(api, clock).hold()) as holding:
        await pass_time(clock, holding)
        assert not holding.done()
    assert len(api.sent("replace")) > 60 / TIMING.renew_within


async def test_a_release_lets_the_next_one_in_at_once() -> None:
    api = api_with(held_by("me"))
    await a_lease(api).release()
    ((_, body),) = api.sent("replace")
    assert (body["spec"]["holderIdentity"], body["spec"]["leaseDurationSeconds"]) == ("", 1)


async def test_someone_elses_lease_is_not_released() -> None:
    api = api_with(held_by("other"))
    await a_lease(api).release()
    assert api.sent("replace") == []


@pytest.mark.parametrize(
    ("failing", "asked"),
    [(("get", PATH), ["get"]), (("replace", PATH), ["get", "replace"])],
    ids=["it can't be read", "it can't be written"],
)
async def test_a_release_that_fails_is_no_harm(failing: tuple[str, str], asked: list[str]) -> None:
    api = api_with(held_by("me"))
    api.answers[failing] = ApiUnreachable("away")
    await a_lease(api).release()
    assert [method for method, _, _ in api.requests] == asked


def test_a_leader_gives_up_before_its_lease_runs_out() -> None:
    timing = Timing.from_duration(10)
    assert timing.retry_every < timing.renew_within < timing.duration


async def test_a_replica_that_is_cancelled_while_it_takes_the_lease_sees_what_came_of_it_and_releases_it() -> None:
    api, asked, answered = api_with(held_by("")), asyncio.Event(), asyncio.Event()
    replace = api.replace

    async def replace_late(path: str, body: Json) -> Json:
        asked.set()
        await answered.wait()
        api.answers["get", PATH] = copy.deepcopy(accept(body))
        return await replace(path, body)

    api.replace = replace_late  # type: ignore[method-assign]  # the API server does it after a while
    lease = a_lease(api)
    waiting = asyncio.create_task(lease.acquire())
    await asked.wait()
    waiting.cancel()
    await asyncio.sleep(0)
    assert not waiting.done(), "the API server would take the Lease for a process that has ended"
    answered.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await lease.release()
    assert [body["spec"]["holderIdentity"] for _, body in api.sent("replace")] == ["me", ""]
