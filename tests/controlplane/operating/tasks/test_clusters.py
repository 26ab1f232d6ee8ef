"""Clusters of ECS's, with the real operator, its rights and its policies, and AWS's clients beside it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from monopod.api.ecs.names import ECS_API_VERSION
from monopod.kube.objects.resources import NAMESPACES
from tests.controlplane.operating.aws.endpoint import ACCOUNT, REGION, Endpoint
from tests.controlplane.operating.lab import Json, Lab, OperatorProcess, eventually
from tests.controlplane.server import MERGE_PATCH
from tests.unit.tasks.definitions import a_definition

HURRIED = """
import datetime
from monopod.tasks.rules.lifecycle import cluster
cluster.SETTLING, cluster.LOOK = datetime.timedelta(0), datetime.timedelta(seconds=1)
cluster.KEPT = datetime.timedelta(seconds=5)
"""
PREFIX = f"arn:aws:ecs:{REGION}:{ACCOUNT}"


@pytest.fixture(scope="module")
def lab(shared_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The control plane with an operator that is in a hurry, one for all tests here."""
    shared_lab.delete_profiles()
    shared_lab.reset_quota()
    log = tmp_path_factory.mktemp("ecs") / "operator.log"
    flags = ("--ecs", "--no-leader-elect")
    operator = OperatorProcess(shared_lab.write_kubeconfig(), log, *flags, patch=HURRIED)
    yield shared_lab
    operator.kill()
    print(log.read_text())


def create_cluster(lab: Lab, name: str, **spec: Any) -> None:
    metadata = {"name": name}
    lab.create({"apiVersion": ECS_API_VERSION, "kind": "ECSCluster", "metadata": metadata, "spec": spec}).expect_ok()


def get_status(lab: Lab, name: str) -> Json:
    return dict((lab.get("ECSCluster", name) or {}).get("status") or {})


def get_phase(lab: Lab, name: str) -> str:
    return str(get_status(lab, name).get("phase", ""))


def end_namespace(lab: Lab, name: str) -> None:
    """What the namespace controller does, which isn't here."""
    body = {**(lab.get("Namespace", name) or {}), "spec": {"finalizers": []}}
    lab.kubectl("replace", "--raw", f"/api/v1/namespaces/{name}/finalize", "-f", "-", input=json.dumps(body))


def test_a_cluster_has_a_namespace_of_its_own_and_tasks_have_a_profile(lab: Lab) -> None:
    create_cluster(lab, "own")
    eventually(lambda: get_phase(lab, "own") == "ACTIVE")
    metadata = (lab.get("Namespace", "ecs-own") or {})["metadata"]
    assert metadata["labels"]["ecs.monopod.dev/cluster"] == "own"
    uid = (lab.get("ECSCluster", "own") or {})["metadata"]["uid"]
    (owner,) = metadata["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("ECSCluster", uid)
    profile = eventually(lambda: lab.get("FargateProfile", "ecs"))
    assert profile is not None
    assert profile["spec"]["selectors"] == [{"namespace": "ecs-*", "labels": {"ecs.monopod.dev/task": "*"}}]
    eventually(lambda: lab.namespace_marks("ecs-own")[0] == "true")


def test_a_namespace_of_somebodys_is_left_alone(lab: Lab) -> None:
    lab.create_namespace("ecs-theirs")
    create_cluster(lab, "theirs")
    eventually(lambda: get_phase(lab, "theirs") == "FAILED")
    assert "There is a namespace ecs-theirs already" in get_status(lab, "theirs")["message"]
    assert "ownerReferences" not in (lab.get("Namespace", "ecs-theirs") or {})["metadata"]


def test_a_deleted_clusters_namespace_goes_and_then_the_cluster_unless_it_is_made_again(lab: Lab) -> None:
    create_cluster(lab, "brief")
    eventually(lambda: get_phase(lab, "brief") == "ACTIVE")
    task = {"metadata": {"name": "0" * 32, "namespace": "ecs-brief", "finalizers": ["example.com/hold"]}}
    reference = {"taskDefinition": {"family": "none", "revision": 1}}
    lab.create({"apiVersion": ECS_API_VERSION, "kind": "ECSTask", **task, "spec": reference}).expect_ok()
    lab.patch("ECSCluster", "brief", {"spec": {"active": False}})
    eventually(lambda: get_phase(lab, "brief") == "INACTIVE")
    assert "deletionTimestamp" not in (lab.get("Namespace", "ecs-brief") or {})["metadata"]
    lab.patch("ECSTask", "0" * 32, {"metadata": {"finalizers": None}}, "ecs-brief")
    lab.delete("ECSTask", "0" * 32, "ecs-brief")
    eventually(lambda: "deletionTimestamp" in (lab.get("Namespace", "ecs-brief") or {})["metadata"])
    lab.patch("ECSCluster", "brief", {"spec": {"active": True}})
    eventually(lambda: "being deleted" in get_status(lab, "brief").get("message", ""))
    end_namespace(lab, "ecs-brief")
    eventually(lambda: get_phase(lab, "brief") == "ACTIVE")
    lab.patch("ECSCluster", "brief", {"spec": {"active": False}})
    eventually(lambda: "deletionTimestamp" in (lab.get("Namespace", "ecs-brief") or {})["metadata"])
    end_namespace(lab, "ecs-brief")
    eventually(lambda: lab.get("ECSCluster", "brief") is None)


def test_a_cluster_that_finalizers_keep_from_being_deleted_says_so(lab: Lab) -> None:
    create_cluster(lab, "held")
    eventually(lambda: get_phase(lab, "held") == "ACTIVE")
    lab.patch("ECSCluster", "held", {"metadata": {"finalizers": ["example.com/hold"]}})
    lab.delete("ECSCluster", "held")
    eventually(
        lambda: "stays as long as its finalizers: example.com/hold." in get_status(lab, "held").get("message", "")
    )
    lab.patch("ECSCluster", "held", {"metadata": {"finalizers": None}})
    eventually(lambda: lab.get("ECSCluster", "held") is None)


@pytest.fixture
def endpoint(lab: Lab, tmp_path: Path) -> Iterator[Endpoint]:
    endpoint = Endpoint(lab, tmp_path)
    yield endpoint
    endpoint.stop()
    print(endpoint.log.read_text())


ROLES = ("monopod-ecs-clusters", "monopod-ecs-definitions", "monopod-ecs-reader")


RIGHTS = (("create", "ecsclusters"), ("create", "ecstaskdefinitions"), ("list", "ecsclusters"))


def may(lab: Lab, user: str, verb: str, resource: str) -> bool:
    asked = ("auth", "can-i", verb, f"{resource}.ecs.monopod.dev", f"--as={user}")
    return lab.kubectl(*asked, check=False).stdout.strip() == "yes"


def test_boto3_makes_clusters_and_registers_with_the_charts_roles(lab: Lab, endpoint: Endpoint) -> None:
    key = endpoint.create_key("otto")
    ecs = endpoint.build_client(key, "ecs")
    with pytest.raises(ClientError, match=r"AccessDeniedException.*ecsclusters"):
        ecs.create_cluster(clusterName="Boto_3")
    for role in ROLES:
        lab.kubectl("create", "clusterrolebinding", f"otto-{role}", f"--clusterrole={role}", "--user=otto")
    eventually(lambda: all(may(lab, "otto", *right) for right in RIGHTS))  # the API server hears of it in a moment
    cluster = ecs.create_cluster(clusterName="Boto_3")["cluster"]
    assert (cluster["status"], cluster["clusterArn"]) == ("ACTIVE", f"{PREFIX}:cluster/Boto_3")
    assert ecs.create_cluster(clusterName="Boto_3")["cluster"] == cluster
    registered = ecs.register_task_definition(**a_definition(family="Web_1"))["taskDefinition"]
    assert registered["registeredBy"].endswith(":user/otto")
    told = ecs.describe_task_definition(taskDefinition="Web_1", include=["TAGS"])
    assert (told["taskDefinition"], told["tags"]) == (registered, [])
    listed = ecs.list_task_definitions(familyPrefix="Web_1")["taskDefinitionArns"]
    assert listed == [f"{PREFIX}:task-definition/Web_1:1"]
    gone = ecs.deregister_task_definition(taskDefinition="Web_1:1")["taskDefinition"]
    assert gone["status"] == "INACTIVE"
    shown = json.loads(endpoint.run_cli(key, "ecs", "describe-clusters", "--clusters", "Boto_3", "none").stdout)
    assert [each["clusterName"] for each in shown["clusters"]] == ["Boto_3"]
    assert [each["reason"] for each in shown["failures"]] == ["MISSING"]
    assert ecs.delete_cluster(cluster="Boto_3")["cluster"]["status"] == "INACTIVE"
    with pytest.raises(ClientError, match="ClusterNotFoundException"):
        ecs.delete_cluster(cluster="Boto_3")
    for role in ROLES:
        lab.kubectl("delete", "clusterrolebinding", f"otto-{role}")


TASK = "0123456789abcdef0123456789abcdef"
OWNER = {"apiVersion": ECS_API_VERSION, "kind": "ECSTask", "name": TASK, "uid": "1" * 36, "controller": True}


def a_pod(metadata: Json | None = None, **spec: Any) -> Json:
    labels = {"ecs.monopod.dev/task": TASK}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": TASK, "labels": labels, "ownerReferences": [OWNER], **(metadata or {})},
        "spec": {
            "containers": [{"name": "app", "image": "app"}],
            "schedulingGates": [{"name": "ecs.monopod.dev/task"}],
            "automountServiceAccountToken": False,
            **spec,
        },
    }


def a_namespace(name: str, owner: str = "", **labels: str) -> Json:
    owners = [{"apiVersion": ECS_API_VERSION, "kind": "ECSCluster", "name": owner, "uid": "1" * 36}] if owner else []
    metadata = {"name": name, "labels": labels, "ownerReferences": owners}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


CLUSTER = "ecs.monopod.dev/cluster"
NAMESPACES_TRIED = {
    "one without a cluster": (a_namespace("ecs-forged"), 403),
    "one without an owner": (a_namespace("ecs-forged", **{CLUSTER: "forged"}), 403),
    "one of another name": (a_namespace("forged", "forged", **{CLUSTER: "forged"}), 403),
    "one of another cluster's name": (a_namespace("ecs-forged", "other", **{CLUSTER: "forged"}), 403),
    "one without Pod Security": (
        a_namespace("ecs-forged", "forged", **{CLUSTER: "forged", "pod-security.kubernetes.io/enforce": "privileged"}),
        403,
    ),
    "a cluster's": (a_namespace("ecs-real", "real", **{CLUSTER: "real"}), 201),
}


@pytest.mark.parametrize(("namespace", "status"), NAMESPACES_TRIED.values(), ids=NAMESPACES_TRIED)
def test_the_operators_token_creates_no_namespace_but_a_clusters(lab: Lab, namespace: Json, status: int) -> None:
    assert lab.as_operator("POST", NAMESPACES.list_path(), namespace) == status


@pytest.fixture
def reached(lab: Lab) -> str:
    """The namespace of a cluster, once pods of tasks in it are sandboxed."""
    create_cluster(lab, "reached")
    eventually(lambda: get_phase(lab, "reached") == "ACTIVE" and lab.namespace_marks("ecs-reached")[0] == "true")
    return "ecs-reached"


PODS_TRIED = {
    "without the gate": a_pod(schedulingGates=[]),
    "without an owner": a_pod({"ownerReferences": []}),
    "by another name": a_pod({"name": "another"}),
    "with a token": a_pod(automountServiceAccountToken=True),
    "as another ServiceAccount": a_pod(serviceAccountName="builder"),
    "on a node of its choice": a_pod(nodeName="node"),
    "with the host's processes": a_pod(hostPID=True),
    "with the host's files": a_pod(volumes=[{"name": "v", "hostPath": {"path": "/"}}]),
}


def test_the_operators_token_creates_pods_of_tasks_in_clusters_alone(lab: Lab, reached: str) -> None:
    path = f"/api/v1/namespaces/{reached}/pods"
    found = {what: lab.as_operator("POST", path, pod) for what, pod in PODS_TRIED.items()}
    # Behind a gate no pod may name its node; that Kubernetes itself says.
    assert found == {**dict.fromkeys(PODS_TRIED, 403), "on a node of its choice": 422}
    for namespace in ("default", "kube-system"):
        assert lab.as_operator("POST", f"/api/v1/namespaces/{namespace}/pods", a_pod()) == 403
    assert lab.as_operator("POST", path, a_pod()) == 201
    assert lab.as_operator("DELETE", f"{path}/{TASK}", {}) == 403
    deadline = {"spec": {"activeDeadlineSeconds": 1}}
    assert lab.as_operator("PATCH", f"{path}/{TASK}", deadline, MERGE_PATCH) == 200
    lab.create_pod(reached, "somebodys")
    assert lab.as_operator("PATCH", f"{path}/somebodys", deadline, MERGE_PATCH) == 403
    for name in (TASK, "somebodys"):
        lab.delete("Pod", name, reached)


def test_the_operators_token_deletes_no_namespace_and_makes_no_profile_of_somebodys(lab: Lab) -> None:
    lab.create_namespace("ecs-somebodys")
    for name in ("ecs-somebodys", "default", "kube-system", "monopod-system"):
        assert lab.as_operator("DELETE", NAMESPACES.path(name), {}) == 403
    path = "/apis/monopod.dev/v1beta1/fargateprofiles"
    wide: Json = {"selectors": [{"namespace": "*"}]}
    tasks: Json = {"selectors": [{"namespace": "ecs-*", "labels": {"ecs.monopod.dev/task": "*"}}]}
    tried: tuple[tuple[str, Json, int], ...] = (
        ("ecs", wide, 403),
        ("other", tasks, 403),
        ("ecs", {**tasks, "allowedCapabilities": ["SYS_PTRACE", "SYS_ADMIN"]}, 403),
        ("ecs", {**tasks, "allowedAnnotations": ["run.oci.*"]}, 403),
        ("ecs", {**tasks, "seLinuxOptions": "Allow"}, 403),
        ("ecs", {**tasks, "spot": {"interruptionsPerHour": 1}}, 403),
        ("ecs", {**tasks, "spot": {"fallback": "OnDemand"}}, 403),
        ("ecs", {**tasks, "allowedCapabilities": ["SYS_PTRACE"], "spot": {"podChoice": "Allow"}}, 409),
    )
    eventually(lambda: lab.get("FargateProfile", "ecs"))
    for name, spec, status in tried:
        body = {"apiVersion": "monopod.dev/v1beta1", "kind": "FargateProfile", "metadata": {"name": name}, "spec": spec}
        assert lab.as_operator("POST", path, body) == status, name
    for kind, spec in (("ecsclusters", {"active": False}), ("ecstaskdefinitions", {"active": False})):
        path = f"/apis/ecs.monopod.dev/v1beta1/{kind}/any"
        assert lab.as_operator("PATCH", path, {"spec": spec}, MERGE_PATCH) == 403
