"""What the operator keeps of each object that it watches: as little as its decisions need.

Views are compared to tell whether an event matters, so what changes all the time (a node's heartbeat, a pod's phase)
has no place in them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monopod.api.names import (
    GROUP_COUNT_LABEL,
    GROUP_LABEL_PREFIX,
    GROUP_POLICIES_ANNOTATION,
    GROUPS_ANNOTATION,
    ISOLATED_ANNOTATION,
    NAMESPACE_LABEL,
    POD_GROUPS_ANNOTATION,
    POLICY_LABEL,
    PROFILE_LABEL,
    ROWS_ANNOTATION,
    TASK_LABEL,
    UNSUPPORTED_ANNOTATION,
)
from monopod.isolation.rules.changes import PolicyView
from monopod.isolation.rules.infrastructure import Endpoints, NodeView
from monopod.isolation.rules.membership import MAX_ANNOTATED
from monopod.isolation.rules.network_policies import digest_spec
from monopod.isolation.rules.owners_policies import NO_DIRECTIONS, find_opened_directions, read_concern
from monopod.kube.objects.fields import Part
from monopod.pods.rules.node_capacity import read_taints
from monopod.selectors.publication import NamespaceView


@dataclass(frozen=True, slots=True)
class PodView:
    """What matters of a pod of a profile.

    Attributes:
        unsupported: why Fargate can't run it, "" if it can.
        created: metadata.creationTimestamp.
        controller: the uid of the object that made the pod and would replace it, "" if there is none.
        terminating: whether it is being deleted.
        label_text: all of its labels, a line `key=value` each: whatever selects pods may name any of them, and as
            objects of their own they would take ten times the memory.
        groups: the security groups that its labels say it belongs to, by name.
        asked: the groups that its author asks for, None if the annotation is absent.
        shown: the groups as its annotation shows them, None if it is absent.
    """

    namespace: str
    name: str
    uid: str
    profile: str
    unsupported: str = ""
    created: str = ""
    controller: str = ""
    terminating: bool = False
    label_text: str = ""
    groups: tuple[str, ...] = ()
    asked: str | None = None
    shown: str | None = None

    @property
    def labels(self) -> dict[str, str]:
        """All of its labels."""
        return dict(line.split("=", 1) for line in self.label_text.splitlines())  # no key or value holds either

    @property
    def count(self) -> str:
        """The value of the label that counts its groups."""
        return self.labels.get(GROUP_COUNT_LABEL, "")

    @property
    def task(self) -> str:
        """Its task id, which the operator writes where the pod has a policy of its own."""
        return self.labels.get(TASK_LABEL, "")


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


def read_namespace(item: Mapping[str, Any]) -> NamespaceView:
    """The marks, and whether it is being deleted."""
    metadata = item["metadata"]
    annotations = metadata.get("annotations") or {}
    return NamespaceView(
        name=metadata["name"],
        label=(metadata.get("labels") or {}).get(NAMESPACE_LABEL),
        rows=annotations.get(ROWS_ANNOTATION),
        isolated=annotations.get(ISOLATED_ANNOTATION),
        group_rows=annotations.get(GROUP_POLICIES_ANNOTATION),
        terminating="deletionTimestamp" in metadata,
        uid=metadata.get("uid") or "",
    )


def read_uid(item: Mapping[str, Any]) -> str:
    """What tells an object from a namesake that replaced it."""
    return str(item["metadata"].get("uid") or "")


@dataclass(frozen=True, slots=True)
class RuntimeClassView:
    """A RuntimeClass; its uid tells it from a namesake that replaced it, its nodeSelector which nodes it is for."""

    name: str
    uid: str
    handler: str
    node_selector: frozenset[tuple[str, str]] = frozenset()


def read_runtime_class(item: Mapping[str, Any]) -> RuntimeClassView:
    """What its pods run in, and where."""
    nodes = (item.get("scheduling") or {}).get("nodeSelector") or {}
    name, handler = str(item["metadata"]["name"]), str(item.get("handler") or "")
    return RuntimeClassView(name, read_uid(item), handler, frozenset(nodes.items()))


def read_account(item: Mapping[str, Any]) -> AccountView:
    """Whose labels."""
    metadata = item["metadata"]
    return AccountView(metadata["namespace"], metadata["name"], dict(metadata.get("labels") or {}))


def read_data(item: Mapping[str, Any]) -> dict[str, str]:
    """A ConfigMap's data."""
    return dict(item.get("data") or {})


def read_pod(item: Mapping[str, Any]) -> PodView:
    """What the metadata tell, because lists have no spec: the reason stands in an annotation beside the gate."""
    metadata = item["metadata"]
    owners = metadata.get("ownerReferences") or ()
    labels = metadata.get("labels") or {}
    annotations = metadata.get("annotations") or {}
    return PodView(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        profile=labels.get(PROFILE_LABEL) or "",
        unsupported=annotations.get(UNSUPPORTED_ANNOTATION) or "",
        created=str(metadata.get("creationTimestamp") or ""),
        controller=next((str(owner["uid"]) for owner in owners if owner.get("controller")), ""),
        terminating="deletionTimestamp" in metadata,
        label_text=write_labels(labels),
        groups=tuple(sorted(k.removeprefix(GROUP_LABEL_PREFIX) for k in labels if k.startswith(GROUP_LABEL_PREFIX))),
        asked=_cut(annotations.get(GROUPS_ANNOTATION), MAX_ANNOTATED),
        shown=annotations.get(POD_GROUPS_ANNOTATION),
    )


def write_labels(labels: Mapping[str, str]) -> str:
    """Labels as a view of a pod keeps them."""
    return "\n".join(f"{key}={value}" for key, value in sorted(labels.items()))


def _cut(text: str | None, most: int) -> str | None:
    """What is too long to be read is known as such by one character more."""
    return None if text is None else text[: most + 1]


def read_policy(item: Mapping[str, Any]) -> PolicyView:
    """Which of the two it is: whoever puts our label on a policy hands it over to us."""
    metadata = item["metadata"]
    kind = (metadata.get("labels") or {}).get(POLICY_LABEL) or ""
    owners = metadata.get("ownerReferences") or ()
    return PolicyView(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata.get("uid") or "",
        kind=kind,
        digest=digest_spec(item) if kind else "",
        owner=next((str(owner["uid"]) for owner in owners if owner.get("kind") == "Pod"), ""),
        opened=find_opened_directions(item.get("spec") or {}) if kind else NO_DIRECTIONS,
        held=bool(kind and metadata.get("finalizers")),
        spec=None if kind else item.get("spec") or {},
        concern=None if kind else read_concern(item),
    )


def read_node(item: Mapping[str, Any]) -> NodeView:
    """A node's addresses, of which its names are none, and what decides which pods it takes."""
    spec, status = item.get("spec") or {}, item.get("status") or {}
    found = (a["address"] for a in status.get("addresses") or () if a.get("type") in ("InternalIP", "ExternalIP"))
    networks = spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else ())
    metadata = item["metadata"]
    allocatable = Part(status).quantities("allocatable")
    return NodeView(
        metadata["name"],
        tuple(sorted({*found})),
        tuple(sorted({*networks})),
        dict(metadata.get("labels") or {}),
        read_taints(spec),
        int(allocatable.get("cpu", 0) * 1000),
        int(allocatable.get("memory", 0) / 2**20),
    )


def read_endpoints(item: Mapping[str, Any]) -> Endpoints:
    """The addresses and ports of an EndpointSlice."""
    addresses = [address for one in item.get("endpoints") or () for address in one.get("addresses") or ()]
    ports = [int(port["port"]) for port in item.get("ports") or () if port.get("port")]
    return tuple(sorted((address, port) for address in addresses for port in ports))
