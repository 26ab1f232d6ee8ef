"""What the operator keeps of each object that it watches: as little as its decisions need.

Views are compared to tell whether an event matters, so what changes all the time (a node's heartbeat, a pod's phase)
has no place in them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from monopod.api.names import PATCHED_ANNOTATION
from monopod.kube.objects.fields import Part


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node's addresses, the networks of its pods, and what decides which pods it takes.

    Attributes:
        taints: key, value and effect of those that keep new pods away.
        cpu_millis: what it has for pods, used or not.
        memory_mib: the same.
        created: metadata.creationTimestamp.
        maintenance_since: since when a condition has said that it is about to be taken away or drained, as an RFC 3339
            time; "" if none says so, or it has no lastTransitionTime.
        interruptions: the types of its conditions by which it tells that its cloud takes it back.
    """

    name: str
    addresses: tuple[str, ...]
    pod_networks: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[tuple[str, str, str], ...] = ()
    cpu_millis: int = 0
    memory_mib: int = 0
    created: str = ""
    maintenance_since: str = ""
    interruptions: tuple[str, ...] = ()


Endpoints = tuple[tuple[str, int], ...]
"""Addresses and ports."""


TUNNEL_ANNOTATIONS: Final = tuple(
    f"projectcalico.org/IPv{version}{kind}Addr"
    for version in (4, 6)
    for kind in ("IPIPTunnel", "VXLANTunnel", "WireguardInterface")
)
"""Where Calico tells an address of the node that isn't in its status: pods reach all that listens on the node at it."""

MAINTENANCE: Final = ("MaintenancePlanned", "MaintenanceInProgress", "DrainInProgress")
"""Conditions of nodes, from Kubernetes 1.37, that administrators write."""

INTERRUPTIONS: Final = {
    "PreemptionScheduled": ("SpotEvictionIncoming", "Preempt "),
    "Terminating": ("TerminationRequested", ""),
}
"""Conditions of nodes by which termination handlers tell that the cloud takes a node back: their reasons, and how their
messages begin. AKS writes the first, with the same reason, of mere recommendations too; OpenShift the second."""

CORDONED: Final = ("node.kubernetes.io/unschedulable", "", "NoSchedule")


def read_taints(spec: Mapping[str, Any]) -> tuple[tuple[str, str, str], ...]:
    """The taints of a node that keep new pods away, by its spec; a cordon is one, however fresh."""
    taints = {(one["key"], one.get("value") or "", one["effect"]) for one in spec.get("taints") or ()}
    cordon = {CORDONED} if spec.get("unschedulable") else set()
    return tuple(sorted(taint for taint in taints | cordon if taint[2] in ("NoSchedule", "NoExecute")))


@dataclass(frozen=True, slots=True)
class AccountView:
    """A ServiceAccount's labels."""

    namespace: str
    name: str
    labels: Mapping[str, str]


def read_whole(item: Mapping[str, Any]) -> dict[str, Any]:
    """The whole object without the record of who wrote which field, which is most of its size."""
    metadata = {key: value for key, value in item["metadata"].items() if key != "managedFields"}
    return {**item, "metadata": metadata}


def read_uid(item: Mapping[str, Any]) -> str:
    """What tells an object from another of the same name that replaced it."""
    return str(item["metadata"].get("uid") or "")


@dataclass(frozen=True, slots=True)
class RuntimeClassView:
    """A RuntimeClass; its uid tells it from a later one of the same name, its nodeSelector which nodes it is for.

    Attributes:
        patched: since when its nodes have the newest version of the sandbox, as its annotation says; "" without.
    """

    name: str
    uid: str
    handler: str
    node_selector: frozenset[tuple[str, str]] = frozenset()
    patched: str = ""


def read_runtime_class(item: Mapping[str, Any]) -> RuntimeClassView:
    """What its pods run in, and where."""
    nodes = (item.get("scheduling") or {}).get("nodeSelector") or {}
    name, handler = str(item["metadata"]["name"]), str(item.get("handler") or "")
    patched = str((item["metadata"].get("annotations") or {}).get(PATCHED_ANNOTATION) or "")
    return RuntimeClassView(name, read_uid(item), handler, frozenset(nodes.items()), patched)


def read_account(item: Mapping[str, Any]) -> AccountView:
    """Whose labels."""
    metadata = item["metadata"]
    return AccountView(metadata["namespace"], metadata["name"], dict(metadata.get("labels") or {}))


def read_data(item: Mapping[str, Any]) -> dict[str, str]:
    """A ConfigMap's data."""
    return dict(item.get("data") or {})


def read_node(item: Mapping[str, Any]) -> NodeView:
    """A node's addresses, of which its names are none, and what decides which pods it takes."""
    spec, status = item.get("spec") or {}, item.get("status") or {}
    found = [a["address"] for a in status.get("addresses") or () if a.get("type") in ("InternalIP", "ExternalIP")]
    networks = spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else ())
    metadata = item["metadata"]
    annotations = metadata.get("annotations") or {}
    found += [annotations[name] for name in TUNNEL_ANNOTATIONS if name in annotations]
    allocatable = Part(status).quantities("allocatable")
    return NodeView(
        metadata["name"],
        tuple(sorted({*found})),
        tuple(sorted({*networks})),
        dict(metadata.get("labels") or {}),
        read_taints(spec),
        int(allocatable.get("cpu", 0) * 1000),
        int(allocatable.get("memory", 0) / 2**20),
        str(metadata.get("creationTimestamp") or ""),
        min(filter(None, map(_read_maintenance, status.get("conditions") or ())), default=""),
        tuple(sorted(one["type"] for one in status.get("conditions") or () if _is_interruption(one))),
    )


def _read_maintenance(condition: Mapping[str, Any]) -> str:
    """The condition's lastTransitionTime if it announces maintenance, else ""."""
    is_planned = condition.get("type") in MAINTENANCE and condition.get("status") == "True"
    return str(condition.get("lastTransitionTime") or "") if is_planned else ""


def _is_interruption(condition: Mapping[str, Any]) -> bool:
    """Whether it tells that the cloud takes the node back."""
    if condition.get("status") != "True" or condition.get("type") not in INTERRUPTIONS:
        return False
    reason, words = INTERRUPTIONS[condition["type"]]
    return condition.get("reason") == reason and str(condition.get("message") or "").startswith(words)


def read_endpoints(item: Mapping[str, Any]) -> Endpoints:
    """The addresses and ports of an EndpointSlice."""
    addresses = [address for one in item.get("endpoints") or () for address in one.get("addresses") or ()]
    ports = [int(port["port"]) for port in item.get("ports") or () if port.get("port")]
    return tuple(sorted((address, port) for address in addresses for port in ports))
