"""The NodePool that is printed for a profile."""

from collections.abc import Mapping
from typing import Any

import pytest

from monopod.capacity.rules.node_class import NodeClass
from monopod.capacity.rules.node_pool import NodePool, build_node_pool, compute_name
from monopod.capacity.rules.node_shape import NodeShape, Unfit, compute_shape
from monopod.capacity.rules.sandbox import Sandbox
from monopod.pods.rules.node_demand import explain_unschedulable
from tests.unit.builders import a_pod
from tests.unit.capacity.builders import EC2_CLASS, KATA_LABEL, KWOK_CLASS, a_node_of, a_sandbox

Json = dict[str, Any]
ZONES = ("eu-west-1a", "eu-west-1b")

SANDBOXES: Mapping[str, Json] = {
    "nothing": a_sandbox("runsc"),
    "kata-deploy": a_sandbox("kata-qemu", KATA_LABEL),
    "dedicated": a_sandbox("runsc", {"pool": "sandboxes"}, {"key": "sandbox", "operator": "Exists"}),
    "two-taints": a_sandbox("runsc", {}, {"key": "a", "value": "b"}, {"key": "a", "value": "c", "effect": "NoExecute"}),
    "known-labels": a_sandbox(
        "runsc", {"kubernetes.io/os": "linux", "node.kubernetes.io/instance-type": "c8i.metal", "x": "y"}
    ),
    "spot": a_sandbox("runsc", {"karpenter.sh/capacity-type": "spot"}),
    "by-pool": a_sandbox("runsc", {"karpenter.sh/nodepool": "boxes"}),
    "arm": a_sandbox("runsc", {"kubernetes.io/arch": "arm64"}),
    "one-zone": a_sandbox("runsc", {"topology.kubernetes.io/zone": "eu-west-1b"}),
    "of-the-provider": a_sandbox("runsc", {"karpenter.k8s.aws/instance-family": "c8i"}),
}


def build(
    resource: Mapping[str, Any], node_class: NodeClass = KWOK_CLASS, zones: tuple[str, ...] = (), **more: Any
) -> NodePool | Unfit:
    sandbox = Sandbox.from_resource(resource)
    shape = compute_shape(sandbox, zones, ("amd64",))
    assert isinstance(shape, NodeShape)
    return build_node_pool("web", sandbox, shape, node_class, **{"max_vcpus": 100} | more)


def manifest_of(resource: Mapping[str, Any], node_class: NodeClass = KWOK_CLASS, **more: Any) -> Json:
    pool = build(resource, node_class, **more)
    assert isinstance(pool, NodePool)
    return pool.manifest


def notes_of(resource: Mapping[str, Any], node_class: NodeClass = KWOK_CLASS) -> str:
    pool = build(resource, node_class)
    assert isinstance(pool, NodePool)
    return "\n".join(pool.notes)


def requirements_of(pool: Json) -> dict[str, list[str]]:
    return {each["key"]: each["values"] for each in pool["spec"]["template"]["spec"]["requirements"]}


@pytest.mark.parametrize("node_class", [KWOK_CLASS, EC2_CLASS], ids=str)
@pytest.mark.parametrize("zones", [(), ZONES], ids=["anywhere", "zones"])
@pytest.mark.parametrize("name", SANDBOXES)
def test_its_nodes_take_the_profiles_pods(name: str, zones: tuple[str, ...], node_class: NodeClass) -> None:
    """Judged by the rules that decide whether a pod can be moved, which know nothing of NodePools."""
    resource = SANDBOXES[name]
    scheduling = resource["scheduling"]
    pod = a_pod().with_spec(nodeSelector=scheduling["nodeSelector"], tolerations=scheduling["tolerations"])
    if zones:
        term = {"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": "In", "values": list(zones)}]}
        required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
        pod.with_spec(affinity={"nodeAffinity": required})
    pool = manifest_of(resource, node_class, zones=zones)
    assert explain_unschedulable(pod.build(), [a_node_of(pool)]) == ""
    early = explain_unschedulable(pod.build(), [a_node_of(pool, started=False)])
    assert ("untolerated taint" in early) is (name == "kata-deploy")


def test_the_whole_of_it() -> None:
    pool = manifest_of(a_sandbox("kata-qemu", KATA_LABEL, {"key": "sandbox", "value": "kata"}), zones=ZONES)
    assert pool == {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodePool",
        "metadata": {"name": "fargate-web"},
        "spec": {
            "limits": {"cpu": "100"},
            "disruption": {"consolidationPolicy": "WhenEmpty", "consolidateAfter": "5m"},
            "template": {
                "metadata": {"labels": KATA_LABEL},
                "spec": {
                    "nodeClassRef": {"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": "default"},
                    "requirements": [
                        {"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]},
                        {"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]},
                        {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["on-demand"]},
                        {"key": "topology.kubernetes.io/zone", "operator": "In", "values": list(ZONES)},
                    ],
                    "taints": [{"key": "sandbox", "value": "kata", "effect": "NoSchedule"}],
                    "startupTaints": [{"key": "katacontainers.io/kata-runtime", "effect": "NoSchedule"}],
                    "expireAfter": "Never",
                },
            },
        },
    }


def test_labels_that_every_node_gets_are_requirements_and_others_are_given() -> None:
    pool = manifest_of(SANDBOXES["known-labels"])
    assert pool["spec"]["template"]["metadata"]["labels"] == {"x": "y"}
    assert requirements_of(pool)["node.kubernetes.io/instance-type"] == ["c8i.metal"]


def test_labels_of_the_provider_are_requirements() -> None:
    pool = manifest_of(SANDBOXES["of-the-provider"], EC2_CLASS)
    assert "metadata" not in pool["spec"]["template"]
    assert requirements_of(pool)["karpenter.k8s.aws/instance-family"] == ["c8i"]


def test_a_class_that_selects_a_pool_names_it() -> None:
    pool = manifest_of(SANDBOXES["by-pool"])
    assert pool["metadata"]["name"] == "boxes"
    assert "karpenter.sh/nodepool" not in requirements_of(pool)


@pytest.mark.parametrize("key", ["kubernetes.io/hostname", "karpenter.sh/registered", "x.karpenter.sh/y"])
def test_what_no_node_pool_may_name_is_told(key: str) -> None:
    assert build(a_sandbox("runsc", {key: "true"})) == Unfit(
        f"RuntimeClass runsc selects nodes by {key}, which no NodePool may name."
    )


def test_kata_on_ec2_wants_metal_unless_the_class_chooses() -> None:
    key = "karpenter.k8s.aws/instance-size"
    assert requirements_of(manifest_of(a_sandbox("kata-qemu"), EC2_CLASS))[key][0] == "metal"
    assert key not in requirements_of(manifest_of(a_sandbox("runsc"), EC2_CLASS))
    assert key not in requirements_of(manifest_of(a_sandbox("kata-qemu"), KWOK_CLASS))
    chosen = a_sandbox("kata-qemu", {"node.kubernetes.io/instance-type": "c8i.2xlarge"})
    assert key not in requirements_of(manifest_of(chosen, EC2_CLASS))


def test_notes_say_who_must_know_the_taints() -> None:
    assert "kata-deploy's value startupTaints must name it" in notes_of(SANDBOXES["kata-deploy"])
    assert "gvisor-node's value node.startupTaint must name it" in notes_of(
        a_sandbox("runsc", {"monopod.dev/gvisor": "true"})
    )
    assert "RuntimeClass runsc tolerates a=b:NoSchedule, a=c:NoExecute" in notes_of(SANDBOXES["two-taints"])
    assert "RuntimeClass runsc tolerates no taint" in notes_of(SANDBOXES["nothing"])
    defeated = a_sandbox("kata-qemu", KATA_LABEL, {"operator": "Exists"})
    assert "tolerates katacontainers.io/kata-runtime:NoSchedule, so its pods don't wait" in notes_of(defeated)


def test_notes_say_where_kvm_comes_from() -> None:
    assert "Kata needs KVM, which metal instances have." in notes_of(a_sandbox("kata-qemu"), EC2_CLASS)
    assert "Kata needs KVM: let the node class" in notes_of(a_sandbox("kata-qemu"))
    assert "KVM" not in notes_of(a_sandbox("runsc"), EC2_CLASS)


def test_a_name_is_the_value_of_a_label() -> None:
    assert compute_name("web") == "fargate-web"
    long, other = compute_name("a" * 63), compute_name("a" * 62 + "b")
    assert (len(long), long != other) == (63, True)
    assert not compute_name("a" * 45 + "." * 18).split("-")[-2].endswith(".")
