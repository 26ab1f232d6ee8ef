"""Writes what namespaces and the ConfigMap of patterns should carry, wherever they differ from it."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from monopod.admission.group_rows import compile_group_rows
from monopod.admission.rows import RowsTooLarge, compile_namespace_patterns, compile_rows
from monopod.api.names import PATTERNS_CONFIGMAP
from monopod.cluster.client import ApiClient, ApiError, ApiUnreachable
from monopod.cluster.mirror import Mirror
from monopod.controller.base import BaseKeeper
from monopod.controller.logs import Complaints
from monopod.controller.membership import Membership
from monopod.controller.metrics import WRITES
from monopod.domain.publication import (
    Content,
    NamespaceChange,
    build_namespace_patch,
    build_patterns_patch,
    decide_namespace,
)
from monopod.domain.selection import Profile

WRITES_AT_ONCE = 8
COMPILED_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Publication:
    """What came of it, by namespace."""

    compile_rows: Callable[[str], str]
    """The rows that a namespace of this name should carry ("": none). Raises RowsTooLarge."""
    reached: int = 0
    """How many namespaces the profiles reach."""
    too_large: Mapping[str, str] = field(default_factory=dict)
    """Namespaces whose profiles are too many together, with the bound that they exceed; they keep what they have."""
    patterns_too_large: str = ""
    """The bound that all profiles together exceed, as patterns for new namespaces."""
    unwritten: Mapping[str, str] = field(default_factory=dict)
    """Namespaces that couldn't be written, with the reason."""
    complete: bool = True
    """Whether everything is as it should be, the patterns included."""

    def find_rows(self, namespace: str) -> str:
        """The rows that a namespace of this name should carry; "" if there are none, or too many."""
        try:
            return self.compile_rows(namespace)
        except RowsTooLarge:
            return ""


class Publisher:
    """Remembers compiled rows between passes; they depend on the profiles and the namespace's name alone."""

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
        self._compiled_for: tuple[Profile, ...] = ()
        self._compiled: dict[str, str] = {}

    async def publish(self, profiles: Sequence[Profile]) -> Publication:
        """Brings all namespaces and the patterns to what these profiles make of them."""
        compile_for = functools.partial(self._compile, tuple(profiles))
        rows, too_large = await self._compile_all(compile_for)
        reached = sum(map(bool, rows.values()))
        for name in too_large:  # they keep what they have
            view = self._mirror.namespaces.find("", name)
            rows[name] = (view.rows if view else None) or ""
        # The mark says that a base policy has been seen, so that comes first; and goes after the mark.
        self._base.require([name for name, lines in rows.items() if lines])
        unwritten = await self._base.secure()
        unwritten |= await self._write_namespaces(self._find_changes(rows))
        unwritten |= await self._base.release()
        patterns_too_large, written = await self._publish_patterns(tuple(profiles))
        return Publication(compile_for, reached, too_large, patterns_too_large, unwritten, written and not unwritten)

    async def _compile_all(self, compile_for: Callable[[str], str]) -> tuple[dict[str, str], dict[str, str]]:
        """Each namespace's rows, and where they are too many, with the bound that they exceed."""
        rows: dict[str, str] = {}
        too_large: dict[str, str] = {}
        for number, view in enumerate(self._mirror.namespaces.views()):
            if number % COMPILED_AT_ONCE == 0:
                await asyncio.sleep(0)  # thousands of namespaces must not keep the Lease from being renewed
            if view.terminating:
                continue
            try:
                rows[view.name] = compile_for(view.name)
            except RowsTooLarge as error:
                too_large[view.name] = str(error)
        return rows, too_large

    def _find_changes(self, rows: Mapping[str, str]) -> list[NamespaceChange]:
        views = ((lines, self._mirror.namespaces.find("", name)) for name, lines in rows.items())
        contents = ((view, self._build_content(view.name, lines)) for lines, view in views if view)
        return [change for view, content in contents if (change := decide_namespace(view, content))]

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

    def _compile(self, profiles: tuple[Profile, ...], namespace: str) -> str:
        """The namespace's rows.

        Raises:
            RowsTooLarge: they are too many.
        """
        if profiles != self._compiled_for:
            self._compiled_for, self._compiled = profiles, {}
        if namespace not in self._compiled:
            self._compiled[namespace] = compile_rows(namespace, profiles, self._protected)
        return self._compiled[namespace]

    async def _write_namespaces(self, changes: Sequence[NamespaceChange]) -> dict[str, str]:
        slots = asyncio.Semaphore(WRITES_AT_ONCE)

        async def write(change: NamespaceChange) -> str:
            async with slots:
                return await self._attempt("namespaces", f"namespace {change.namespace}", self._patch_namespace(change))

        troubles = await asyncio.gather(*(write(change) for change in changes))
        return {change.namespace: trouble for change, trouble in zip(changes, troubles, strict=True) if trouble}

    async def _patch_namespace(self, change: NamespaceChange) -> None:
        try:
            written = await self._api.merge(f"/api/v1/namespaces/{change.namespace}", build_namespace_patch(change))
        except ApiError as error:
            if error.status == 404:
                return  # deleted meanwhile
            raise
        self._mirror.namespaces.observe("MODIFIED", written)

    async def _publish_patterns(self, profiles: tuple[Profile, ...]) -> tuple[str, bool]:
        """Which bound the patterns exceed, if any, and whether they are written."""
        try:
            wanted = compile_namespace_patterns(profiles, self._protected)
        except RowsTooLarge as error:
            return str(error), True
        return "", await self._write_patterns(wanted)

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
