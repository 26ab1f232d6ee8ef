"""Who leads: what the Lease allows, whatever else happens."""

import asyncio
import copy
from typing import Any

import pytest

from monopod.kube.client.api import ApiError, ApiUnreachable, Json
from monopod.kube.lease import LeadershipLost, Lease, Timing
from tests.unit.fake_api import FakeApi, an_object, conflict

COLLECTION = "/apis/coordination.k8s.io/v1/namespaces/monopod-system/leases"
PATH = f"{COLLECTION}/monopod"
QUICK = Timing(duration=0.2, renew_within=0.1, retry_every=0.01)


def a_lease(api: FakeApi, identity: str = "me") -> Lease:
    return Lease(api, "monopod-system", identity, QUICK)


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
    versions = iter(range(1, 10**6))
    api = api_with()
    api.answers["get", PATH] = lambda _: held_by("other", next(versions), duration=0.05)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await a_lease(api).acquire()
    assert api.sent("replace") == []


async def test_another_holders_lease_is_taken_once_it_has_run_out_by_our_own_clock() -> None:
    api = api_with(held_by("other", duration=0.1))
    began = asyncio.get_running_loop().time()
    await a_lease(api).acquire()
    assert asyncio.get_running_loop().time() - began > 0.1


async def test_losing_the_race_for_a_lease_is_not_an_error() -> None:
    api = api_with(held_by(""))
    api.answers["replace", PATH] = conflict()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await a_lease(api).acquire()
    assert api.sent("replace"), "it took part in the race"


async def test_an_api_server_that_is_away_is_waited_for() -> None:
    api = api_with(ApiUnreachable("away"))
    waiting = asyncio.create_task(a_lease(api).acquire())
    await asyncio.sleep(0.03)
    api.answers["get", PATH] = held_by("")
    await waiting


async def test_missing_rights_end_the_wait() -> None:
    with pytest.raises(ApiError):
        await a_lease(api_with(ApiError(403, "Forbidden", "no"))).acquire()


async def test_a_leader_whose_renewals_fail_gives_up_before_the_lease_runs_out() -> None:
    began = asyncio.get_running_loop().time()
    with pytest.raises(LeadershipLost):
        await a_lease(api_with(ApiUnreachable("away"))).hold()
    assert QUICK.renew_within <= asyncio.get_running_loop().time() - began < QUICK.duration


async def test_a_renewal_that_hangs_does_not_outlast_the_lease() -> None:
    api = api_with()

    async def hang(*_: Any) -> Json:
        await asyncio.Event().wait()
        return {}

    api.get = hang  # type: ignore[method-assign,assignment]  # a request that is never answered
    began = asyncio.get_running_loop().time()
    with pytest.raises(LeadershipLost):
        await a_lease(api).hold()
    assert asyncio.get_running_loop().time() - began < QUICK.duration


async def test_a_leader_stops_when_another_leads() -> None:
    with pytest.raises(LeadershipLost, match="other holds the Lease"):
        await a_lease(api_with(held_by("other", duration=60))).hold()


async def test_a_leader_that_renews_goes_on() -> None:
    api = api_with(held_by("me"))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await a_lease(api).hold()
    assert len(api.sent("replace")) > 5


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
