"""Which objects of ECS's kinds a real API server accepts, what can't be changed in them, and how kubectl shows them."""

from collections.abc import Iterator
from typing import Any

import pytest

from monopod.kube.objects.resources import ECS_CLUSTERS, ECS_TASK_DEFINITIONS, ECS_TASK_FAMILIES, ECS_TASKS, Resource
from monopod.tasks.rules.registration.defaults import complete
from tests.clusters import ControlPlane
from tests.controlplane.server import Server
from tests.unit.tasks.definitions import a_container, a_definition

Object = dict[str, Any]
TASK = "0123456789abcdef0123456789abcdef"
API = "ecs.monopod.dev/v1beta1"
DEFINITION = complete(a_definition(containerDefinitions=[a_container(user="1", command=["a"])]))
STOP = {"code": "UserInitiated", "reason": "enough", "at": "2026-11-29T08:00:00Z"}


def a_cluster(name: str = "web", /, **spec: Any) -> Object:
    return {"apiVersion": API, "kind": "ECSCluster", "metadata": {"name": name}, "spec": spec}


def a_revision(name: str = "web.3", /, **spec: Any) -> Object:
    said = {"family": "web", "revision": 3, "definition": DEFINITION, **spec}
    return {"apiVersion": API, "kind": "ECSTaskDefinition", "metadata": {"name": name}, "spec": said}


def a_family(**spec: Any) -> Object:
    return {"apiVersion": API, "kind": "ECSTaskFamily", "metadata": {"name": "web"}, "spec": {"family": "web", **spec}}


def a_task(name: str = TASK, /, **spec: Any) -> Object:
    said = {"taskDefinition": {"family": "web", "revision": 3}, **spec}
    return {"apiVersion": API, "kind": "ECSTask", "metadata": {"name": name, "namespace": "default"}, "spec": said}


RESOURCES = {each.kind: each for each in (ECS_CLUSTERS, ECS_TASK_DEFINITIONS, ECS_TASK_FAMILIES, ECS_TASKS)}


def get_path(item: Object, resource: Resource) -> str:
    return resource.path(item["metadata"]["name"], item["metadata"].get("namespace", ""))


def create(server: Server, item: Object, *, dry_run: bool = True) -> Any:
    resource = RESOURCES[item["kind"]]
    return server.create(resource.list_path(item["metadata"].get("namespace", "")), item, dry_run=dry_run)


REFUSED = {
    "a cluster's name that is too long": (a_cluster("a" * 60), "metadata.name: Invalid value: a cluster's name has at"),
    "a cluster's name with a dot": (a_cluster("a.b"), "metadata.name: Invalid value: a cluster's name has at most 59"),
    "a name that ECS doesn't take": (a_cluster(name="a b"), "a name on ECS consists of 1 to 255 letters"),
    "another capacity provider": (a_cluster(capacityProviders=["ASG"]), 'Unsupported value: "ASG"'),
    "a weight beyond ECS'": (
        a_cluster(defaultCapacityProviderStrategy=[{"capacityProvider": "FARGATE", "weight": 1001}]),
        "should be less than or equal to 1000",
    ),
    "a reserved tag": (a_cluster(tags={"aws:a": "b"}), "a tag's key can't start with 'aws:'"),
    "a revision by another number": (a_revision("web.4"), "a task definition is named for its family and its revision"),
    "a revision by another family": (a_revision("api.3"), "a task definition is named for its family and its revision"),
    "a revision without a number": (a_revision("web"), "a task definition is named for its family and its revision"),
    "a revision of 0": (a_revision("web.0", revision=0), "should be greater than or equal to 1"),
    "no definition": (a_revision(definition=None), "spec.definition: Required value"),
    "a task's name that is no id": (a_task("web"), "a task's name is its id: 32 hexadecimal digits in lower case"),
    "another launch type": (a_task(launchType="EC2"), 'Unsupported value: "EC2"'),
    "two groups in one name": (a_task(network={"securityGroups": ["a,b"]}), "a security group's name has no comma"),
    "another stop code": (a_task(stop={"code": "Because"}), 'Unsupported value: "Because"'),
}

ACCEPTED = {
    "a cluster by kubectl": a_cluster(),
    "a cluster of ECS's": a_cluster("web-1-0123456789ab", name="Web_1", capacityProviders=["FARGATE", "FARGATE_SPOT"]),
    "the longest name": a_cluster("a" * 59),
    "a revision": a_revision(tags={"a": "b"}, registeredAt="2026-11-29T08:00:00Z", registeredBy="ana"),
    "a revision whose family Kubernetes doesn't take": a_revision("web-1-0123456789ab.3", family="Web_1"),
    "a family": a_family(latestRevision=3),
    "a task by kubectl": a_task(),
    "a task that is to stop": a_task(stop=STOP),
}


@pytest.mark.parametrize(("item", "message"), REFUSED.values(), ids=REFUSED)
def test_it_is_refused(server: Server, item: Object, message: str) -> None:
    assert message.lower() in create(server, item).message.lower()


@pytest.mark.parametrize("item", ACCEPTED.values(), ids=ACCEPTED)
def test_it_is_accepted_and_nothing_of_it_is_lost(server: Server, item: Object) -> None:
    found = create(server, item).expect_ok()
    assert {key: found["spec"][key] for key in item["spec"]} == item["spec"]


@pytest.fixture
def stored(server: Server) -> Iterator[dict[str, str]]:
    """An object of each kind, by the kind its path."""
    items = [
        a_cluster(name="web"),
        a_revision(),
        a_family(latestRevision=3),
        a_task(overrides={"cpu": "256"}, group="family:web", network={"zones": ["a"]}, requestHash="x"),
        a_task(TASK[::-1], stop=STOP),
    ]
    paths = {}
    for item in items:
        create(server, item, dry_run=False).expect_ok()
        stopped = "stopped " if "stop" in item["spec"] else ""
        paths[f"{stopped}{item['kind']}"] = get_path(item, RESOURCES[item["kind"]])
    yield paths
    for path in paths.values():
        server.delete(path).expect_ok()


RENAMED = {"user": None, "usr": "1"}
FIXED = [
    ("ECSCluster", {"name": "Other"}, "name can't be changed"),
    ("ECSCluster", {"name": None}, "name can't be changed"),
    ("ECSTaskFamily", {"family": "other"}, "family can't be changed"),
    ("ECSTaskFamily", {"latestRevision": 2}, "latestRevision only grows"),
    ("ECSTaskDefinition", {"revision": 4}, "revision can't be changed"),
    ("ECSTaskDefinition", {"definition": {"cpu": "512"}}, "definition can't be changed"),
    ("ECSTaskDefinition", {"definition": {"cpu": None}}, "definition can't be changed"),
    ("ECSTaskDefinition", {"definition": {"pidMode": "task"}}, "definition can't be changed"),
    ("ECSTaskDefinition", {"definition": {"cpu": None, "pidMode": "task"}}, "definition can't be changed"),
    ("ECSTaskDefinition", {"definition": {"containerDefinitions": []}}, "definition can't be changed"),
    (
        "ECSTaskDefinition",
        {"definition": {"containerDefinitions": [{**DEFINITION["containerDefinitions"][0], "image": "evil"}]}},
        "definition can't be changed",
    ),
    ("ECSTask", {"taskDefinition": {"revision": 4}}, "taskDefinition can't be changed"),
    ("ECSTask", {"overrides": {"cpu": "512"}}, "overrides can't be changed"),
    ("ECSTask", {"overrides": {"cpu": None, "memory": "512"}}, "overrides can't be changed"),
    ("ECSTask", {"overrides": None}, "overrides can't be changed"),
    ("ECSTask", {"group": "other"}, "group can't be changed"),
    ("ECSTask", {"startedBy": "me"}, "startedBy can't be changed"),
    ("ECSTask", {"launchType": "FARGATE"}, "launchType can't be changed"),
    ("ECSTask", {"enableExecuteCommand": True}, "enableExecuteCommand can't be changed"),
    ("ECSTask", {"network": {"zones": ["b"]}}, "network can't be changed"),
    ("ECSTask", {"requestHash": None}, "requestHash can't be changed"),
    ("stopped ECSTask", {"stop": None}, "stop can't be changed or taken back"),
    ("stopped ECSTask", {"stop": {"reason": "other"}}, "stop can't be changed or taken back"),
]


@pytest.mark.parametrize(("kind", "spec", "message"), FIXED, ids=[f"{kind} {spec}" for kind, spec, _ in FIXED])
def test_it_cannot_be_changed(server: Server, stored: dict[str, str], kind: str, spec: Object, message: str) -> None:
    answer = server.patch(f"{stored[kind]}?dryRun=All", {"spec": spec})
    assert message.lower() in answer.message.lower()


CHANGEABLE = [
    ("ECSCluster", {"active": False, "tags": {"a": "b"}, "capacityProviders": ["FARGATE"]}),
    ("ECSTaskFamily", {"latestRevision": 4}),
    ("ECSTaskDefinition", {"active": False, "deregisteredAt": "2026-11-29T08:00:00Z", "tags": {"a": "b"}}),
    ("ECSTask", {"stop": STOP}),
    ("ECSTask", {"tags": {"a": "b"}}),
    ("stopped ECSTask", {"tags": {"a": "b"}}),
]


@pytest.mark.parametrize(("kind", "spec"), CHANGEABLE, ids=[f"{kind} {spec}" for kind, spec in CHANGEABLE])
def test_it_can_be_changed(server: Server, stored: dict[str, str], kind: str, spec: Object) -> None:
    changed = server.patch(f"{stored[kind]}?dryRun=All", {"spec": spec}).expect_ok()["spec"]
    assert {key: changed[key] for key in spec} == spec


def test_revisions_are_listed_by_family_and_whether_they_are_active(server: Server, stored: dict[str, str]) -> None:
    path = ECS_TASK_DEFINITIONS.list_path()
    for selector, expected in (
        ("spec.family=web,spec.active=true", ["web.3"]),
        ("spec.family=web,spec.active=false", []),
        ("spec.family=api", []),
    ):
        found = server.get(f"{path}?fieldSelector={selector.replace('=', '%3D')}").expect_ok()
        assert [each["metadata"]["name"] for each in found["items"]] == expected


def test_kubectl_shows_them_by_short_names(installed: ControlPlane, server: Server, stored: dict[str, str]) -> None:
    network = [{"privateIpv4Address": "10.0.0.7"}]
    status = {
        "lastStatus": "STOPPED",
        "desiredStatus": "STOPPED",
        "stoppedReason": "Essential container in task exited",
        "cpu": "256",
        "memory": "512",
        "containers": [{"name": "app", "exitCode": 3, "networkInterfaces": network}],
    }
    server.patch(f"{stored['ECSTask']}/status", {"status": status}).expect_ok()

    def show(*words: str) -> list[str]:
        lines = installed.kubectl("get", *words).stdout.splitlines()
        return [" ".join(line.split()) for line in lines]

    head, *rows = show("tasks", "-o", "wide")
    assert head == "NAME TASK-DEFINITION REVISION STATUS DESIRED AGE REASON CPU MEMORY IP EXIT GROUP"
    assert any(row.startswith(f"{TASK} web 3 STOPPED STOPPED ") for row in rows)
    assert any(row.endswith(" Essential container in task exited 256 512 10.0.0.7 3 family:web") for row in rows)
    head, row = show("taskdefs")
    assert head == "NAME FAMILY REVISION ACTIVE CPU MEMORY AGE"
    assert row.startswith("web.3 web 3 true 256 512 ")
    assert show("ecscluster")[0] == "NAME PHASE NAMESPACE AGE"
