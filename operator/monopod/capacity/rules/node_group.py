"""What cluster-autoscaler has to be told of a node group without nodes, where pods of a profile shall run.

It learns from a group's nodes what the next one would be like. Of an empty group it knows labels and taints only by the
group's tags (AWS, Azure) or annotations (Cluster API); GKE's autoscaler reads its node pool itself.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from monopod.capacity.rules.node_shape import ARCH, STARTUP_TAINTS, NodeShape, describe_taints
from monopod.capacity.rules.sandbox import Sandbox, Taint

_AWS: Final = "k8s.io/cluster-autoscaler/node-template"
_CLUSTER_API: Final = "capacity.cluster-autoscaler.kubernetes.io"


def build_node_group(shape: NodeShape) -> dict[str, Any]:
    """Tags and annotations of a node group, by what the group is, and the flags of the autoscaler."""
    labels = _compute_labels(shape)
    # The group's kubelets register both kinds; the autoscaler overlooks a startup taint where a flag names it.
    taints = (*shape.taints, *shape.startup_taints)
    tags = {f"{_AWS}/label/{key}": value for key, value in labels.items()}
    tags |= {f"{_AWS}/taint/{taint.key}": f"{taint.value}:{taint.effect}" for taint in taints}
    document: dict[str, Any] = {
        "autoScalingGroup": {"tags": tags},
        "virtualMachineScaleSet": {"tags": {_escape(key): value for key, value in tags.items()}},
        "clusterAPI": {"annotations": _build_annotations(labels, taints)},
        "kubelet": _build_kubelet(labels, taints),
    }
    if shape.startup_taints:
        document["clusterAutoscaler"] = {"args": [f"--startup-taint={taint.key}" for taint in shape.startup_taints]}
    return document


def _compute_labels(shape: NodeShape) -> dict[str, str]:
    """Labels, without zones: a cloud knows those of its groups."""
    architecture = {ARCH: shape.architectures[0]} if len(shape.architectures) == 1 else {}
    return dict(sorted({**shape.labels, **architecture}.items()))


def _escape(tag: str) -> str:
    """The name of a tag on Azure, where it may hold no slash."""
    return tag.replace("_", "~2").replace("/", "_")


def _build_annotations(labels: Mapping[str, str], taints: tuple[Taint, ...]) -> dict[str, str]:
    annotations = {f"{_CLUSTER_API}/labels": ",".join(f"{key}={value}" for key, value in labels.items())}
    annotations |= {f"{_CLUSTER_API}/taints": ",".join(map(_write, taints))}
    return {key: value for key, value in annotations.items() if value}


def _build_kubelet(labels: Mapping[str, str], taints: tuple[Taint, ...]) -> dict[str, str]:
    # A kubelet may not be told to write labels in Kubernetes' own domains. An installer's label comes when the sandbox
    # is there: unlike Karpenter, this autoscaler doesn't put labels on nodes.
    own = [
        key for key in labels if key.partition("/")[0].endswith(("kubernetes.io", "k8s.io")) or key in STARTUP_TAINTS
    ]
    given = [f"{key}={value}" for key, value in labels.items() if key not in own]
    flags = {"--node-labels": ",".join(given), "--register-with-taints": ",".join(map(_write, taints))}
    return {flag: value for flag, value in flags.items() if value}


def _write(taint: Taint) -> str:
    return f"{taint.key}={taint.value}:{taint.effect}"


def describe_node_group(profile: str, sandbox: Sandbox, shape: NodeShape) -> Iterator[str]:
    """What is to know of a node group for a profile's pods."""
    yield (
        f"Node groups for the pods of FargateProfile {profile}, which run in RuntimeClass {sandbox.name}: what "
        "cluster-autoscaler must be told so that it makes a first node. Take what is for your cloud; GKE's autoscaler "
        "reads labels and taints of its node pools itself."
    )
    if shape.zones:
        yield f"Make a group for each zone: {', '.join(shape.zones)}."
    for taint in shape.startup_taints:
        yield (
            f"The label {taint.key} comes when the sandbox is installed. Until then the startup taint of the same key "
            f"tells the autoscaler to wait for the node instead of making another: {STARTUP_TAINTS[taint.key]} must "
            "name it, so that it is removed."
        )
    yield from describe_taints(sandbox, shape)
    if sandbox.is_kata:
        yield "Kata needs KVM: choose machines that have it."
