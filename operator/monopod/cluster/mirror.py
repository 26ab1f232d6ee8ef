"""What the operator has seen of the cluster: a copy, fed by watch events and checked against lists.

Watches alone are not enough. A stream that is reopened after an expired version (410) never tells which objects were
deleted meanwhile, and a stream can die without a sign (kopf#1276). So the copy starts with a full list, before which
nothing may be decided (a list that is cut short would look like deletions), and is audited by lists from time to time:
what the watch has missed is put right, counted, and in the end reported as a dead watch.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from monopod.api.names import (
    GROUP,
    NAMESPACE_LABEL,
    PATTERNS_CONFIGMAP,
    PROFILE_LABEL,
    PROFILE_PLURAL,
    ROWS_ANNOTATION,
    UNSUPPORTED_ANNOTATION,
    VERSION,
)
from monopod.cluster.client import ApiClient
from monopod.domain.publication import NamespaceView

View = TypeVar("View")
Key = tuple[str, str]
"""Namespace ("" for cluster-scoped kinds) and name."""

# How long a listed difference may be on its way as a watch event before it counts as missed.
GRACE_SECONDS = 5.0

# A watch is dead if this many audits in a row found something that it had missed.
DEAD_AFTER_AUDITS = 2


@dataclass(frozen=True, slots=True)
class PodView:
    """What matters of a pod of a profile.

    Attributes:
        unsupported: why Fargate can't run it, "" if it can.
        created: metadata.creationTimestamp.
        controller: the uid of the object that made the pod and would replace it, "" if there is none.
        terminating: whether it is being deleted.
    """

    namespace: str
    name: str
    uid: str
    profile: str
    unsupported: str = ""
    created: str = ""
    controller: str = ""
    terminating: bool = False


@dataclass(frozen=True, slots=True)
class _Entry(Generic[View]):
    uid: str
    version: int
    view: View


class Kind(Generic[View]):
    """The copies of one kind of object."""

    def __init__(
        self,
        resource: str,
        path: str,
        read: Callable[[Mapping[str, Any]], View],
        *,
        query: Mapping[str, str] | None = None,
        metadata_only: bool = True,
    ) -> None:
        self.resource = resource
        self.path = path
        self.query = dict(query or {})
        self.metadata_only = metadata_only
        self.failed_audits = 0
        self.revision = 0
        """Grows with every change, so that what was computed from the objects can be kept meanwhile."""
        self._read = read
        self._entries: dict[Key, _Entry[View]] = {}
        self._touched: set[Key] = set()

    def __len__(self) -> int:
        return len(self._entries)

    def views(self) -> list[View]:
        """All objects, in the order of their names."""
        return [entry.view for _, entry in sorted(self._entries.items())]

    def find(self, namespace: str, name: str) -> View | None:
        """One object, if it exists."""
        entry = self._entries.get((namespace, name))
        return entry.view if entry else None

    def observe(self, event_type: str | None, item: Mapping[str, Any]) -> bool:
        """Takes in a watch event or the answer to a write; whether anything that matters has changed."""
        metadata = item["metadata"]
        key, uid = (metadata.get("namespace") or "", metadata["name"]), metadata.get("uid") or ""
        known = self._entries.get(key)
        self._touched.add(key)
        if event_type == "DELETED":
            # Events of different objects come in any order: the old one's end may follow its namesake's beginning.
            if known is None or known.uid != uid:
                return False
            del self._entries[key]
            self.revision += 1
            return True
        version = _read_version(metadata)
        if known and known.uid == uid and version < known.version:
            return False  # the answer to our own write overtook its watch event
        entry = _Entry(uid, version, self._read(item))
        self._entries[key] = entry
        changed = known is None or known.view != entry.view or known.uid != uid
        self.revision += changed
        return changed

    async def load(self, api: ApiClient) -> None:
        """Takes over what a full list says."""
        self._entries = await self._list(api)
        self.revision += 1

    async def audit(self, api: ApiClient, grace: float = GRACE_SECONDS) -> int:
        """Compares with a full list, puts right what the watch has missed, and says how many objects that was."""
        self._touched = set()
        listed = await self._list(api)
        differing = {
            key for key in listed.keys() | self._entries.keys() if _view(listed, key) != _view(self._entries, key)
        }
        if differing - self._touched:
            await asyncio.sleep(grace)
        missed = differing - self._touched
        self.revision += bool(missed)
        for key in missed:
            if key in listed:
                self._entries[key] = listed[key]
            else:
                del self._entries[key]
        self.failed_audits = self.failed_audits + 1 if missed else 0
        return len(missed)

    @property
    def is_dead(self) -> bool:
        """Whether the watch brings nothing any more."""
        return self.failed_audits >= DEAD_AFTER_AUDITS

    async def _list(self, api: ApiClient) -> dict[Key, _Entry[View]]:
        entries: dict[Key, _Entry[View]] = {}
        async for item in api.list_pages(self.path, self.query, metadata_only=self.metadata_only):
            metadata = item["metadata"]
            key = (metadata.get("namespace") or "", metadata["name"])
            entries[key] = _Entry(metadata.get("uid") or "", _read_version(metadata), self._read(item))
        return entries


def _view(entries: Mapping[Key, _Entry[View]], key: Key) -> View | None:
    entry = entries.get(key)
    return entry.view if entry else None


def _read_version(metadata: Mapping[str, Any]) -> int:
    # Comparable as integers by Kubernetes' own promise since 1.35 (KEP-5504).
    version = str(metadata.get("resourceVersion") or "")
    return int(version) if version.isdigit() else 0


class Mirror:
    """Everything that the operator watches."""

    def __init__(self, system_namespace: str) -> None:
        self.profiles: Kind[dict[str, Any]] = Kind(
            "fargateprofiles", f"/apis/{GROUP}/{VERSION}/{PROFILE_PLURAL}", read_profile, metadata_only=False
        )
        self.namespaces: Kind[NamespaceView] = Kind("namespaces", "/api/v1/namespaces", read_namespace)
        self.runtime_classes: Kind[str] = Kind("runtimeclasses", "/apis/node.k8s.io/v1/runtimeclasses", read_uid)
        self.pods: Kind[PodView] = Kind("pods", "/api/v1/pods", read_pod, query={"labelSelector": PROFILE_LABEL})
        self.patterns: Kind[dict[str, str]] = Kind(
            "configmaps",
            "/api/v1/configmaps",
            read_data,
            query={"fieldSelector": select_patterns(system_namespace)},
            metadata_only=False,
        )

    def kinds(self) -> tuple[Kind[Any], ...]:
        """All kinds, the profiles first."""
        return (self.profiles, self.namespaces, self.runtime_classes, self.pods, self.patterns)

    async def load(self, api: ApiClient) -> None:
        """The full lists that everything starts with."""
        for kind in self.kinds():
            await kind.load(api)

    def find_dead_watches(self) -> list[str]:
        """Kinds whose watch brings nothing any more."""
        return [kind.resource for kind in self.kinds() if kind.is_dead]


def select_patterns(system_namespace: str) -> str:
    """The field selector of the one ConfigMap that is watched; RBAC allows a list by this name alone."""
    return f"metadata.name={PATTERNS_CONFIGMAP},metadata.namespace={system_namespace}"


def read_profile(item: Mapping[str, Any]) -> dict[str, Any]:
    """The whole object without the record of who wrote which field, which is most of its size."""
    metadata = {key: value for key, value in item["metadata"].items() if key != "managedFields"}
    return {**item, "metadata": metadata}


def read_namespace(item: Mapping[str, Any]) -> NamespaceView:
    """Label, rows and whether it is being deleted."""
    metadata = item["metadata"]
    return NamespaceView(
        name=metadata["name"],
        label=(metadata.get("labels") or {}).get(NAMESPACE_LABEL),
        rows=(metadata.get("annotations") or {}).get(ROWS_ANNOTATION),
        terminating="deletionTimestamp" in metadata,
    )


def read_uid(item: Mapping[str, Any]) -> str:
    """What tells an object from a namesake that replaced it."""
    return str(item["metadata"].get("uid") or "")


def read_pod(item: Mapping[str, Any]) -> PodView:
    """What the metadata tell, because lists have no spec: the reason stands in an annotation beside the gate."""
    metadata = item["metadata"]
    owners = metadata.get("ownerReferences") or ()
    return PodView(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        profile=(metadata.get("labels") or {}).get(PROFILE_LABEL) or "",
        unsupported=(metadata.get("annotations") or {}).get(UNSUPPORTED_ANNOTATION) or "",
        created=str(metadata.get("creationTimestamp") or ""),
        controller=next((str(owner["uid"]) for owner in owners if owner.get("controller")), ""),
        terminating="deletionTimestamp" in metadata,
    )


def read_data(item: Mapping[str, Any]) -> dict[str, str]:
    """A ConfigMap's data."""
    return dict(item.get("data") or {})
