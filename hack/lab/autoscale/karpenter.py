"""Karpenter with its own provider of nodes: the nodes are kwok's on a control plane, and machines.py makes them real.

The provider makes the Node of each NodeClaim itself, which is what kwok wants. Where nodes are real, a kubelet
registers them, as on any cloud: the node class of such a cluster tells the provider to wait with its own for longer
than a cluster lives.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from lab.autoscale.plan import Plan
from lab.build.pins import HACK
from lab.build.toolchain import find_module
from lab.cluster.pki import Authority
from lab.services import Services

Object = dict[str, Any]
_Rule = tuple[str, tuple[str, ...], tuple[str, ...]]
"""API group, kinds, verbs."""

USER = "karpenter"
NODE_CLASS = "lab"
NODE_CLASS_WORD = f"KWOKNodeClass/{NODE_CLASS}"
"""As `kubectl fargate nodepool --class` takes it."""

KINDS = ("nodepools.karpenter.sh", "nodeclaims.karpenter.sh", "capacitybuffers.autoscaling.x-k8s.io")
NEVER = "100000h"
INSTANCE_TYPE = "lab.machine"
SPARED_MEMORY_MIB = 512
"""What a machine's kubelet doesn't give to pods, amply: a node must not turn out smaller than Karpenter counted on."""

MACHINES_USER = "lab-machines"
_MACHINES_RULES: tuple[_Rule, ...] = (
    ("karpenter.sh", ("nodeclaims",), ("list",)),
    ("", ("nodes",), ("list", "patch", "delete")),
)

_READ = ("get", "list", "watch")
_RULES: tuple[_Rule, ...] = (
    ("karpenter.sh", ("nodepools", "nodeclaims", "nodeoverlays"), _READ),
    ("karpenter.sh", ("nodepools/status", "nodeclaims/status", "nodeoverlays/status"), (*_READ, "update", "patch")),
    ("karpenter.sh", ("nodeclaims", "nodeclaims/finalizers"), ("create", "delete", "update", "patch")),
    ("karpenter.sh", ("nodepools", "nodepools/finalizers"), ("update", "patch")),
    ("karpenter.kwok.sh", ("kwoknodeclasses", "kwoknodeclasses/status"), (*_READ, "update", "patch")),
    ("autoscaling.x-k8s.io", ("capacitybuffers", "capacitybuffers/status"), (*_READ, "update", "patch")),
    ("", ("pods", "nodes", "persistentvolumes", "persistentvolumeclaims"), _READ),
    ("", ("replicationcontrollers", "namespaces", "podtemplates", "resourcequotas"), _READ),
    ("", ("events",), ("create", "patch")),
    ("", ("nodes",), ("create", "patch", "delete", "update")),
    ("", ("pods/eviction",), ("create",)),
    ("", ("pods",), ("delete",)),
    ("storage.k8s.io", ("storageclasses", "csinodes", "volumeattachments"), _READ),
    ("apps", ("daemonsets", "deployments", "replicasets", "statefulsets"), _READ),
    ("apps", ("deployments/scale", "replicasets/scale", "statefulsets/scale"), ("get",)),
    ("apiextensions.k8s.io", ("customresourcedefinitions",), _READ),
    ("policy", ("poddisruptionbudgets",), _READ),
    ("coordination.k8s.io", ("leases",), (*_READ, "delete")),
)
"""What Karpenter's own chart grants its provider of kwok's nodes, and what buffers read."""


def find_kinds() -> list[Path]:
    """The files of its kinds, CapacityBuffer included."""
    module = find_module("karpenter", "sigs.k8s.io/karpenter")
    return sorted([*module.glob("pkg/apis/crds/*.yaml"), *module.glob("kwok/apis/crds/*.yaml")])


def build_objects(*, real: bool) -> list[Object]:
    """Its rights, those of what makes its machines, and the node class that NodePools name.

    Args:
        real: Whether real machines stand for the nodes.
    """
    return [
        *_build_role(USER, _RULES),
        *_build_role(MACHINES_USER, _MACHINES_RULES),
        {
            "apiVersion": "karpenter.kwok.sh/v1alpha1",
            "kind": "KWOKNodeClass",
            "metadata": {"name": NODE_CLASS},
            "spec": {"nodeRegistrationDelay": NEVER} if real else {},
        },
    ]


def _build_role(user: str, granted: tuple[_Rule, ...]) -> list[Object]:
    group = "rbac.authorization.k8s.io"
    rules = [{"apiGroups": [api], "resources": kinds, "verbs": verbs} for api, kinds, verbs in granted]
    meta = {"apiVersion": f"{group}/v1", "metadata": {"name": user}}
    role = {"apiGroup": group, "kind": "ClusterRole", "name": user}
    who = {"apiGroup": group, "kind": "User", "name": user}
    return [
        {**meta, "kind": "ClusterRole", "rules": rules},
        {**meta, "kind": "ClusterRoleBinding", "roleRef": role, "subjects": [who]},
    ]


def start_karpenter(services: Services, authority: Authority, server: str, program: Path, *, real: bool) -> None:
    """Starts Karpenter; its kinds must be served.

    Args:
        services: The machine that it runs on.
        authority: Issues its certificate.
        server: The API server's URL.
        program: The built program.
        real: Whether its nodes are machines of the lab; otherwise it has its provider's own choice of them.
    """
    path = services.folder / f"kubeconfigs/{USER}.yaml"
    env = {
        "KUBECONFIG": str(authority.write_kubeconfig(path, server, USER)),
        "SYSTEM_NAMESPACE": "kube-system",
        "DISABLE_LEADER_ELECTION": "true",
        "FEATURE_GATES": "CapacityBuffer=true",
        "METRICS_PORT": "0",  # any: several clusters run side by side
        "HEALTH_PROBE_PORT": "0",
    }
    if real:
        types = services.folder / "instance-types.json"
        types.write_text(json.dumps([build_instance_type()], indent=1))
        env["INSTANCE_TYPES_FILE_PATH"] = str(types)
    services.start("karpenter", [program], env)


def start_machines(plan: Plan, services: Services) -> None:
    """Starts what makes machines for its NodeClaims.

    Args:
        plan: The cluster.
        services: Its first node.
    """
    plan.images.mkdir(exist_ok=True)
    path = services.folder / f"kubeconfigs/{MACHINES_USER}.yaml"
    kubeconfig = plan.authority.write_kubeconfig(path, plan.server, MACHINES_USER)
    command: list[str | Path] = [sys.executable, "-m", "lab.autoscale", plan.write(), kubeconfig]
    services.start("machines", command, {"PYTHONPATH": str(HACK)})


def build_instance_type() -> Object:
    """What every machine of the lab is: as large as the machine that it runs on, whose cores they share."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20
    choices = {"karpenter.sh/capacity-type": "on-demand", "topology.kubernetes.io/zone": "lab"}
    requirements = [{"key": key, "operator": "In", "values": [value]} for key, value in choices.items()]
    return {
        "name": INSTANCE_TYPE,
        "architecture": {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine),
        "operatingSystems": ["linux"],
        "resources": {"cpu": str(os.cpu_count()), "memory": f"{total - SPARED_MEMORY_MIB}Mi", "pods": "110"},
        "offerings": [{"Price": 0.1, "Available": True, "Requirements": requirements}],
    }
