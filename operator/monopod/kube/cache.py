"""What the operator has seen of the cluster: a copy, fed by watch events and checked against lists.

Watches alone are not enough. A stream that is reopened after an expired version (410) never tells which objects were
deleted meanwhile, and a stream can die without a sign (kopf#1276). So the copy starts with a full list, before which
nothing may be decided (a list that is cut short would look like deletions), and is audited by lists from time to time:
what the watch has missed is corrected, counted, and in the end reported as a dead watch.
"""

import asyncio
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from monopod.kube.client.api import Api
from monopod.kube.objects.resources import Resource

View = TypeVar("View")
Key = tuple[str, str]
"""Namespace ("" for cluster-scoped kinds) and name."""

# How long a listed difference may be on its way as a watch event before it counts as missed.
GRACE_SECONDS = 5.0

# A watch is dead if this many audits in a row found something that it had missed.
DEAD_AFTER_AUDITS = 2

Listener = Callable[[Key, View | None, View | None], None]
"""Told of every change, whichever way it became known: the object's key, what it was and what it is; None: nothing."""

Index = Callable[[View], Iterable[Hashable]]
"""Under which values an object is to be found."""


@dataclass(frozen=True, slots=True)
class _Entry(Generic[View]):
    uid: str
    version: int
    view: View


class Kind(Generic[View]):
    """The copies of one kind of object."""

    def __init__(
        self,
        resource: Resource,
        read: Callable[[Mapping[str, Any]], View],
        *,
        query: Mapping[str, str] | None = None,
        metadata_only: bool = True,
        indexes: Mapping[str, Index[View]] | None = None,
    ) -> None:
        self.resource = resource
        self.query = dict(query or {})
        self.metadata_only = metadata_only
        self.failed_audits = 0
        self.listeners: list[Listener[View]] = []
        self.revision = 0
        """Grows with every change, so that what was computed from the objects can be kept meanwhile."""
        self._read = read
        self._entries: dict[Key, _Entry[View]] = {}
        self._touched: set[Key] = set()
        self._indexes = {name: (index, dict[Hashable, dict[Key, None]]()) for name, index in (indexes or {}).items()}

    def __len__(self) -> int:
        return len(self._entries)

    def views(self) -> list[View]:
        """All objects, in the order of their names."""
        return [entry.view for _, entry in sorted(self._entries.items())]

    def find(self, namespace: str, name: str) -> View | None:
        """One object, if it exists."""
        entry = self._entries.get((namespace, name))
        return entry.view if entry else None

    def look_up(self, index: str, value: Hashable) -> list[View]:
        """The objects that an index has under a value."""
        return [self._entries[key].view for key in self._indexes[index][1].get(value, ())]

    def count(self, index: str, value: Hashable) -> int:
        """How many those are."""
        return len(self._indexes[index][1].get(value, ()))

    def values(self, index: str) -> list[Any]:
        """The values under which an index has objects."""
        return list(self._indexes[index][1])

    def observe(self, event_type: str | None, item: Mapping[str, Any]) -> bool:
        """Updates from a watch event or the answer to a write; returns whether anything that matters has changed."""
        metadata = item["metadata"]
        key, uid = (metadata.get("namespace") or "", metadata["name"]), metadata.get("uid") or ""
        known = self._entries.get(key)
        self._touched.add(key)
        if event_type == "DELETED":
            # Events of different objects come in any order: the old one's end may follow the creation of the next.
            if known is None or known.uid != uid:
                return False
            self._put(key, None)
            return True
        version = _read_version(metadata)
        if known and version < known.version:
            return False  # an answer to our own write overtook its watch event, or another object has the name now
        return self._put(key, _Entry(uid, version, self._read(item)))

    def _put(self, key: Key, entry: _Entry[View] | None) -> bool:
        """Every change goes through here; whether it is one that matters."""
        known = self._entries.pop(key, None)
        if entry is not None:
            self._entries[key] = entry
        if known and entry and known.uid == entry.uid and _is_same(known.view, entry.view):
            return False
        self.revision += 1
        old, new = known.view if known else None, entry.view if entry else None
        for index, found in self._indexes.values():
            for value in index(old) if old is not None else ():
                found[value].pop(key, None)
                if not found[value]:
                    del found[value]
            for value in index(new) if new is not None else ():
                found.setdefault(value, {})[key] = None
        for listener in self.listeners:
            listener(key, old, new)
        return True

    async def load(self, api: Api) -> None:
        """Takes over what a full list says."""
        listed = await self._list(api)
        for key in [*self._entries.keys() - listed.keys()]:
            self._put(key, None)
        for key, entry in listed.items():
            self._put(key, entry)
        self.revision += 1

    async def audit(self, api: Api, grace: float = GRACE_SECONDS) -> int:
        """Compares with a full list, corrects what the watch has missed, and returns how many objects that was."""
        self._touched = set()
        listed = await self._list(api)
        differing = {key for key in listed.keys() | self._entries.keys() if self._differs(listed, key)}
        if differing - self._touched:
            await asyncio.sleep(grace)
        missed = differing - self._touched
        for key in missed:
            self._put(key, listed.get(key))
        self.failed_audits = self.failed_audits + 1 if missed else 0
        return len(missed)

    def _differs(self, listed: Mapping[Key, _Entry[View]], key: Key) -> bool:
        known, found = _view(self._entries, key), _view(listed, key)
        return not _is_same(known, found)

    @property
    def is_dead(self) -> bool:
        """Whether the watch brings nothing any more."""
        return self.failed_audits >= DEAD_AFTER_AUDITS

    async def _list(self, api: Api) -> dict[Key, _Entry[View]]:
        entries: dict[Key, _Entry[View]] = {}
        async for item in api.list_pages(self.resource.list_path(), self.query, metadata_only=self.metadata_only):
            metadata = item["metadata"]
            key = (metadata.get("namespace") or "", metadata["name"])
            uid, version = metadata.get("uid") or "", _read_version(metadata)
            known = self._entries.get(key)
            # The same version needs no second reading, which is most of an audit's work.
            unchanged = known and version and (known.uid, known.version) == (uid, version)
            entries[key] = known if known and unchanged else _Entry(uid, version, self._read(item))
        return entries


def _is_same(one: object, other: object) -> bool:
    try:
        return one == other
    except RecursionError:  # it is nested too deeply to tell
        return False


def _view(entries: Mapping[Key, _Entry[View]], key: Key) -> View | None:
    entry = entries.get(key)
    return entry.view if entry else None


def _read_version(metadata: Mapping[str, Any]) -> int:
    # Comparable as integers by Kubernetes' own promise since 1.35 (KEP-5504).
    version = str(metadata.get("resourceVersion") or "")
    return int(version) if version.isdigit() else 0
