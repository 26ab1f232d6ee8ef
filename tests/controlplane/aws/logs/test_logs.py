"""Logs of tasks through a real API server, in the names of several users, from a stand-in for a kubelet."""

from collections.abc import AsyncIterator, Iterator

import pytest

from lab.cluster.pki import Authority
from monopod.api.ecs.names import ECS_API_VERSION
from monopod.aws.access.impersonation import impersonate_with
from monopod.aws.wire.call import AwsError, Caller
from monopod.kube.client.asynchronous import ApiClient, load_configuration
from monopod.kube.objects.resources import ECS_CLUSTERS, ECS_TASKS, NODES, PODS
from tests.clusters import ControlPlane
from tests.controlplane.aws.granting import grant
from tests.controlplane.aws.logs.kubelet import Kubelet, running
from tests.controlplane.operating.lab import eventually
from tests.controlplane.server import Server
from tests.unit.aws.logs.client import LogsClient, messages, millis
from tests.unit.aws.logs.kubelet import GROUP, NOON, SECOND, a_line, a_task, stream_name, task_id

pytestmark = pytest.mark.asyncio(loop_scope="session")

NODE, NOWHERE = "stand-in-kubelet", "stand-in-kubelet-that-is-away"
TENANTS = {"logs-a": (1, "ana"), "logs-b": (2, "ben")}
READ_TASKS = {"apiGroups": ["ecs.monopod.dev"], "resources": ["ecstasks"], "verbs": ["list"]}
READ_LOGS = {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]}


@pytest.fixture(scope="module")
def server(installed: ControlPlane) -> Server:
    """The API server."""
    server = Server(installed.kubeconfig_path)
    # The kinds may be as new as the API server.
    eventually(lambda: server.get(ECS_TASKS.list_path()).ok and server.get(ECS_CLUSTERS.list_path()).ok)
    return server


@pytest.fixture(scope="module")
def kubelet(installed: ControlPlane, server: Server) -> Iterator[Kubelet]:
    """One task in each of two clusters, whose pods are on the stand-in's node; each has one user who may read it.

    Dora may list tasks everywhere, and read no logs; eve may nothing.
    """
    with running(Authority.create(installed.lab.folder / "pki")) as kubelet:
        away = kubelet.build_node(NOWHERE)
        away["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"] = 1
        for node in (kubelet.build_node(NODE), away):
            server.create(NODES.list_path(), node).expect_ok()
        rules = [{**READ_TASKS, "resources": ["ecsclusters"]}]
        grant(server, "list-ecs-clusters", [user for _, user in TENANTS.values()], rules)
        grant(server, "list-ecs-tasks", ["dora"], [READ_TASKS])
        for cluster, (number, user) in TENANTS.items():
            metadata = {"name": cluster}
            manifest = {"apiVersion": ECS_API_VERSION, "kind": "ECSCluster", "metadata": metadata, "spec": {}}
            server.create(ECS_CLUSTERS.list_path(), manifest).expect_ok()
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"ecs-{cluster}"}}
            server.create("/api/v1/namespaces", namespace).expect_ok()
            grant(server, "read-tasks", [user], [READ_TASKS, READ_LOGS], f"ecs-{cluster}")
            run_task(server, number, cluster, NODE)
            kubelet.logs[f"ecs-{cluster}/{task_id(number)}/app"] = b"".join(
                a_line(NOON + index * SECOND // 4, f"{cluster} {index}") for index in range(8)
            )
        yield kubelet
        for cluster in TENANTS:
            for resource in (ECS_TASKS, PODS):
                for each in server.get(resource.list_path(f"ecs-{cluster}")).expect_ok()["items"]:
                    server.delete(resource.path(each["metadata"]["name"], f"ecs-{cluster}"))
            server.delete(ECS_CLUSTERS.path(cluster))
        for name in (NODE, NOWHERE):
            server.delete(NODES.path(name))


def run_task(server: Server, number: int, cluster: str, node: str, group: str = GROUP) -> None:
    """A task as the operator has it, and its pod as the scheduler has it."""
    told = a_task(number, cluster=cluster, group=group)
    name, namespace = told["metadata"]["name"], told["metadata"]["namespace"]
    task = {
        "apiVersion": ECS_API_VERSION,
        "kind": "ECSTask",
        "metadata": {"name": name},
        "spec": {"taskDefinition": {"family": "web", "revision": 1}},
    }
    server.create(ECS_TASKS.list_path(namespace), task).expect_ok()
    server.patch(ECS_TASKS.path(name, namespace, "status"), {"status": told["status"]}).expect_ok()
    spec = {"nodeName": node, "containers": [{"name": "app", "image": "app"}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    server.create(PODS.list_path(namespace), pod).expect_ok()


@pytest.fixture(scope="module")
async def api(installed: ControlPlane) -> AsyncIterator[ApiClient]:
    api = ApiClient(await load_configuration(str(installed.kubeconfig_path)))
    yield api
    await api.close()


def sign_in(api: ApiClient, user: str) -> LogsClient:
    return LogsClient(impersonate_with(api)(Caller("AKIAEXAMPLE", user)))


async def test_each_tenant_reads_the_logs_of_their_own_cluster(api: ApiClient, kubelet: Kubelet) -> None:
    for cluster, (number, user) in TENANTS.items():
        client = sign_in(api, user)
        assert messages(await client.filter()) == [f"{cluster} {index}" for index in range(8)]
        assert messages(await client.get(stream_name(number), limit=1)) == [f"{cluster} 7"]
        streams = (await client.call("DescribeLogStreams", logGroupName=GROUP))["logStreams"]
        assert [(each["logStreamName"], each["lastEventTimestamp"]) for each in streams] == [
            (stream_name(number), millis(1.75))
        ]
        for other, _ in TENANTS.values():
            if other != number:
                with pytest.raises(AwsError, match="The specified log stream does not exist"):
                    await client.get(stream_name(other))


@pytest.mark.parametrize(("user", "resource"), [("dora", "pods/log"), ("eve", "ecsclusters")])
async def test_who_may_not_is_denied_in_the_api_servers_words(
    api: ApiClient, kubelet: Kubelet, user: str, resource: str
) -> None:
    with pytest.raises(AwsError, match=resource) as told:
        await sign_in(api, user).filter()
    assert told.value.code == "AccessDeniedException"
    assert f'"{user}"' in told.value.message


async def test_the_kubelet_is_asked_from_the_second_of_the_first_event_on(api: ApiClient, kubelet: Kubelet) -> None:
    client = sign_in(api, "ana")
    kubelet.asked.clear()
    assert messages(await client.filter(startTime=millis(1.3))) == ["logs-a 6", "logs-a 7"]
    (asked,) = kubelet.asked
    assert asked["sinceTime"].startswith("2026-")
    assert asked["timestamps"] == "true"


async def test_a_large_log_is_not_read_to_its_end(api: ApiClient, server: Server, kubelet: Kubelet) -> None:
    run_task(server, 5, "logs-a", NODE, "/ecs/large")
    log = (a_line(NOON + index * SECOND, "x" * 1000) for index in range(60_000))
    kubelet.logs[f"ecs-logs-a/{task_id(5)}/app"] = b"".join(log)
    kubelet.sent = 0
    answer = await sign_in(api, "ana").filter(logGroupName="/ecs/large")
    assert "nextToken" in answer
    assert len(answer["events"]) > 1000
    # What is on its way is in buffers of three programs.
    assert kubelet.sent < 30_000_000


async def test_a_pod_that_is_gone_or_waits_has_no_events_and_a_node_that_is_away_is_told(
    api: ApiClient, server: Server, kubelet: Kubelet
) -> None:
    client, group = sign_in(api, "ben"), "/ecs/few"

    async def get(number: int) -> list[str]:
        name = stream_name(number)
        return messages(await client.call("GetLogEvents", logGroupName=group, logStreamName=name))

    run_task(server, 3, "logs-b", NODE, group)
    assert await get(3) == []
    server.delete(PODS.path(task_id(3), "ecs-logs-b")).expect_ok()
    assert await get(3) == []
    run_task(server, 4, "logs-b", NOWHERE, group)
    answer = await client.filter(logGroupName=group)
    assert messages(answer) == []
    assert answer["searchedLogStreams"] == [{"logStreamName": stream_name(4), "searchedCompletely": False}]
    with pytest.raises(AwsError, match="The log can't be read now"):
        await get(4)
