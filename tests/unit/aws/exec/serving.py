"""An endpoint that listens, with a task that runs, and terminals instead of Kubernetes'."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from monopod.aws.ecs.operations import build_service as build_ecs
from monopod.aws.exec import operations
from monopod.aws.exec.channels import Channels
from monopod.aws.exec.rules.claims import ANNOTATION
from monopod.aws.exec.session import Terminal
from monopod.aws.exec.sessions import Sessions
from monopod.aws.options import Account
from monopod.aws.wire.call import AccessKey, Call, Caller, Handler, Params
from monopod.aws.wire.endpoint import Endpoint
from monopod.aws.wire.server import Server
from monopod.kube.client.api import Api, ApiError, ApiUnreachable, Json
from monopod.kube.client.exec import Ended, Exec
from monopod.kube.clock import SYSTEM_CLOCK, Clock
from tests.unit.aws.wire.serving import ANA, KEY, REGION, SECRET
from tests.unit.fake_api import FakeApi

TASK_ID = "0123456789abcdef0123456789abcdef"
NAMESPACE = "ecs-prod"
TASK_PATH = f"/apis/ecs.monopod.dev/v1beta1/namespaces/{NAMESPACE}/ecstasks/{TASK_ID}"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
ACCOUNT = Account("111122223333", REGION, "monopod")
OTHER_KEY, OTHER_SECRET = "MPODBBBBBBBBBBBBBBBB", "bJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
BOB = Caller(OTHER_KEY, "bob")


def a_container(name: str = "app", status: str = "RUNNING", **members: Any) -> Json:
    return {"id": f"id-of-{name}", "name": name, "lastStatus": status, **members}


def a_task(*containers: Json, enabled: bool = True, status: str = "RUNNING", **members: Any) -> Json:
    return {
        "metadata": {"name": TASK_ID, "namespace": NAMESPACE, "resourceVersion": "1"},
        "spec": {"enableExecuteCommand": enabled},
        "status": {
            "lastStatus": status,
            "desiredStatus": "RUNNING",
            "containers": list(containers) or [a_container()],
            "pod": {"uid": "u"},
            **members,
        },
    }


class TaskApi(FakeApi):
    """Has one task, and changes its annotations as the API server does."""

    def __init__(self, task: Json) -> None:
        super().__init__({("get", TASK_PATH): task, ("create", REVIEWS): {"status": {"allowed": True}}})
        self.task = task

    async def merge(self, path: str, patch: Json) -> Json:
        self.requests.append(("merge", path, patch))
        metadata = self.task["metadata"]
        if patch["metadata"]["resourceVersion"] != metadata["resourceVersion"]:
            raise ApiError(409, "Conflict", "changed")
        metadata["annotations"] = {ANNOTATION: patch["metadata"]["annotations"][ANNOTATION]}
        metadata["resourceVersion"] = str(int(metadata["resourceVersion"]) + 1)
        return self.task


@dataclass
class FakeTerminal:
    """Shows what the test gives it; ends when the test says so."""

    typed: bytearray = field(default_factory=bytearray)
    sizes: list[tuple[int, int]] = field(default_factory=list)
    shown: asyncio.Queue[bytes | Ended] = field(default_factory=asyncio.Queue)
    takes_input: asyncio.Event = field(default_factory=asyncio.Event)
    took: asyncio.Event = field(default_factory=asyncio.Event)
    is_closed: bool = False
    pings: int = 0

    def __post_init__(self) -> None:
        self.takes_input.set()

    async def read(self) -> bytes | Ended:
        return await self.shown.get()

    async def write(self, typed: bytes) -> None:
        await self.takes_input.wait()
        self.typed += typed
        self.took.set()

    async def resize(self, columns: int, rows: int) -> None:
        self.sizes.append((columns, rows))

    async def ping(self) -> None:
        self.pings += 1

    async def close(self) -> None:
        self.is_closed = True

    def show(self, *shown: bytes | Ended) -> None:
        for each in shown:
            self.shown.put_nowait(each)


@dataclass
class Door:
    """What listens, and what is behind it.

    Attributes:
        url: where it is.
        api: the API server.
        sessions: the sessions.
        started: the commands that were started.
        terminals: theirs.
        keys: by their ids.
        failure: raised instead of a start.
        began: set when a command was started.
        handlers: what answers, by the operation's name.
    """

    api: FakeApi
    url: str = ""
    sessions: Sessions | None = None
    started: list[tuple[Caller, Exec]] = field(default_factory=list)
    terminals: list[Any] = field(default_factory=list)
    keys: dict[str, AccessKey] = field(
        default_factory=lambda: {KEY: AccessKey(ANA, SECRET), OTHER_KEY: AccessKey(BOB, OTHER_SECRET)}
    )
    failure: ApiError | ApiUnreachable | None = None
    began: asyncio.Event = field(default_factory=asyncio.Event)
    handlers: dict[str, Handler] = field(default_factory=dict)

    def ask_as(self, caller: Caller) -> Api:
        return self.api

    async def find_key(self, access_key_id: str) -> AccessKey | None:
        return self.keys.get(access_key_id)

    async def start(self, caller: Caller, wanted: Exec) -> Terminal:
        if self.failure:
            raise self.failure
        self.started.append((caller, wanted))
        self.terminals.append(await self.make_terminal(wanted))
        self.began.set()
        return self.terminals[-1]  # type: ignore[no-any-return]  # tests look into them

    async def make_terminal(self, wanted: Exec) -> Terminal:
        return FakeTerminal()

    async def close(self) -> None:
        """Closes what terminals needed."""


async def describe_tasks(call: Call) -> Params:
    """As much of the operation as the AWS CLI asks for, to know the container's runtime id."""
    containers = [{"name": name, "runtimeId": f"{TASK_ID}-0123456789"} for name in ("app", "sidecar")]
    return {"tasks": [{"containers": containers}], "failures": []}


@asynccontextmanager
async def serving(
    door: Door, clock: Clock = SYSTEM_CLOCK, further: Sequence[tuple[str, Handler]] = ()
) -> AsyncIterator[Door]:
    sessions = Sessions(door.ask_as, door.start, door.find_key, clock)
    handlers = operations.build_handlers(door.ask_as, ACCOUNT, clock, sessions, "ws")
    services = (
        build_ecs(door.ask_as, ACCOUNT, clock, {**handlers, **dict(further)}),
        operations.build_service(sessions, "ws"),
    )
    door.handlers = {name: handler for service in services for name, handler in service.handlers.items()}
    endpoint = Endpoint(services, REGION, door.find_key, SYSTEM_CLOCK)
    server = Server(endpoint, "127.0.0.1", 0, Channels(sessions, clock))
    await server.start(None)
    door.url, door.sessions = f"http://127.0.0.1:{server.port}", sessions
    try:
        yield door
    finally:
        with contextlib.suppress(Exception):
            await sessions.stop()
        await server.stop()
        await door.close()
