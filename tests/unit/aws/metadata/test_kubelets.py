"""Statistics of tasks, over real connections to a stand-in for a kubelet: whose, how often, and what without it."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from lab.cluster.pki import Authority
from monopod.aws.metadata import kubelets as module
from monopod.aws.metadata.kubelets import FAILED_SECONDS, FRESH_SECONDS, Kubelets, build_context, find_kubelet
from monopod.aws.metadata.rules.summary import PodKey
from monopod.aws.metadata.server import MetadataServer
from monopod.aws.metadata.task_records import TaskRecords
from monopod.aws.options import Account
from monopod.kube.client.api import ApiError
from monopod.kube.objects.resources import NODES
from tests.unit.aws.metadata.kubelet import (
    ACCOUNT,
    NODE,
    OF_GVISOR,
    POD_UID,
    TOKEN,
    TOKEN_PATH,
    Kubelet,
    a_container,
    a_pod,
    a_summary,
    add_node,
    running_kubelet,
)
from tests.unit.aws.metadata.tasks import BASE, ID, NAMESPACE, PATH, a_task, serve
from tests.unit.fake_api import FakeApi
from tests.unit.fake_clock import FakeClock

TASK = a_task(pod={"uid": POD_UID, "node": NODE})
AT, LATER = "2026-11-29T08:00:10Z", "2026-11-29T08:00:20Z"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.create(tmp_path_factory.mktemp("authority"))


class World:
    """A metadata server, an API server and a kubelet."""

    def __init__(self, api: FakeApi, kubelet: Kubelet, clock: FakeClock, url: str, session: aiohttp.ClientSession):
        self.api, self.kubelet, self.clock = api, kubelet, clock
        self._url, self._session = url, session

    async def ask(self, path: str) -> Any:
        async with self._session.get(f"{self._url}{BASE}{path}") as answer:
            assert answer.status == 200
            return json.loads(await answer.read())


@asynccontextmanager
async def a_world(
    authority: Authority, host: str = "127.0.0.1", context: ssl.SSLContext | None = None
) -> AsyncIterator[World]:
    api, clock = serve(TASK), FakeClock()
    async with running_kubelet(authority, host) as kubelet, aiohttp.ClientSession() as session:
        add_node(api, kubelet)
        kubelet.summary = a_summary(a_pod(a_container("app", 1_000, AT), a_container("side", 2_000, AT)))
        trusted = context or build_context(str(authority.ca), is_insecure=False)
        kubelets = Kubelets(api, "monopod-system", ACCOUNT, trusted, clock)
        account = Account("111122223333", "us-east-1", "c1")
        server = MetadataServer(TaskRecords(api, clock), account, clock, "127.0.0.1", 0, kubelets)
        await server.start()
        try:
            yield World(api, kubelet, clock, f"http://127.0.0.1:{server.port}", session)
        finally:
            await server.stop()


async def test_a_container_is_told_what_it_uses(authority: Authority) -> None:
    async with a_world(authority) as world:
        first = await world.ask("/0/stats")
        assert first["precpu_stats"] == {"cpu_usage": {"total_usage": 0}}
        world.clock.step(FRESH_SECONDS)
        world.kubelet.summary = a_summary(a_pod(a_container("app", 5_000_000_000, LATER), rx=3000))
        assert await world.ask("/0/stats") == {
            "read": "2026-11-29T08:00:20.000000Z",
            "preread": "2026-11-29T08:00:10.000000Z",
            "cpu_stats": {
                "cpu_usage": {"total_usage": 5_000_000_000},
                "system_cpu_usage": 20_000_000_000,
                "online_cpus": 1,
            },
            "precpu_stats": {
                "cpu_usage": {"total_usage": 1_000},
                "system_cpu_usage": 10_000_000_000,
                "online_cpus": 1,
            },
            "memory_stats": {
                "usage": 30_000_000,
                "limit": 128 * 1024 * 1024,
                "stats": {"inactive_file": 10_000_000, "rss": 15_000_000, "pgfault": 400, "pgmajfault": 3},
            },
            "name": "/app",
            "id": f"{ID}-1",
            "networks": {"eth0": {"rx_bytes": 3000, "rx_errors": 0, "tx_bytes": 6000, "tx_errors": 1}},
            "network_rate_stats": {"rx_bytes_per_sec": 200.0, "tx_bytes_per_sec": 400.0},
        }


async def test_what_the_kubelet_does_not_know_is_left_out(authority: Authority) -> None:
    """Of sandboxes it knows less with some versions of containerd."""
    async with a_world(authority) as world:
        pod = a_pod(a_container("app", 1, AT, memory={"time": AT, "workingSetBytes": 20_000_000}))
        del pod["network"]
        world.kubelet.summary = a_summary(pod)
        told = await world.ask("/0/stats")
        assert told["memory_stats"] == {"usage": 20_000_000, "limit": 128 * 1024 * 1024, "stats": {}}
        assert "networks" not in told


async def test_what_gvisor_does_not_count_is_left_out(authority: Authority) -> None:
    async with a_world(authority) as world:
        world.kubelet.summary = a_summary(a_pod(OF_GVISOR))
        told = await world.ask("/0/stats")
        assert told["cpu_stats"]["cpu_usage"] == {"total_usage": 2_161_168_400}
        limit = 128 * 1024 * 1024
        assert told["memory_stats"] == {"usage": 2_351_104, "limit": limit, "stats": {"inactive_file": 0}}


async def test_a_task_is_told_what_each_container_uses(authority: Authority) -> None:
    async with a_world(authority) as world:
        told = await world.ask("/1/task/stats")
        assert {key: each["cpu_stats"]["cpu_usage"]["total_usage"] for key, each in told.items()} == {
            f"{ID}-1": 1_000,
            f"{ID}-2": 2_000,
        }
        assert told[f"{ID}-2"]["memory_stats"]["limit"] == 512 * 1024 * 1024, "without a limit it is the task's"


@pytest.mark.parametrize(
    "other",
    [{"name": "f" * 32}, {"namespace": "ecs-other"}, {"uid": POD_UID.replace("1", "2")}, {"namespace": "default"}],
    ids=str,
)
async def test_nothing_of_another_pod_is_told(authority: Authority, other: dict[str, Any]) -> None:
    async with a_world(authority) as world:
        world.kubelet.summary = a_summary(a_pod(a_container("app", 1_000, AT), **other))
        assert await world.ask("/0/stats") is None
        assert await world.ask("/0/task/stats") == {f"{ID}-1": None, f"{ID}-2": None}


async def test_a_kubelet_is_asked_once_by_however_many(authority: Authority) -> None:
    async with a_world(authority) as world:
        world.kubelet.may_go_on.clear()
        asking = [asyncio.create_task(world.ask(f"/{each % 2}/task/stats")) for each in range(10)]
        await world.kubelet.is_asked.wait()
        world.kubelet.may_go_on.set()
        assert all(each[f"{ID}-1"] for each in await asyncio.gather(*asking))
        assert world.kubelet.asked == ["/stats/summary"]
        world.clock.step(FRESH_SECONDS)
        await world.ask("/0/stats")
        assert (len(world.kubelet.asked), world.kubelet.most_at_once) == (2, 1)


async def test_a_kubelet_is_shown_a_token_of_the_account_and_none_of_our_own(authority: Authority) -> None:
    async with a_world(authority) as world:
        assert await world.ask("/0/stats")
        for _ in range(3):
            world.clock.step(FRESH_SECONDS)
            await world.ask("/0/stats")
        assert [path for path, _ in world.api.sent("create")] == [TOKEN_PATH]
        assert [path for path, _ in world.api.sent("get")].count(NODES.path(NODE)) == 1
        world.clock.step(module.TOKEN_SECONDS / 2)
        assert await world.ask("/0/stats")
        assert len(world.api.sent("create")) == 2


async def test_a_token_that_is_not_taken_any_more_is_replaced(authority: Authority) -> None:
    async with a_world(authority) as world:
        tokens = iter(["of-an-account-that-was-made-anew", TOKEN])
        world.api.answers["create", TOKEN_PATH] = lambda _: {"status": {"token": next(tokens)}}
        assert await world.ask("/0/stats") is None
        world.clock.step(FAILED_SECONDS)
        assert await world.ask("/0/stats")


@pytest.mark.parametrize(
    "summary", [b"no JSON", b"[]", b'{"pods": [{}]}', b"\xff", a_summary(a_pod(a_container("app", -1, AT)))], ids=str
)
async def test_an_answer_that_is_none_is_null(authority: Authority, summary: Any) -> None:
    async with a_world(authority) as world:
        world.kubelet.summary = summary
        assert await world.ask("/0/stats") is None


async def test_an_answer_without_end_is_broken_off(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST_SUMMARY", 1000)
    async with a_world(authority) as world:
        world.kubelet.summary = json.dumps(world.kubelet.summary).encode() + b" " * 1000
        assert await world.ask("/0/stats") is None


async def test_a_kubelet_that_does_not_answer_is_given_up_and_left_alone_for_a_while(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_world(authority) as world:
        world.kubelet.may_go_on.clear()
        with monkeypatch.context() as hurried:
            hurried.setattr(module, "ASK_SECONDS", 1.0)  # enough to be asked, on a busy machine too
            assert await world.ask("/0/stats") is None
        world.kubelet.may_go_on.set()
        world.clock.step(FRESH_SECONDS)
        assert await world.ask("/0/stats") is None
        assert len(world.kubelet.asked) == 1
        world.clock.step(FAILED_SECONDS)
        assert await world.ask("/0/stats")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2"], ids=["another-authority", "another-host"])
async def test_a_kubelet_that_shows_no_certificate_of_its_own_is_shown_no_token(
    authority: Authority, tmp_path: Path, host: str
) -> None:
    other = Authority.create(tmp_path) if host == "127.0.0.1" else authority
    async with a_world(other, host, build_context(str(authority.ca), is_insecure=False)) as world:
        assert await world.ask("/0/stats") is None
        assert world.kubelet.asked == []


async def test_any_certificate_will_do_where_the_administrator_says_so(authority: Authority, tmp_path: Path) -> None:
    insecure = build_context(str(authority.ca), is_insecure=True)
    async with a_world(Authority.create(tmp_path), "127.0.0.2", insecure) as world:
        assert await world.ask("/0/stats")


@pytest.mark.parametrize("path", [NODES.path(NODE), TOKEN_PATH], ids=["node", "token"])
async def test_without_the_right_it_is_null_and_not_an_error(authority: Authority, path: str) -> None:
    async with a_world(authority) as world:
        for verb in ("get", "create"):
            if (verb, path) in world.api.answers:
                world.api.answers[verb, path] = ApiError(403, "Forbidden", "no")
        assert await world.ask("/0/stats") is None
        assert world.kubelet.asked == []


async def test_a_task_without_a_node_is_told_null_and_nobody_is_asked(authority: Authority) -> None:
    async with a_world(authority) as world:
        world.api.answers["get", PATH] = a_task(pod={"uid": POD_UID})
        assert await world.ask("/0/stats") is None
        assert not world.api.sent("create")


@pytest.mark.parametrize(
    ("status", "url"),
    [
        ({"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}, "https://10.0.0.1:10250"),
        ({"addresses": [{"type": "InternalIP", "address": "fd00::1"}]}, "https://[fd00::1]:10250"),
        ({"addresses": [{"type": "ExternalIP", "address": "192.0.2.1"}]}, ""),
        ({"addresses": [{"type": "InternalIP", "address": "a.example/?"}]}, ""),
        ({}, ""),
    ],
    ids=["ipv4", "ipv6", "external", "no-address", "nothing"],
)
def test_a_kubelet_is_at_its_nodes_internal_address(status: Any, url: str) -> None:
    assert find_kubelet({"status": status}) == url


async def test_nodes_are_forgotten_that_nobody_asks_about_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_NODES", 2)
    api = FakeApi()
    kubelets = Kubelets(api, "monopod-system", ACCOUNT, build_context(None, is_insecure=False), FakeClock())
    pod = PodKey(NAMESPACE, ID, POD_UID)
    for node in ("a", "b", "c", "c", "a"):
        assert await kubelets.find(node, pod) == {}
    assert [path for path, _ in api.sent("get")] == [NODES.path(node) for node in "abca"]
