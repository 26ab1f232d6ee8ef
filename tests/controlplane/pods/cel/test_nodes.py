"""What pods ask of their nodes: a nodeSelector keeps no pod off Fargate, and being there satisfies some of it."""

from typing import Any

import pytest

from monopod.api.names import (
    CAPACITY_ANNOTATION,
    COMPUTE_TYPE,
    EKS_PROFILE_LABEL,
    LOGGING_ANNOTATION,
    PROFILE_LABEL,
    UNSUPPORTED_ANNOTATION,
)
from monopod.pods.rules.nodes import DEFAULT_SCHEDULER, ON_FARGATE, REQUIRED
from tests.controlplane.reach import reach
from tests.controlplane.server import Answer, Manifest, Server
from tests.unit.builders import PodBuilder, a_pod, a_profile, a_selector

TOLERATION = {"key": COMPUTE_TYPE, "operator": "Equal", "value": "fargate", "effect": "NoSchedule"}
SSD = {"key": "disk", "operator": "In", "values": ["ssd"]}
NOT_ON_FARGATE = {"key": COMPUTE_TYPE, "operator": "NotIn", "values": ["fargate"]}


def send(server: Server, pod: PodBuilder, namespace: str = "fargate") -> Answer:
    return server.create_pod(namespace, pod.build())


def admit(server: Server, pod: PodBuilder, namespace: str = "fargate") -> Manifest:
    admitted = send(server, pod, namespace).expect_ok()
    assert PROFILE_LABEL in admitted["metadata"]["labels"]
    return admitted


# As charts and people write them: pods of Karpenter, of Spark, and of an ingress controller.
LINUX = {"kubernetes.io/os": "linux"}
PUBLISHED: dict[str, tuple[PodBuilder, str, dict[str, str]]] = {
    "Linux by its nodeSelector": (
        a_pod().with_spec(nodeSelector=LINUX).requesting(cpu="1", memory="1Gi").limited_to(cpu="1", memory="1Gi"),
        "1vCPU 2GB",
        LINUX,
    ),
    "Fargate by its nodeSelector": (
        a_pod()
        .with_spec(nodeSelector={COMPUTE_TYPE: "fargate"}, tolerations=[TOLERATION])
        .requesting(memory="1792M")
        .limited_to(memory="1792M"),
        "0.25vCPU 2GB",
        {},
    ),
    "nodes that nobody has": (
        a_pod().with_spec(nodeSelector={"workload-type": "spark-driver"}).requesting(cpu="1", memory="1408Mi"),
        "1vCPU 2GB",
        {"workload-type": "spark-driver"},
    ),
    "an ingress controller on high ports": (
        a_pod()
        .with_spec(nodeSelector=LINUX)
        .requesting(cpu="100m", memory="90Mi")
        .secured(allowPrivilegeEscalation=False, capabilities={"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]})
        .with_port(containerPort=8080),
        "0.25vCPU 0.5GB",
        LINUX,
    ),
}


@pytest.mark.eks("2.node-selector")
@pytest.mark.parametrize(("pod", "capacity", "left"), PUBLISHED.values(), ids=PUBLISHED)
def test_a_pod_with_a_node_selector_is_taken_and_sized(
    server: Server, pod: PodBuilder, capacity: str, left: dict[str, str]
) -> None:
    admitted = admit(server, pod)
    assert admitted["metadata"]["annotations"][CAPACITY_ANNOTATION] == capacity
    assert admitted["spec"]["runtimeClassName"] == "kata"
    assert admitted["spec"].get("nodeSelector", {}) == left


@pytest.mark.eks("2.privilege-escalation")
def test_an_ingress_controller_that_escalates_is_unsupported_in_awss_words(server: Server) -> None:
    pod = a_pod().with_spec(nodeSelector=LINUX)
    pod.secured(allowPrivilegeEscalation=True, capabilities={"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]})
    annotations = admit(server, pod)["metadata"]["annotations"]
    assert annotations[UNSUPPORTED_ANNOTATION] == (
        "Pod not supported on Fargate: invalid SecurityContext fields: AllowPrivilegeEscalation"
    )


def asking(operator: str, *values: str) -> dict[str, Any]:
    requirement = {"key": COMPUTE_TYPE, "operator": operator, **({"values": list(values)} if values else {})}
    return {"matchExpressions": [requirement]}


AFFINITIES: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]] | None]] = {
    "Fargate": ([asking("In", "fargate")], None),
    "any type": ([asking("Exists")], None),
    "Fargate or a disk": ([{"matchExpressions": [SSD]}, asking("NotIn", "ec2")], None),
    "not on Fargate": ([asking("NotIn", "fargate")], [{"matchExpressions": [NOT_ON_FARGATE, dict(ON_FARGATE)]}]),
    "nothing": ([{}], [{}]),
    "Fargate and a disk": (
        [{"matchExpressions": [*asking("In", "ec2", "fargate")["matchExpressions"], SSD]}],
        [{"matchExpressions": [SSD]}],
    ),
}


@pytest.mark.eks("2.node-selector")
@pytest.mark.parametrize(("terms", "left"), AFFINITIES.values(), ids=AFFINITIES)
def test_what_affinity_says_of_the_compute_type_is_decided(
    server: Server, terms: list[dict[str, Any]], left: list[dict[str, Any]] | None
) -> None:
    """A term that rules Fargate out must match no node either where nodes don't have the label."""
    spec = admit(server, a_pod().requiring_nodes(*terms))["spec"]
    assert spec["affinity"] == {"nodeAffinity": {} if left is None else {REQUIRED: {"nodeSelectorTerms": left}}}
    again = admit(server, a_pod("again").with_spec(affinity=spec["affinity"]))
    assert again["spec"]["affinity"] == spec["affinity"]


@pytest.mark.eks("2.scheduler-name")
def test_a_pod_exported_from_eks_is_taken_and_scheduled_by_the_clusters_scheduler(server: Server) -> None:
    reach(server, "exported", [a_profile("fp-exported", a_selector("exported"))])
    pod = a_pod().labelled({EKS_PROFILE_LABEL: "fp-exported", "dag_id": "etl"})
    pod.annotated({CAPACITY_ANNOTATION: "0.5vCPU 1GB", LOGGING_ANNOTATION: "LoggingEnabled"})
    pod.with_spec(schedulerName="fargate-scheduler", priorityClassName="system-node-critical", restartPolicy="Never")
    admitted = admit(server, pod.requesting(cpu="500m", memory="512Mi"), "exported")
    assert admitted["spec"]["schedulerName"] == DEFAULT_SCHEDULER
    assert admitted["metadata"]["annotations"][CAPACITY_ANNOTATION] == "0.5vCPU 1GB"


@pytest.mark.eks("2.nodes")
@pytest.mark.parametrize("sandbox", ["kata-on-metal", "kata-on-fargate"])
def test_the_runtime_classs_own_node_selector_stays(server: Server, sandbox: str) -> None:
    """It finds the nodes of the sandbox, perhaps by EKS's own label. A pod may name the class itself."""
    reach(server, sandbox, [a_profile("web", a_selector(sandbox), sandbox=sandbox)])
    of_class = {"metal": "yes"} if sandbox == "kata-on-metal" else {COMPUTE_TYPE: "fargate"}
    both = {"disk": "ssd", COMPUTE_TYPE: "fargate"}
    for pod in (a_pod(), a_pod().with_spec(runtimeClassName=sandbox), a_pod().with_spec(nodeSelector=both)):
        wanted = {**of_class, **({"disk": "ssd"} if "nodeSelector" in pod.build()["spec"] else {})}
        assert admit(server, pod, sandbox)["spec"]["nodeSelector"] == wanted


@pytest.mark.eks("2.node-selector")
def test_a_node_selector_that_contradicts_the_runtime_classs_is_refused_by_kubernetes(server: Server) -> None:
    reach(server, "contradicted", [a_profile("web", a_selector("contradicted"), sandbox="kata-on-metal")])
    answer = send(server, a_pod().with_spec(nodeSelector={"metal": "no"}), "contradicted")
    assert answer.status == 403
    assert "conflict: runtimeClass.scheduling.nodeSelector[metal] = yes; pod.spec.nodeSelector[metal] = no" in (
        answer.message
    )
