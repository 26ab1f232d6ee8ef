"""Writes what namespaces and the ConfigMap of patterns should carry, wherever they differ from it.

A namespace that was right, and should carry what it carried, was changed by someone else: that is reported. A new
process remembers nothing, puts right what differs, and reports none of it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from monopod.admission.group_rows import compile_group_rows
from monopod.admission.rows import RowsTooLarge, build_patterns, join_rows, order_rows
from monopod.api.names import PATTERNS_CONFIGMAP
from monopod.api.reasons import EventType, IsolationReason
from monopod.cluster.client import ApiClient, ApiError, ApiUnreachable
from monopod.cluster.events import post_event
from monopod.cluster.mirror import Mirror
from monopod.controller.base import BaseKeeper
from monopod.controller.concurrency import gather_some
from monopod.controller.logs import Complaints
from monopod.controller.membership import Membership
from monopod.controller.metrics import WRITES
from monopod.domain.publication import (
    Content,
    NamespaceChange,
    NamespaceView,
    build_namespace_patch,
    build_patterns_patch,
    decide_namespace,
)
from monopod.domain.reach import Reach
from monopod.domain.room import Row, Rows

JOINED_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Publication:
    """What came of it, by namespace."""

    find_rows: Callable[[str], str]
    """The rows that a namespace of this name should carry ("": none)."""
    reached: int = 0
    """How many namespaces the profiles reach."""
    unwritten: Mapping[str, str] = field(default_factory=dict)
    """Namespaces that couldn't be written, with the reason."""
    complete: bool = True
    """Whether everything is as it should be, the patterns included."""


class Publisher:
    """Remembers namespaces' rows between passes; they depend on those of the profiles and the name alone."""

    def __init__(
        self,
        api: ApiClient,
        mirror: Mirror,
        base: BaseKeeper,
        membership: Membership,
        system_namespace: str,
        protected: frozenset[str],
        complaints: Complaints,
    ) -> None:
        self._api = api
        self._mirror = mirror
        self._base = base
        self._membership = membership
        self._system_namespace = system_namespace
        self._protected = protected
        self._complaints = complaints
        self._rows: tuple[Row, ...] = ()
        self._reach = Reach[Row]((), protected)
        self._joined: dict[str, str] = {}
        self._right: dict[str, tuple[str, Content]] = {}
        """Namespaces that are as they should be, as far as is known: their uid and content."""
        self._undone: dict[str, NamespaceView] = {}

    async def publish(self, rows: Mapping[str, Rows]) -> Publication:
        """Brings all namespaces and the patterns to these rows, which are given by profile."""
        ordered = order_rows(rows)
        if ordered != self._rows:
            self._rows, self._joined = ordered, {}
            self._reach = Reach(((row.namespace, row) for row in ordered), self._protected)
        texts = await self._join_all()
        # The mark says that a base policy has been seen, so that comes first; and goes after the mark.
        self._base.require([name for name, text in texts.items() if text])
        unwritten = await self._base.secure()
        unwritten |= await self._write_namespaces(self._find_changes(texts))
        unwritten |= await self._base.release()
        written = await self._write_patterns(build_patterns(ordered, self._protected))
        reached = sum(map(bool, texts.values()))
        return Publication(self._find_rows, reached, unwritten, written and not unwritten)

    async def _join_all(self) -> dict[str, str]:
        """Each namespace's rows."""
        texts: dict[str, str] = {}
        for number, view in enumerate(self._mirror.namespaces.views()):
            if number % JOINED_AT_ONCE == 0:
                await asyncio.sleep(0)  # thousands of namespaces must not keep the Lease from being renewed
            if not view.terminating:
                texts[view.name] = self._find_rows(view.name)
        return texts

    def _find_changes(self, texts: Mapping[str, str]) -> list[NamespaceChange]:
        views = ((text, self._mirror.namespaces.find("", name)) for name, text in texts.items())
        contents = [(view, self._build_content(view.name, text)) for text, view in views if view]
        changes = {view.name: change for view, content in contents if (change := decide_namespace(view, content))}
        self._undone = {
            view.name: view
            for view, content in contents
            if view.name in changes and self._right.get(view.name) == (view.uid, content)
        }
        self._right = {view.name: (view.uid, content) for view, content in contents}
        return list(changes.values())

    def _build_content(self, namespace: str, rows: str) -> Content:
        """What the namespace should carry beside these rows."""
        is_isolated = bool(rows) and self._base.is_seen(namespace)
        policies = self._membership.find_policies(namespace) if is_isolated else ()
        if not policies:
            return Content(rows, is_isolated)
        subject = f"SecurityGroupPolicies of namespace {namespace}"
        try:
            group_rows = compile_group_rows(policies, self._membership.find_accounts(namespace))
        except RowsTooLarge as error:
            # Without the mark its new pods wait until their groups are worked out here.
            self._complaints.raise_about(subject, str(error))
            return Content(rows)
        self._complaints.settle(subject)
        return Content(rows, is_isolated, group_rows)

    def _find_rows(self, namespace: str) -> str:
        if namespace not in self._joined:
            self._joined[namespace] = join_rows(self._reach.find(namespace))
        return self._joined[namespace]

    async def _write_namespaces(self, changes: Sequence[NamespaceChange]) -> dict[str, str]:
        async def write(change: NamespaceChange) -> str:
            subject = f"namespace {change.namespace}"
            trouble = await self._attempt("namespaces", subject, self._patch_namespace(change))
            if trouble:
                del self._right[change.namespace]
            elif change.namespace in self._undone:
                await self._report_undone(self._undone[change.namespace])
            return trouble

        troubles = await gather_some(map(write, changes))
        return {change.namespace: trouble for change, trouble in zip(changes, troubles, strict=True) if trouble}

    async def _patch_namespace(self, change: NamespaceChange) -> None:
        try:
            patch = build_namespace_patch(change, self._right[change.namespace][0])
            written = await self._api.merge(f"/api/v1/namespaces/{change.namespace}", patch)
        except ApiError as error:
            if error.status == 404:
                return  # deleted meanwhile
            raise
        self._mirror.namespaces.observe("MODIFIED", written)

    async def _report_undone(self, view: NamespaceView) -> None:
        about = {"apiVersion": "v1", "kind": "Namespace", "name": view.name, "uid": view.uid}
        message = "Someone changed what Monopod writes on the namespace; it has put it right"
        try:
            await post_event(self._api, about, EventType.WARNING, IsolationReason.MARKS_RESTORED, message, count=True)
        except (ApiError, ApiUnreachable) as error:
            self._complaints.raise_about(f"event about namespace {view.name}", str(error))

    async def _write_patterns(self, wanted: dict[str, str]) -> bool:
        current = self._mirror.patterns.find(self._system_namespace, PATTERNS_CONFIGMAP)
        patch = build_patterns_patch(current, wanted)
        if patch is None:
            return True
        return not await self._attempt("configmaps", f"ConfigMap {PATTERNS_CONFIGMAP}", self._patch_patterns(patch))

    async def _patch_patterns(self, patch: dict[str, object]) -> None:
        path = f"/api/v1/namespaces/{self._system_namespace}/configmaps/{PATTERNS_CONFIGMAP}"
        try:
            written = await self._api.merge(path, patch)
        except ApiError as error:
            if error.status != 404:
                raise
            # By apply: RBAC can allow a creation under one name only if the request has the name in its path.
            whole = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": PATTERNS_CONFIGMAP}, **patch}
            written = await self._api.apply(path, whole)
        self._mirror.patterns.observe("MODIFIED", written)

    async def _attempt(self, resource: str, subject: str, write: Awaitable[None]) -> str:
        """Makes a write; what went wrong, or ""."""
        try:
            await write
        except (ApiError, ApiUnreachable) as error:
            WRITES.labels(resource, "failed").inc()
            self._complaints.raise_about(subject, str(error))
            return str(error)
        WRITES.labels(resource, "ok").inc()
        self._complaints.settle(subject)
        return ""
