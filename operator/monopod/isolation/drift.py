"""Reports what the operator has restored after someone else changed or deleted a NetworkPolicy of Monopod's."""

from collections.abc import Hashable
from typing import Generic, TypeVar

from monopod.api.reasons import EventType, IsolationReason
from monopod.isolation.caches import Caches
from monopod.isolation.rules.changes import PolicyView
from monopod.kube.client.api import ApiUnreachable
from monopod.kube.event_recorder import EventRecorder, Reference, refer_to_namespace, refer_to_pod
from monopod.kube.logs import ProblemLog
from monopod.kube.metrics import ISOLATION_POLICIES

Key = TypeVar("Key", bound=Hashable)


class DriftReporter(Generic[Key]):
    """What is to be reported once the work on a key is done; after a failure it stays."""

    def __init__(self, caches: Caches, recorder: EventRecorder, problems: ProblemLog) -> None:
        self._caches = caches
        self._recorder = recorder
        self._problems = problems
        self._expected: dict[Key, tuple[PolicyView, bool]] = {}

    def expect(self, key: Key, policy: PolicyView, *, deleted: bool) -> None:
        """Someone changed or deleted the policy; reconciling the key will restore it."""
        self._expected[key] = (policy, deleted)

    def is_deletion(self, key: Key) -> bool:
        """Whether the policy that the key is worked on for was deleted, not changed."""
        return key in self._expected and self._expected[key][1]

    def drop(self, key: Key) -> None:
        """Nothing had to be restored."""
        self._expected.pop(key, None)

    async def report(self, key: Key) -> None:
        """The work on the key is done."""
        if key not in self._expected:
            return
        policy, deleted = self._expected.pop(key)
        ISOLATION_POLICIES.labels("restored").inc()
        about = self._compute_subject(policy)
        if about is None:
            return
        done = "deleted" if deleted else "changed"
        message = f"NetworkPolicy {policy.name} was {done} by someone; Monopod has restored it"
        try:
            await self._recorder.record_occurrence(about, EventType.WARNING, IsolationReason.POLICY_RESTORED, message)
        except ApiUnreachable as error:
            self._problems.report(f"event about {about['kind']} {about['name']}", str(error))

    def _compute_subject(self, policy: PolicyView) -> Reference | None:
        """The pod that the policy belongs to, else its namespace, as an object reference."""
        if pods := self._caches.pods.look_up("uid", policy.owner):
            pod = pods[0]
            return refer_to_pod(pod.namespace, pod.name, pod.uid)
        namespace = self._caches.namespaces.find("", policy.namespace)
        if namespace is None or namespace.terminating:
            return None
        return refer_to_namespace(namespace.name, namespace.uid)
