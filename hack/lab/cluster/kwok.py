"""Fake nodes for scale: kwok keeps them Ready and makes the pods that are scheduled to them look as if they ran."""

from pathlib import Path

from lab.cluster.addons import Object
from lab.cluster.pki import Authority
from lab.services import Services

TAINT = {"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}

STAGES = (
    "node-stages/node-initialize.yaml",
    "node-stages/node-heartbeat-with-lease.yaml",
    "pod-stages/pod-ready.yaml",
    "pod-stages/pod-complete.yaml",
    "pod-stages/pod-delete.yaml",
)
"""What becomes of a node and a pod; kwok ends at once if it isn't told."""


def start_kwok(services: Services, authority: Authority, server: str, program: Path) -> None:
    """Starts kwok for the nodes that carry its annotation."""
    path = services.folder / "kubeconfigs/kwok.yaml"
    kubeconfig = authority.write_kubeconfig(path, server, "kwok", ["system:masters"])
    services.start(
        "kwok",
        [
            program,
            f"--kubeconfig={kubeconfig}",
            "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
            "--cidr=10.245.0.1/24",
            "--node-lease-duration-seconds=40",
            *(f"--config={program.parent / stage}" for stage in STAGES),
        ],
    )


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
                    "kwok": "true",
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
