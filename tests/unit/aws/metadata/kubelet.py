"""A stand-in for a kubelet that has a summary, and what the API server says of its node."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from lab.cluster.pki import Authority
from monopod.kube.client.api import Json
from monopod.kube.objects.resources import NODES, SERVICE_ACCOUNTS
from tests.unit.aws.metadata.tasks import ID, NAMESPACE
from tests.unit.fake_api import FakeApi

NODE = "node-1"
POD_UID = "0a1b2c3d-0000-4000-8000-000000000001"
ACCOUNT = "monopod-aws-stats"
TOKEN = "of-the-account"
TOKEN_PATH = SERVICE_ACCOUNTS.path(ACCOUNT, "monopod-system", "token")


def a_container(name: str, cpu: int, at: str, **more: Any) -> Json:
    """As a kubelet has it, but for the file systems."""
    memory = {
        "time": at,
        "usageBytes": 30_000_000,
        "workingSetBytes": 20_000_000,
        "rssBytes": 15_000_000,
        "pageFaults": 400,
        "majorPageFaults": 3,
    }
    used = {"time": at, "usageNanoCores": 1, "usageCoreNanoSeconds": cpu, "psi": {}}
    return {"name": name, "startTime": "2026-11-29T08:00:02Z", "cpu": used, "memory": memory, **more}


OF_GVISOR: Json = {
    "name": "app",
    "startTime": "2026-11-29T10:38:49Z",
    "cpu": {"time": "2026-11-29T10:39:15Z", "usageNanoCores": 1431967, "usageCoreNanoSeconds": 2161168400},
    "memory": {
        "time": "2026-11-29T10:39:15Z",
        "availableBytes": 18446744073707200512,
        "usageBytes": 2351104,
        "workingSetBytes": 2351104,
        "rssBytes": 0,
        "pageFaults": 0,
        "majorPageFaults": 0,
    },
    "io": {"time": "2026-11-29T10:39:15Z"},
    "rootfs": {"time": "2026-11-29T10:39:09Z", "availableBytes": 40644255744, "usedBytes": 12288},
    "swap": {"time": "2026-11-29T10:39:15Z", "swapAvailableBytes": 0, "swapUsageBytes": 0},
}
"""As a kubelet of 1.36 had it of a container in gVisor."""


def a_pod(*containers: Json, name: str = ID, namespace: str = NAMESPACE, uid: str = POD_UID, rx: int = 1000) -> Json:
    interface = {"name": "eth0", "rxBytes": rx, "rxErrors": 0, "txBytes": 2 * rx, "txErrors": 1}
    return {
        "podRef": {"name": name, "namespace": namespace, "uid": uid},
        "startTime": "2026-11-29T08:00:00Z",
        "containers": list(containers),
        "network": {"time": "2026-11-29T08:00:10Z", **interface, "interfaces": [interface]},
        "volume": [{"name": "a", "usedBytes": 1}],
        "process_stats": {"process_count": 0},
    }


def a_summary(*pods: Json) -> Json:
    node = {"nodeName": NODE, "cpu": {"time": "2026-11-29T08:00:10Z", "usageCoreNanoSeconds": 5}}
    return {"node": node, "pods": list(pods)}


class Kubelet:
    """Answers whoever shows the account's token."""

    def __init__(self) -> None:
        self.summary: Json | bytes = a_summary()
        self.asked: list[str] = []
        self.is_asked = asyncio.Event()
        self.most_at_once = 0
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self.port = 0
        self._active = 0

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(request.raw_path)
        self.is_asked.set()
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.Response(status=401)
        self._active += 1
        self.most_at_once = max(self.most_at_once, self._active)
        await self.may_go_on.wait()
        self._active -= 1
        summary = self.summary
        return web.Response(body=summary if isinstance(summary, bytes) else json.dumps(summary).encode())


@asynccontextmanager
async def running_kubelet(authority: Authority, host: str = "127.0.0.1") -> AsyncIterator[Kubelet]:
    """A kubelet whose certificate is for a host."""
    kubelet = Kubelet()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue(f"kubelet-{host}", NODE, hosts=(host,)))
    runner = web.ServerRunner(web.Server(kubelet.answer, access_log=None))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        kubelet.port = runner.addresses[0][1]
        yield kubelet
    finally:
        await runner.cleanup()


def add_node(api: FakeApi, kubelet: Kubelet, name: str = NODE, address: str = "127.0.0.1") -> None:
    """Lets the API server have the kubelet's node, and the account's tokens."""
    addresses = [{"type": "Hostname", "address": name}, {"type": "InternalIP", "address": address}]
    status = {"addresses": addresses, "daemonEndpoints": {"kubeletEndpoint": {"Port": kubelet.port}}}
    api.answers["get", NODES.path(name)] = {"metadata": {"name": name}, "status": status}
    api.answers["create", TOKEN_PATH] = {"status": {"token": TOKEN}}
