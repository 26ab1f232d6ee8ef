"""The metadata server over real connections: what a container is told, and who isn't told anything."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from monopod.aws.metadata import task_records
from monopod.aws.metadata.server import MOST_A_SECOND, MOST_ACTIVE_OF_ONE, MetadataServer
from monopod.aws.metadata.task_records import TaskRecords
from monopod.aws.options import Account
from monopod.kube.client.api import ApiError, Json
from monopod.kube.clock import SYSTEM_CLOCK, Clock
from monopod.kube.objects.resources import ECS_TASK_DEFINITIONS
from tests.unit.aws.metadata.tasks import BASE, DEFINITION_NAME, ID, NAMESPACE, PATH, UID, a_task, serve
from tests.unit.fake_api import FakeApi
from tests.unit.fake_clock import FakeClock

ACCOUNT = Account("111122223333", "us-east-1", "c1")
TASK_ARN = f"arn:aws:ecs:us-east-1:111122223333:task/My_Cluster/{ID}"
CLUSTER_ARN = "arn:aws:ecs:us-east-1:111122223333:cluster/My_Cluster"


@asynccontextmanager
async def serving(api: FakeApi, clock: Clock = SYSTEM_CLOCK) -> AsyncIterator[str]:
    server = MetadataServer(TaskRecords(api, clock), ACCOUNT, clock, "127.0.0.1", 0)
    await server.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        await server.stop()


async def ask(api: FakeApi, path: str, method: str = "GET") -> tuple[int, Any]:
    async with serving(api) as url, aiohttp.ClientSession() as session, session.request(method, url + path) as answer:
        return answer.status, json.loads(await answer.read())


async def test_a_container_is_told_about_itself() -> None:
    assert await ask(serve(a_task()), f"{BASE}/0") == (
        200,
        {
            "DockerId": f"{ID}-1",
            "Name": "app",
            "DockerName": "app",
            "Image": "web:1",
            "ImageID": "sha256:1",
            "Labels": {
                "tier": "web",
                "com.amazonaws.ecs.cluster": CLUSTER_ARN,
                "com.amazonaws.ecs.container-name": "app",
                "com.amazonaws.ecs.task-arn": TASK_ARN,
                "com.amazonaws.ecs.task-definition-family": "Web",
                "com.amazonaws.ecs.task-definition-version": "3",
            },
            "DesiredStatus": "RUNNING",
            "KnownStatus": "RUNNING",
            "Limits": {"CPU": 10, "Memory": 128},
            "Type": "NORMAL",
            "Health": {"status": "HEALTHY"},
            "LogDriver": "awslogs",
            "LogOptions": {
                "awslogs-group": "/ecs/web",
                "awslogs-region": "us-east-1",
                "awslogs-stream": f"web/app/{ID}",
            },
            "ContainerARN": f"arn:aws:ecs:us-east-1:111122223333:container/My_Cluster/{ID}/u1",
            "Networks": [
                {
                    "NetworkMode": "awsvpc",
                    "IPv4Addresses": ["127.0.0.1"],
                    "AttachmentIndex": 0,
                    "MACAddress": "0a:00:00:00:00:01",
                }
            ],
        },
    )


async def test_a_task_is_told_about_itself() -> None:
    status, told = await ask(serve(a_task()), f"{BASE}/1/task")
    assert status == 200
    assert [each["Name"] for each in told.pop("Containers")] == ["app", "side"]
    assert told == {
        "Cluster": CLUSTER_ARN,
        "TaskARN": TASK_ARN,
        "Family": "Web",
        "Revision": "3",
        "DesiredStatus": "RUNNING",
        "KnownStatus": "RUNNING",
        "Limits": {"CPU": 0.25, "Memory": 512},
        "PullStartedAt": "2026-11-29T08:00:00Z",
        "AvailabilityZone": "us-east-1a",
        "LaunchType": "FARGATE",
        "FaultInjectionEnabled": False,
    }


async def test_how_much_is_used_nobody_knows_yet() -> None:
    assert await ask(serve(a_task()), f"{BASE}/0/stats") == (200, None)
    assert await ask(serve(a_task()), f"{BASE}/0/task/stats") == (200, {f"{ID}-1": None, f"{ID}-2": None})


async def test_a_task_that_is_to_stop_reads_so_at_once() -> None:
    task = a_task()
    task["spec"]["stop"] = {"code": "UserInitiated"}
    assert (await ask(serve(task), f"{BASE}/0"))[1]["DesiredStatus"] == "STOPPED"
    assert (await ask(serve(task), f"{BASE}/0/task"))[1]["KnownStatus"] == "RUNNING"


OTHER_UID = UID.replace("5", "6")


@pytest.mark.parametrize(
    ("task", "path", "method"),
    [
        (a_task("10.0.0.9"), f"{BASE}/0", "GET"),
        (a_task(uid=OTHER_UID), f"{BASE}/0", "GET"),
        (a_task(), f"{BASE.replace(UID, OTHER_UID)}/0", "GET"),
        (a_task(lastStatus="STOPPED"), f"{BASE}/0", "GET"),
        (a_task(), f"{BASE.replace(NAMESPACE, 'ecs-other')}/0", "GET"),
        (None, f"{BASE}/0", "GET"),
        (a_task(), f"{BASE}/2", "GET"),
        (a_task(), "/", "GET"),
        (a_task(), f"{BASE}/0", "POST"),
    ],
    ids=[
        *("other-address", "other-task-of-the-name", "guessed-uid", "stopped", "other-namespace", "no-task"),
        *("no-such-container", "no-path", "post"),
    ],
)
async def test_nobody_else_is_told_anything(task: Json | None, path: str, method: str) -> None:
    assert await ask(serve(task), path, method) == (404, "there is nothing, or not for who asks")


async def test_a_container_that_asks_before_its_address_is_known_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_records, "PAUSE_SECONDS", 0.01)
    api = serve(None)
    found = [a_task(""), a_task(""), a_task()]
    api.answers["get", PATH] = lambda _: found.pop(0)
    assert (await ask(api, f"{BASE}/0"))[0] == 200


async def test_a_task_is_read_once_a_second_and_what_is_fixed_once() -> None:
    api, clock = serve(a_task()), FakeClock()
    async with serving(api, clock) as url, aiohttp.ClientSession() as session:
        for _ in range(3):
            for _ in range(5):
                async with session.get(f"{url}{BASE}/0") as answer:
                    assert answer.status == 200
            clock.step(1)
    paths = [path for path, _ in api.sent("get")]
    assert (paths.count(PATH), len(paths)) == (3, 5)


async def test_a_later_task_is_told_of_a_definition_that_was_made_anew() -> None:
    api, clock = serve(None), FakeClock()
    async with serving(api, clock) as url, aiohttp.ClientSession() as session:
        for uid, tier in ((UID, "old"), (OTHER_UID, "new")):
            definition = {"containerDefinitions": [{"name": "app", "dockerLabels": {"tier": tier}}]}
            api.answers["get", PATH] = a_task(uid=uid)
            api.answers["get", ECS_TASK_DEFINITIONS.path(f"{DEFINITION_NAME}.3")] = {"spec": {"definition": definition}}
            async with session.get(f"{url}{BASE.replace(UID, uid)}/0") as answer:
                assert (await answer.json())["Labels"]["tier"] == tier
            clock.step(1)


async def test_one_address_cant_ask_too_often() -> None:
    clock = FakeClock()
    async with serving(serve(a_task()), clock) as url, aiohttp.ClientSession() as session:

        async def get() -> int:
            async with session.get(f"{url}{BASE}/0") as answer:
                return answer.status

        found = [await get() for _ in range(MOST_A_SECOND + 5)]
        assert found == [200] * MOST_A_SECOND + [429] * 5
        clock.step(1)
        assert await get() == 200


async def test_one_address_cant_have_others_wait_by_asking_about_a_task_without_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The task may be one of their own that waits for a node; each question about it is answered in ten seconds."""
    monkeypatch.setattr(task_records, "PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(task_records, "ADDRESS_SECONDS", 5.0)
    async with serving(serve(a_task(""))) as url, aiohttp.ClientSession() as session:

        async def get() -> int:
            async with session.get(f"{url}{BASE}/0") as answer:
                return answer.status

        asked = [asyncio.create_task(get()) for _ in range(MOST_ACTIVE_OF_ONE + 5)]
        done, waiting = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        assert {each.result() for each in done} == {429}
        for each in waiting:
            each.cancel()


async def test_a_record_that_cant_be_read_is_told_without_its_reason() -> None:
    api = serve(a_task())
    api.answers["get", PATH] = ApiError(403, "Forbidden", "secrets of the cluster")
    assert await ask(api, f"{BASE}/0") == (500, "the task's record can't be read now")
