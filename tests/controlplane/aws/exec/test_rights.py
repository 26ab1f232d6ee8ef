"""Who may enter which task, by a real API server: RBAC, one use of a token, tenants."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from monopod.api.ecs.names import ECS_API_VERSION
from monopod.aws.access.impersonation import execute_with, impersonate_with
from monopod.aws.exec.rules.claims import ANNOTATION
from monopod.aws.exec.rules.grant import Grant, build_token
from monopod.aws.exec.session import Terminal
from monopod.aws.wire.call import AccessKey, Caller
from monopod.kube.client.api import Api
from monopod.kube.client.asynchronous import ApiClient, load_configuration
from monopod.kube.client.exec import Ended, Exec, ExecClient
from monopod.kube.clock import SYSTEM_CLOCK
from monopod.kube.objects.resources import ECS_TASKS, PODS
from tests.clusters import ControlPlane
from tests.controlplane.aws.ecs.clusters import delete_all, make_cluster
from tests.controlplane.aws.granting import grant
from tests.controlplane.server import Server
from tests.unit.aws.exec.asking import execute, get_terminal, open_again, opening, refused
from tests.unit.aws.exec.serving import TASK_ID, Door, a_container, serving
from tests.unit.fake_api import FakeApi

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLUSTER, OTHER = "exec-a", "exec-b"
NAMESPACE = f"ecs-{CLUSTER}"
TASKS = {"apiGroups": ["ecs.monopod.dev"], "resources": ["ecstasks"], "verbs": ["get", "patch"]}
SEE_TASKS = {**TASKS, "verbs": ["get"]}
EXEC = {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["get", "create"]}
RIGHTS = {
    "ana": [TASKS, EXEC],
    "no-patch": [SEE_TASKS, EXEC],
    "no-exec": [TASKS],
    "half": [TASKS, {**EXEC, "verbs": ["create"]}],
}


def a_caller(user: str) -> Caller:
    return Caller(f"MPOD{user.upper():A<16}", user)


@dataclass
class RealDoor(Door):
    """Asks the API server in callers' names; its terminals aren't real, unless it is told so."""

    client: ApiClient | None = None
    commands: ExecClient | None = None

    def ask_as(self, caller: Caller) -> Api:
        assert self.client
        return impersonate_with(self.client)(caller)

    async def start(self, caller: Caller, wanted: Exec) -> Terminal:
        if self.commands and self.client:
            return await execute_with(self.client, self.commands)(caller, wanted)
        return await super().start(caller, wanted)


@pytest.fixture(scope="module")
async def api(installed: ControlPlane) -> AsyncIterator[ApiClient]:
    api = ApiClient(await load_configuration(str(installed.kubeconfig_path)))
    yield api
    await api.close()


@pytest.fixture(scope="module")
def server(installed: ControlPlane) -> Server:
    """The API server, with a cluster of each tenant and a task that runs in one of them."""
    server = Server(installed.kubeconfig_path)
    delete_all(server)
    for cluster in (CLUSTER, OTHER):
        make_cluster(server, cluster)
    for user, rules in RIGHTS.items():
        grant(server, f"exec-{user}", [user], rules, NAMESPACE)
    grant(server, "exec-ben", ["ben"], [TASKS, EXEC], f"ecs-{OTHER}")
    spec = {"taskDefinition": {"family": "web", "revision": 1}, "enableExecuteCommand": True}
    task = {"apiVersion": ECS_API_VERSION, "kind": "ECSTask", "metadata": {"name": TASK_ID}, "spec": spec}
    server.create(ECS_TASKS.list_path(NAMESPACE), task).expect_ok()
    status = {"lastStatus": "RUNNING", "desiredStatus": "RUNNING", "containers": [a_container()], "pod": {"uid": "u"}}
    server.patch(ECS_TASKS.path(TASK_ID, NAMESPACE, "status"), {"status": status}).expect_ok()
    return server


@pytest.fixture
async def door(api: ApiClient, server: Server) -> AsyncIterator[RealDoor]:
    callers = [a_caller(user) for user in (*RIGHTS, "ben")]
    keys = {each.access_key_id: AccessKey(each, f"secret of {each.user}") for each in callers}
    async with serving(RealDoor(FakeApi(), client=api, keys=keys)) as door:
        assert isinstance(door, RealDoor)
        yield door


async def test_a_token_is_used_once_and_the_task_says_so(door: RealDoor, server: Server) -> None:
    session = (await execute(door, a_caller("ana"), cluster=CLUSTER))["session"]
    async with opening(session) as channel:
        (await get_terminal(door)).show(Ended(0))
        assert await channel.until_over() == ""
    assert await open_again(door, session) == "The session has begun already."
    task = server.get(ECS_TASKS.path(TASK_ID, NAMESPACE)).expect_ok()
    assert session["sessionId"] in task["metadata"]["annotations"][ANNOTATION]
    assert door.started == [(a_caller("ana"), Exec(NAMESPACE, TASK_ID, "app", ("sh", "-c", "exit 3")))]


async def test_of_many_that_use_a_token_at_once_one_does(door: RealDoor) -> None:
    session = (await execute(door, a_caller("ana"), cluster=CLUSTER))["session"]

    async def race() -> str | None:
        async with opening(session) as channel:
            return await channel.until_over()

    waiting, told = {asyncio.create_task(race()) for _ in range(8)}, []
    while len(waiting) > 1:
        done, waiting = await asyncio.wait(waiting, timeout=30, return_when=asyncio.FIRST_COMPLETED)
        told += [each.result() for each in done]
    assert told == ["The session has begun already."] * 7
    (await get_terminal(door)).show(Ended(0))
    assert [each.result() for each in (await asyncio.wait(waiting, timeout=30))[0]] == [""]
    assert len(door.started) == 1


async def test_another_tenant_sees_no_task_and_enters_none(door: RealDoor) -> None:
    code, message = await refused(door, a_caller("ben"), cluster=CLUSTER)
    assert code == "AccessDeniedException"
    assert 'User "ben" cannot get resource "ecstasks"' in message
    session = (await execute(door, a_caller("ana"), cluster=CLUSTER))["session"]
    expires = int(SYSTEM_CLOCK.now().timestamp()) + 60
    ben = a_caller("ben")
    forged = Grant(session["sessionId"], ben.access_key_id, CLUSTER, TASK_ID, "app", ("sh",), expires)
    told = await open_again(door, session, build_token(forged, "secret of ben"))
    assert 'User "ben" cannot get resource "ecstasks"' in str(told)
    assert door.started == []


@pytest.mark.parametrize(("user", "verb"), [("no-exec", "get"), ("half", "get")])
async def test_who_may_not_exec_gets_no_session(door: RealDoor, user: str, verb: str) -> None:
    assert await refused(door, a_caller(user), cluster=CLUSTER) == (
        "AccessDeniedException",
        f'User "{user}" cannot {verb} resource "pods/exec" in API group "" in the namespace "{NAMESPACE}"',
    )


async def test_who_may_not_change_the_task_begins_no_session(door: RealDoor) -> None:
    session = (await execute(door, a_caller("no-patch"), cluster=CLUSTER))["session"]
    assert 'User "no-patch" cannot patch resource "ecstasks"' in str(await open_again(door, session))
    assert door.started == []


async def test_a_pod_that_no_kubelet_has_is_told(door: RealDoor, server: Server) -> None:
    door.commands = ExecClient()
    try:
        session = (await execute(door, a_caller("ana"), cluster=CLUSTER))["session"]
        assert f'pods "{TASK_ID}" not found' in str(await open_again(door, session))
        spec = {"nodeName": "nowhere", "containers": [{"name": "app", "image": "app"}]}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": TASK_ID}, "spec": spec}
        server.create(PODS.list_path(NAMESPACE), pod).expect_ok()
        session = (await execute(door, a_caller("ana"), cluster=CLUSTER))["session"]
        assert str(await open_again(door, session)).startswith("Unable to start command: ")
    finally:
        server.delete(PODS.path(TASK_ID, NAMESPACE))
        await door.commands.close()
