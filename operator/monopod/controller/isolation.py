"""Keeps pods isolated: what the reconciler's passes would be too slow for, and what would be too much for them.

    event ──mirror──► key in the queue ──worker──► compare what should be with what is ──► write the difference

Everything is level-based: a key names a place, and the work on it looks at the whole of that place. The work runs in
tasks of its own, so that a burst of pods never holds up the profiles, nor the other way round. A namespace goes before
all pods, because its base policy is what closes them.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from monopod.api.reasons import EventType, IsolationReason
from monopod.cluster.client import ApiClient, ApiError, ApiUnreachable
from monopod.cluster.events import post_event
from monopod.cluster.mirror import Key, Mirror
from monopod.controller.base import BaseKeeper
from monopod.controller.gates import GateKeeper, Manifest
from monopod.controller.logs import Complaints
from monopod.controller.metrics import ISOLATION_POLICIES
from monopod.controller.policies import PolicyWriter
from monopod.controller.queueing import WorkQueue
from monopod.domain.policies import PolicyView

WORKERS = 16


@dataclass(frozen=True, slots=True)
class NamespaceKey:
    """A namespace, for its base policy."""

    namespace: str

    def __str__(self) -> str:
        return f"namespace {self.namespace}"


class Isolator:
    """Listens to the mirror, and works off what follows from it."""

    def __init__(self, api: ApiClient, mirror: Mirror, complaints: Complaints) -> None:
        self._api = api
        self._mirror = mirror
        self._complaints = complaints
        self._mark: Callable[[], None] = lambda: None
        self._writer = PolicyWriter(api, mirror, self._see_tampering)
        self._tampered: dict[NamespaceKey, PolicyView] = {}
        self._queue: WorkQueue[NamespaceKey] = WorkQueue(self._work, complaints)
        self.base = BaseKeeper(mirror, self._writer, complaints)
        self.gates = GateKeeper(api, mirror, self._may_leave_gate, complaints)
        mirror.network_policies.listeners.append(self._see_policy)

    def on_change(self, mark: Callable[[], None]) -> None:
        """Who is told when namespaces may have to be marked anew."""
        self._mark = mark

    async def run(self) -> None:
        """Works until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._queue.run(WORKERS), name="isolation")
            group.create_task(self.gates.run(), name="gates")

    def _see_policy(self, _: Key, old: PolicyView | None, new: PolicyView | None) -> None:
        for view in (old, new):
            if view and view.kind == "base":
                self._queue.add(NamespaceKey(view.namespace), urgent=True)
        if new and new.kind == "base":
            # Where there is none, a pass writes the first; then namespaces can be marked, and pods may go.
            self._mark()
            self.gates.wake()

    def _see_tampering(self, policy: PolicyView) -> None:
        if policy.kind == "base":
            key = NamespaceKey(policy.namespace)
            self._tampered[key] = policy
            self._queue.add(key, urgent=True)

    async def _work(self, key: NamespaceKey) -> None:
        await self.base.keep(key.namespace)
        if policy := self._tampered.pop(key, None):
            await self._report_restored(policy)

    async def _report_restored(self, policy: PolicyView) -> None:
        ISOLATION_POLICIES.labels("restored").inc()
        namespace = self._mirror.namespaces.find("", policy.namespace)
        if namespace is None or namespace.terminating:
            return
        about = {"apiVersion": "v1", "kind": "Namespace", "name": policy.namespace, "uid": namespace.uid}
        message = f"NetworkPolicy {policy.name} was changed or deleted; it is as it was again"
        try:
            await post_event(self._api, about, EventType.WARNING, IsolationReason.POLICY_RESTORED, message, count=True)
        except (ApiError, ApiUnreachable) as error:
            self._complaints.raise_about(f"event about namespace {policy.namespace}", str(error))

    async def _may_leave_gate(self, pod: Manifest) -> bool:
        return self.base.is_seen(pod["metadata"]["namespace"])
