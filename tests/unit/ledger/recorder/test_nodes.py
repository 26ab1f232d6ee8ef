"""Leases of nodes: when a lost node was last alive, and how far its clock is off."""

import asyncio

import pytest

from monopod.kube.client.api import ApiError, Json, WatchEvent
from monopod.kube.objects.resources import LEASES
from monopod.ledger.recorder.closing import LOST_NODE_MS, close
from monopod.ledger.recorder.listing import compute_now_ms
from monopod.ledger.recorder.nodes import NODE_LEASES, Nodes, read_renewal
from monopod.usage.rules.lifetime import Evidence, Interval
from tests.unit.fake_api import FakeApi
from tests.unit.fake_clock import FakeClock
from tests.unit.ledger.recorder.lifetimes import a_lifetime
from tests.unit.running import PROBLEMS, settle

PATH = LEASES.list_path(NODE_LEASES)


def a_lease(name: str, renewed: str) -> Json:
    return {"metadata": {"name": name, "resourceVersion": "7"}, "spec": {"renewTime": renewed}}


async def follow(api: FakeApi, clock: FakeClock) -> Nodes:
    nodes = Nodes(api, PROBLEMS, clock)
    task = asyncio.create_task(nodes.run())
    await settle()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return nodes


def an_api(*leases: Json) -> FakeApi:
    api = FakeApi()
    api.lists[PATH] = [*leases]
    return api


async def test_renewals_are_known_from_a_list_and_go_on_by_the_watch_with_the_skew() -> None:
    clock = FakeClock()  # it is 00:16:40
    api = an_api(a_lease("n1", "2026-01-01T00:16:30.000000Z"))
    api.watches = [
        [WatchEvent("MODIFIED", a_lease("n1", "2026-01-01T00:16:43.250000Z"))],
        [ApiError(410, "Expired", "")],
    ]
    nodes = await follow(api, clock)
    assert nodes.renewals == {"n1": compute_now_ms(clock) + 3250}
    assert nodes.skews == {"n1": 3250}


async def test_the_last_renewal_outlives_the_lease_as_the_lease_goes_with_its_node() -> None:
    clock = FakeClock()
    lease = a_lease("n1", "2026-01-01T00:16:30.000000Z")
    api = an_api(lease)
    api.watches = [[WatchEvent("DELETED", lease)], [ApiError(410, "Expired", "")]]
    nodes = await follow(api, clock)
    assert nodes.renewals == {"n1": compute_now_ms(clock) - 10_000}
    assert nodes.skews == {}


@pytest.mark.parametrize("spec", [{}, None, {"renewTime": None}, {"renewTime": "yesterday"}], ids=str)
def test_a_lease_that_says_no_time_is_none(spec: Json | None) -> None:
    assert read_renewal({"metadata": {"name": "n1"}, "spec": spec}) is None


@pytest.mark.parametrize(("age", "is_lost"), [(LOST_NODE_MS, False), (LOST_NODE_MS + 1, True)])
def test_a_pods_end_notes_the_renewal_only_of_a_node_that_was_lost(age: int, is_lost: bool) -> None:
    end = 10_000_000
    closed = close(a_lifetime("x"), Interval(end, end), Evidence.WATCHED_DELETION, end - age)
    assert closed.node_renewed == (end - age if is_lost else None)


async def test_a_watch_that_ends_at_once_is_not_opened_again_at_once() -> None:
    """As what a proxy without an API server answers."""
    clock = FakeClock()
    api = an_api()
    nodes = Nodes(api, PROBLEMS, clock)
    task = asyncio.create_task(nodes.run())
    opened = []
    for _ in range(3):
        await settle()
        opened.append(len(api.sent("watch")))
        clock.step(1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert opened == [1, 2, 3]
