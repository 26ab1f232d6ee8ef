"""A ledger for the commands: its real server on a port of this machine, and a kubectl that says it leads there."""

import asyncio
import concurrent.futures
import http.server
import json
import stat
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from monopod.kube.client.api import Api
from monopod.kube.client.asynchronous import ApiClient
from monopod.kube.objects.resources import PODS
from monopod.ledger.server.options import ServerOptions
from monopod.ledger.server.servers import Servers
from monopod.usage.ledger_identity import LedgerAccount
from tests.unit.cli.running import write_yaml
from tests.unit.fake_api import FakeApi
from tests.unit.fake_clock import FakeClock
from tests.unit.ledger.server.ledgers import NOW, an_api, build_people

READY = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
ACCOUNT = LedgerAccount("monopod-system", "monopod-ledger")
PODS_OF_LEDGER = {"monopod-ledger-0": READY}


async def connect_fake() -> FakeApi:
    """An API server that knows the users of `RIGHTS`."""
    return an_api()


@contextmanager
def a_ledger(
    folder: Path, connect: Callable[[], Awaitable[Api]] = connect_fake, account: LedgerAccount = ACCOUNT
) -> Iterator[Servers]:
    """A ledger with three pods, whose users and rights an API server knows."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    people = build_people(folder)
    clock = FakeClock()
    clock.step((NOW - clock.now()).total_seconds())

    stopping, started = asyncio.Event(), concurrent.futures.Future[Servers]()

    async def serve() -> None:
        options = ServerOptions(api_port=0, peers_listen="127.0.0.1", peers_port=0)
        api = await connect()
        servers = Servers(api, clock, people._ledger, options, account, folder)
        await servers.start()
        controllers = [asyncio.create_task(controller.run()) for controller in servers.controllers]
        started.set_result(servers)
        await stopping.wait()
        for task in controllers:
            task.cancel()
        await asyncio.gather(*controllers, return_exceptions=True)
        await servers.stop()
        if isinstance(api, ApiClient):
            await api.close()

    serving = asyncio.run_coroutine_threadsafe(serve(), loop)
    serving.add_done_callback(lambda done: started.cancel() if not started.done() else None)
    try:
        yield started.result(60)
    finally:
        loop.call_soon_threadsafe(stopping.set)
        serving.result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(15)
        loop.close()
        people.close()
        people._ledger.store.close()


@contextmanager
def a_cluster(pods: dict[str, Any] | int) -> Iterator[str]:
    """The URL of an API server that has these pods of the ledger, or refuses all with a status."""
    listed: dict[str, Any] = {} if isinstance(pods, int) else pods
    names = {PODS.path(name, "monopod-system"): pod for name, pod in listed.items()}
    missing = pods if isinstance(pods, int) else 404

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = missing, dict[str, Any](reason="Forbidden" if missing == 403 else "NotFound")
            if self.path in names:
                status, body = 200, names[self.path]
            elif "labelSelector=" in self.path and missing == 404:
                status, body = 200, {"items": [{"metadata": {"name": name}, **pod} for name, pod in listed.items()]}
            self.send_response(status)
            content = json.dumps(body).encode()
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def write_kubectl(folder: Path, port: int) -> None:
    """A program kubectl whose port-forward leads to the port."""
    path = folder / "kubectl"
    path.write_text(f'#!/bin/sh\necho "Forwarding from 127.0.0.1:{port} -> 8443"\nexec sleep 300\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def write_kubeconfig(folder: Path, server: str, **user: Any) -> str:
    """A kubeconfig of a user, whose context has the namespace shop."""
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
    }
    return write_yaml(folder / "config", config)
