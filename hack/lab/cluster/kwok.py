"""Fake nodes for scale: kwok keeps them Ready and makes the pods that are scheduled to them look as if they ran."""

import json
from pathlib import Path

from lab.cluster.addons import Object
from lab.cluster.pki import Authority
from lab.services import Services

TAINT = {"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}
LABEL = "kwok"

STAGES = (
    "node-stages/node-initialize.yaml",
    "node-stages/node-heartbeat-with-lease.yaml",
    "pod-stages/pod-ready.yaml",
    "pod-stages/pod-complete.yaml",
    "pod-stages/pod-delete.yaml",
)
"""What becomes of a node and a pod; kwok ends at once if it isn't told."""

OPTIONS = {
    "podPlayStageParallelism": 16,
    "nodePlayStageParallelism": 4,
    "nodeLeaseParallelism": 4,
    "podsOnNodeSyncParallelism": 1,
    "enablePodsOnNodeSyncListPager": True,
}
"""Those that no flag sets. It writes 16 pods at a time instead of 4: on real nodes each kubelet writes its own. The
others are kwok's defaults, which it doesn't add to a configuration by itself."""


def start_kwok(services: Services, authority: Authority, server: str, program: Path, *, own_only: bool) -> None:
    """Starts kwok.

    Args:
        services: The machine that it runs on.
        authority: Issues its certificate.
        server: The API server's URL.
        program: The built program.
        own_only: Whether it keeps only the nodes of build_nodes; else also those that Karpenter makes, which carry
            kwok's annotation even where they are real.
    """
    nodes = f"label-selector={LABEL}=true" if own_only else "annotation-selector=kwok.x-k8s.io/node=fake"
    path = services.folder / "kubeconfigs/kwok.yaml"
    kubeconfig = authority.write_kubeconfig(path, server, "kwok", ["system:masters"])
    configuration = services.folder / "kwok.json"
    configuration.write_text(json.dumps(build_configuration()))
    services.start(
        "kwok",
        [
            program,
            f"--kubeconfig={kubeconfig}",
            f"--manage-nodes-with-{nodes}",
            "--cidr=10.245.0.1/24",
            "--node-lease-duration-seconds=40",
            f"--config={configuration}",
            *(f"--config={program.parent / stage}" for stage in STAGES),
        ],
    )


def build_configuration() -> Object:
    """What of kwok's options has no flag."""
    return {
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "kind": "KwokConfiguration",
        "options": OPTIONS,
    }


def build_nodes(count: int) -> list[Object]:
    """The fake nodes. A taint keeps pods away that don't tolerate it."""
    size = {"cpu": "64", "memory": "256Gi", "pods": "1000", "ephemeral-storage": "1Ti"}
    return [
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": f"kwok-{i}",
                "annotations": {"kwok.x-k8s.io/node": "fake", "node.alpha.kubernetes.io/ttl": "0"},
                "labels": {
                    LABEL: "true",
                    "type": "kwok",
                    "kubernetes.io/hostname": f"kwok-{i}",
                    "kubernetes.io/os": "linux",
                    "kubernetes.io/arch": "amd64",
                },
            },
            "spec": {"taints": [TAINT]},
            "status": {"allocatable": size, "capacity": size},
        }
        for i in range(count)
    ]
