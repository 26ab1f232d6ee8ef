"""Writes what namespaces and the ConfigMap of patterns should carry, wherever they differ from it.

A namespace that was right, and should carry what it carried, was changed by someone else: that is reported. A new
process remembers nothing, restores what differs, and reports none of it.

A namespace that can't be written refuses new pods: it gets the label alone, by which admission refuses them. The
write is tried again by itself, and neither the profiles nor any other namespace waits for it.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from http import HTTPStatus

from monopod.api.names import BASE_POLICY, PATTERNS_CONFIGMAP
from monopod.api.reasons import Documented, EventType, IsolationReason, Reason
from monopod.cel.compiled_selectors import SelectorsTooLarge
from monopod.isolation.cel.group_policies import compile_group_policies
from monopod.isolation.default_deny import DefaultDenyPolicies
from monopod.isolation.group_resolver import SecurityGroupResolver
from monopod.kube.client.api import Api, ApiError, ApiUnreachable, ServerTrouble
from monopod.kube.concurrency import gather_some
from monopod.kube.event_recorder import EventRecorder, Recording, refer_to_namespace
from monopod.kube.logs import ProblemLog
from monopod.kube.metrics import WRITES
from monopod.kube.objects.resources import CONFIG_MAPS, NAMESPACES
from monopod.kube.refusals import Failure, Refusals, is_answer
from monopod.profiles.caches import Caches
from monopod.selectors.capacity import CompiledSelector, CompiledSelectors
from monopod.selectors.compile import build_patterns, join_selectors, order_selectors
from monopod.selectors.publication import (
    Content,
    NamespaceChange,
    NamespaceView,
    Publication,
    Publish,
    RefusePods,
    build_namespace_patch,
    build_patterns_patch,
    decide_namespace,
)
from monopod.selectors.reach import Reach

JOINED_AT_ONCE = 200


class Publisher:
    """Remembers namespaces' compiled selectors between reconciles; they depend on the profiles' and the name alone."""

    def __init__(
        self,
        api: Api,
        caches: Caches,
        base: DefaultDenyPolicies,
        membership: SecurityGroupResolver,
        system_namespace: str,
        protected: frozenset[str],
        recorder: EventRecorder,
        problems: ProblemLog,
        refusals: Refusals,
    ) -> None:
        self._api = api
        self._caches = caches
        self._refusals = refusals
        self._base = base
        self._membership = membership
        self._system_namespace = system_namespace
        self._protected = protected
        self._recorder = recorder
        self._problems = problems
        self._rows: tuple[CompiledSelector, ...] = ()
        self._reach = Reach[CompiledSelector]((), protected)
        self._joined: dict[str, str] = {}
        self._right: dict[str, tuple[str, Content]] = {}
        """Namespaces that are as they should be, as far as is known: their uid and content."""
        self._undone: dict[str, NamespaceView] = {}

    async def publish(self, compiled: Mapping[str, CompiledSelectors]) -> Publication:
        """Brings all namespaces and the patterns to these compiled selectors, which are given by profile."""
        ordered = order_selectors(compiled)
        if ordered != self._rows:
            self._rows, self._joined = ordered, {}
            self._reach = Reach(((selector.namespace, selector) for selector in ordered), self._protected)
        texts = await self._join_all()
        # The mark says that a default-deny policy has been seen, so that comes first; and goes after the mark.
        self._base.update([name for name, text in texts.items() if text])
        uncovered = await self._base.ensure()
        unmarked = await self._write_namespaces(self._compute_changes(texts))
        unreleased = await self._base.release()
        written = await self._write_patterns(build_patterns(ordered, self._protected))
        unwritten = self._describe(unreleased, uncovered, unmarked)
        await self._report(unwritten)
        refused = all(map(self._is_refused, unwritten))
        reached = sum(map(bool, texts.values()))
        return Publication(self._get_selectors, reached, unwritten, written and refused, self._get_retry())

    def _get_retry(self) -> float | None:
        delays = (self._refusals.get_delay(), self._base.refusals.get_delay())
        return min((delay for delay in delays if delay is not None), default=None)

    def _describe(
        self, unreleased: Mapping[str, str], uncovered: Mapping[str, str], marks: Mapping[str, str]
    ) -> dict[str, str]:
        """What the troubles with default-deny policies and marks mean, by namespace."""
        found = {
            name: f"its NetworkPolicy {BASE_POLICY}, of which it has no more need, can't be deleted: {answer}"
            for name, answer in unreleased.items()
        }
        for name, answer in uncovered.items():
            found[name] = f"its NetworkPolicy {BASE_POLICY} can't be written, so its new pods wait: {answer}"
        for name, answer in marks.items():
            view = self._caches.namespaces.find("", name)
            refuses = view is not None and view.refuses_pods
            what = "so its new pods are refused" if refuses else "so what it carried before holds"
            found[name] = f"it can't be written, {what}: {answer}"
        return found

    def _is_refused(self, namespace: str) -> bool:
        return namespace in self._refusals or namespace in self._base.refusals

    async def _report(self, unwritten: Mapping[str, str]) -> None:
        """An event about each namespace that is refused."""
        for name, trouble in unwritten.items():
            view = self._caches.namespaces.find("", name)
            if view and self._is_refused(name):
                message = f"{trouble}; nothing is moved here meanwhile"
                await self._record(view, Reason.PUBLISH_FAILED, message, self._recorder.record_state)

    async def _join_all(self) -> dict[str, str]:
        """Each namespace's compiled selectors."""
        texts: dict[str, str] = {}
        for number, view in enumerate(self._caches.namespaces.views()):
            if number % JOINED_AT_ONCE == 0:
                await asyncio.sleep(0)  # thousands of namespaces must not keep the Lease from being renewed
            if not view.terminating:
                texts[view.name] = self._get_selectors(view.name)
        return texts

    def _compute_changes(self, texts: Mapping[str, str]) -> list[NamespaceChange]:
        views = ((text, self._caches.namespaces.find("", name)) for name, text in texts.items())
        contents = [(view, self._build_content(view.name, text)) for text, view in views if view]
        changes = {view.name: change for view, content in contents if (change := decide_namespace(view, content))}
        self._undone = {
            view.name: view
            for view, content in contents
            if view.name in changes and self._right.get(view.name) == (view.uid, content)
        }
        self._right = {view.name: (view.uid, content) for view, content in contents}
        return list(changes.values())

    def _build_content(self, namespace: str, compiled: str) -> Content:
        """What the namespace should carry besides these compiled selectors."""
        is_isolated = bool(compiled) and self._base.is_seen(namespace)
        policies = self._membership.get_policies(namespace) if is_isolated else ()
        if not policies:
            return Content(compiled, is_isolated)
        subject = f"SecurityGroupPolicies of namespace {namespace}"
        try:
            group_policies = compile_group_policies(policies, self._membership.get_accounts(namespace))
        except SelectorsTooLarge as error:
            # Without the mark its new pods wait until their groups are worked out here.
            self._problems.report(subject, str(error))
            return Content(compiled)
        self._problems.clear(subject)
        return Content(compiled, is_isolated, group_policies)

    def _get_selectors(self, namespace: str) -> str:
        if namespace not in self._joined:
            self._joined[namespace] = join_selectors(self._reach.find(namespace))
        return self._joined[namespace]

    async def _write_namespaces(self, changes: Sequence[NamespaceChange]) -> dict[str, str]:
        self._refusals.retain([change.namespace for change in changes])
        troubles = await gather_some(map(self._write_namespace, changes))
        return {change.namespace: trouble for change, trouble in zip(changes, troubles, strict=True) if trouble}

    async def _write_namespace(self, change: NamespaceChange) -> str:
        """Makes a change, if it wasn't refused a moment ago; what is wrong, or ""."""
        name = change.namespace
        uid, _ = self._right[name]
        subject = f"namespace {name}"
        if self._refusals.is_due(name, change):
            failure = await self._attempt("namespaces", subject, self._patch_namespace(change, uid))
            if failure is None:
                self._refusals.drop(name)
                if name in self._undone:
                    view, reason = self._undone[name], IsolationReason.MARKS_RESTORED
                    await self._record(view, reason, _UNDONE, self._recorder.record_occurrence)
                return ""
            if not is_answer(failure):
                del self._right[name]
                return str(failure)
            self._refusals.add(name, change, str(failure))
            if isinstance(change, Publish) and _is_final(failure):
                await self._refuse_pods(name, uid)
        del self._right[name]
        return self._refusals.get_answer(name)

    async def _refuse_pods(self, name: str, uid: str) -> None:
        """Leaves the label alone on a namespace. Not on Monopod's own: the operator has to be able to start."""
        view = self._caches.namespaces.find("", name)
        if view is None or view.refuses_pods or name == self._system_namespace:
            return
        patch = self._patch_namespace(RefusePods(name), uid)
        await self._attempt("namespaces", f"label of namespace {name}", patch)

    async def _patch_namespace(self, change: NamespaceChange, uid: str) -> None:
        try:
            written = await self._api.merge(NAMESPACES.path(change.namespace), build_namespace_patch(change, uid))
        except ApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return  # deleted meanwhile
            raise
        self._caches.namespaces.observe("MODIFIED", written)

    async def _record(self, view: NamespaceView, reason: Documented, message: str, record: Recording) -> None:
        about = refer_to_namespace(view.name, view.uid)
        try:
            await record(about, EventType.WARNING, reason, message)
        except ApiUnreachable as error:
            self._problems.report(f"event about namespace {view.name}", str(error))

    async def _write_patterns(self, wanted: dict[str, str]) -> bool:
        current = self._caches.patterns.find(self._system_namespace, PATTERNS_CONFIGMAP)
        patch = build_patterns_patch(current, wanted)
        if patch is None:
            return True
        subject = f"ConfigMap {PATTERNS_CONFIGMAP}"
        return await self._attempt("configmaps", subject, self._patch_patterns(patch)) is None

    async def _patch_patterns(self, patch: dict[str, object]) -> None:
        path = CONFIG_MAPS.path(PATTERNS_CONFIGMAP, self._system_namespace)
        try:
            written = await self._api.merge(path, patch)
        except ApiError as error:
            if error.status != 404:
                raise
            # By apply: RBAC can allow a creation under one name only if the request has the name in its path.
            whole = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": PATTERNS_CONFIGMAP}, **patch}
            written = await self._api.apply(path, whole)
        self._caches.patterns.observe("MODIFIED", written)

    async def _attempt(self, resource: str, subject: str, write: Awaitable[None]) -> Failure | None:
        """Makes a write; what went wrong, if anything did."""
        try:
            await write
        except (ApiError, ApiUnreachable) as error:
            WRITES.labels(resource, "failed").inc()
            self._problems.report(subject, str(error))
            return error
        WRITES.labels(resource, "ok").inc()
        self._problems.clear(subject)
        return None


_UNDONE = "Someone changed what Monopod writes on the namespace; it has been restored"


def _is_final(failure: Failure) -> bool:
    """Whether the same write would be refused again, so that the namespace has to refuse new pods.

    A conflict is about another namespace of that name. A server that is overloaded will take the write later, but what
    is too large for etcd it answers with an error of its own.
    """
    if isinstance(failure, ServerTrouble):
        return "too large" in failure.message
    return isinstance(failure, ApiError) and failure.status != HTTPStatus.CONFLICT
