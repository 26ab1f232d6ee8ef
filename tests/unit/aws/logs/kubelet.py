"""Tasks whose containers have logs, and an API server that reads these as a kubelet does."""

import asyncio
import datetime
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from monopod.kube.client.api import ApiError, Json
from monopod.kube.objects.resources import ECS_CLUSTERS, ECS_TASK_DEFINITIONS, ECS_TASKS, PODS
from tests.unit.fake_api import FakeApi, not_found

GROUP = "/ecs/web"
SECOND = 1_000_000_000
NOON = 1_796_000_400 * SECOND
"""Of some day; in nanoseconds."""

FORBIDDEN = ApiError(403, "Forbidden", 'User "ana" cannot list resource "ecstasks"')


def show(ns: int) -> str:
    """A time as in logs."""
    moment = datetime.datetime.fromtimestamp(ns // SECOND, datetime.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ns % SECOND:09}Z"


def a_line(ns: int, text: str) -> bytes:
    return f"{show(ns)} {text}\n".encode()


def task_id(number: int) -> str:
    return f"{number:032x}"


def stream_name(number: int, container: str = "app") -> str:
    return f"web/{container}/{task_id(number)}"


def a_task(
    number: int,
    *containers: str,
    cluster: str = "default",
    group: str = GROUP,
    created: int = NOON,
    stopped: int | None = None,
) -> Json:
    status: dict[str, Any] = {
        "createdAt": show(created),
        "logs": [
            {"container": each, "group": group, "stream": stream_name(number, each)} for each in containers or ("app",)
        ],
    }
    if stopped is not None:
        status |= {"lastStatus": "STOPPED", "executionStoppedAt": show(stopped), "stoppedAt": show(stopped)}
    metadata = {"name": task_id(number), "namespace": f"ecs-{cluster}", "creationTimestamp": show(created)}
    return {"metadata": metadata, "spec": {}, "status": status}


def a_definition(group: str, since: int = NOON) -> Json:
    options = {"awslogs-group": group, "awslogs-region": "eu-central-1", "awslogs-stream-prefix": "web"}
    container = {"name": "app", "logConfiguration": {"logDriver": "awslogs", "options": options}}
    return {
        "metadata": {"name": "web.1", "creationTimestamp": show(since)},
        "spec": {
            "family": "web",
            "revision": 1,
            "registeredAt": show(since),
            "definition": {"containerDefinitions": [container, {"name": "quiet"}]},
        },
    }


class Kubelets(FakeApi):
    """Answers in pieces of `piece` bytes once the gate is open; `taken` says of each read how many were taken of it."""

    def __init__(self, *tasks: Json, definitions: Iterable[Json] = (), piece: int = 1000) -> None:
        super().__init__()
        self.lists = {ECS_TASKS.list_path(): list(tasks), ECS_TASK_DEFINITIONS.list_path(): list(definitions)}
        clusters = sorted({each["metadata"]["namespace"].removeprefix("ecs-") for each in tasks})
        self.lists[ECS_CLUSTERS.list_path()] = [{"metadata": {"name": each}} for each in clusters]
        for each in clusters:
            path = ECS_TASKS.list_path(f"ecs-{each}")
            self.lists[path] = [task for task in tasks if task["metadata"]["namespace"] == f"ecs-{each}"]
        self.forbidden: set[str] = set()
        self.logs: dict[tuple[str, str], bytes | Exception] = {}
        self.taken: list[int] = []
        self.asked: list[dict[str, str]] = []
        self.listed: list[tuple[str, dict[str, str]]] = []
        self.piece = piece
        self.gate = asyncio.Event()
        self.gate.set()

    def write(self, number: int, lines: Iterable[tuple[int, str]], *, container: str = "app") -> None:
        before = self.logs.get((task_id(number), container), b"")
        assert isinstance(before, bytes)
        self.logs[task_id(number), container] = before + b"".join(a_line(ns, text) for ns, text in lines)

    async def read_pages(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        metadata_only: bool = False,
        is_snapshot: bool = False,
    ) -> AsyncIterator[Json]:
        self.listed.append((path, dict(query or {})))
        if path in self.forbidden:
            raise FORBIDDEN
        name = (query or {}).get("fieldSelector", "").removeprefix("metadata.name=")
        yield {"items": [each for each in self.lists.get(path, ()) if name in ("", each["metadata"]["name"])]}

    @asynccontextmanager
    async def read_text(self, path: str, query: Mapping[str, str] | None = None) -> AsyncIterator[AsyncIterator[bytes]]:
        if path in self.forbidden:
            raise FORBIDDEN
        asked = dict(query or {})
        self.asked.append(asked)
        await self.gate.wait()
        pods = {PODS.path(task_id(n), namespace, "log"): task_id(n) for n in range(100) for namespace in NAMESPACES}
        log = self.logs.get((pods.get(path, ""), asked["container"]))
        if log is None:
            raise not_found()
        if isinstance(log, Exception):
            raise log
        yield self._send(select_lines(log, asked))

    async def _send(self, content: bytes) -> AsyncIterator[bytes]:
        self.taken.append(0)
        index = len(self.taken) - 1
        for begin in range(0, len(content), self.piece):
            self.taken[index] += len(content[begin : begin + self.piece])
            yield content[begin : begin + self.piece]


NAMESPACES = ("ecs-default", "ecs-a", "ecs-b")


def select_lines(log: bytes, asked: Mapping[str, str]) -> bytes:
    """What a kubelet sends of a log."""
    assert asked["timestamps"] == "true"
    lines = log.splitlines(keepends=True)
    if "tailLines" in asked:
        lines = lines[-int(asked["tailLines"]) :]
    since = asked.get("sinceTime", "").removesuffix("Z").encode()
    return b"".join(line for line in lines if line >= since)
