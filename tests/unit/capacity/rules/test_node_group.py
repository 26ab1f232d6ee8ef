"""What cluster-autoscaler is told of a node group without nodes."""

from monopod.capacity.rules.node_group import build_node_group, describe_node_group
from monopod.capacity.rules.node_shape import NodeShape, compute_shape
from monopod.capacity.rules.sandbox import Sandbox
from tests.unit.capacity.builders import KATA_LABEL, a_sandbox

CLASS = a_sandbox("kata-qemu", {**KATA_LABEL, "pool_x": "boxes"}, {"key": "sandbox", "value": "kata"})


def shape_of(resource: dict[str, object], zones: tuple[str, ...] = ()) -> NodeShape:
    shape = compute_shape(Sandbox.from_resource(resource), zones, ("amd64",))
    assert isinstance(shape, NodeShape)
    return shape


def test_each_cloud_is_told_in_its_own_way() -> None:
    assert build_node_group(shape_of(CLASS)) == {
        "autoScalingGroup": {
            "tags": {
                "k8s.io/cluster-autoscaler/node-template/label/katacontainers.io/kata-runtime": "true",
                "k8s.io/cluster-autoscaler/node-template/label/kubernetes.io/arch": "amd64",
                "k8s.io/cluster-autoscaler/node-template/label/pool_x": "boxes",
                "k8s.io/cluster-autoscaler/node-template/taint/sandbox": "kata:NoSchedule",
                "k8s.io/cluster-autoscaler/node-template/taint/katacontainers.io/kata-runtime": ":NoSchedule",
            }
        },
        "virtualMachineScaleSet": {
            "tags": {
                "k8s.io_cluster-autoscaler_node-template_label_katacontainers.io_kata-runtime": "true",
                "k8s.io_cluster-autoscaler_node-template_label_kubernetes.io_arch": "amd64",
                "k8s.io_cluster-autoscaler_node-template_label_pool~2x": "boxes",
                "k8s.io_cluster-autoscaler_node-template_taint_sandbox": "kata:NoSchedule",
                "k8s.io_cluster-autoscaler_node-template_taint_katacontainers.io_kata-runtime": ":NoSchedule",
            }
        },
        "clusterAPI": {
            "annotations": {
                "capacity.cluster-autoscaler.kubernetes.io/labels": (
                    "katacontainers.io/kata-runtime=true,kubernetes.io/arch=amd64,pool_x=boxes"
                ),
                "capacity.cluster-autoscaler.kubernetes.io/taints": (
                    "sandbox=kata:NoSchedule,katacontainers.io/kata-runtime=:NoSchedule"
                ),
            }
        },
        "kubelet": {
            "--node-labels": "pool_x=boxes",
            "--register-with-taints": "sandbox=kata:NoSchedule,katacontainers.io/kata-runtime=:NoSchedule",
        },
        "clusterAutoscaler": {"args": ["--startup-taint=katacontainers.io/kata-runtime"]},
    }


def test_kubernetes_own_labels_are_no_kubelets_to_write() -> None:
    shape = shape_of(
        a_sandbox("runsc", {"node.kubernetes.io/instance-type": "x", "node-restriction.kubernetes.io/y": ""})
    )
    assert build_node_group(shape)["kubelet"] == {}


def test_without_a_startup_taint_the_autoscaler_needs_no_flag() -> None:
    assert "clusterAutoscaler" not in build_node_group(shape_of(a_sandbox("runsc", {"x": "y"})))


def test_notes_name_zones_and_the_installer() -> None:
    notes = "\n".join(describe_node_group("web", Sandbox.from_resource(CLASS), shape_of(CLASS, ("a", "b", "c", "d"))))
    assert "Make a group for each zone: a, b, c, d." in notes
    assert "kata-deploy's value startupTaints must name it" in notes
    assert "Kata needs KVM: choose machines that have it." in notes
