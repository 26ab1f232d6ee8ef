"""Tells of interruptions: an event of the pod, a metric, and a notice, each once.

    event of a pod ──► interrupted ──► notice ──► not told yet ──► metric, event, again until it is posted

Found on the pods themselves as they go, for as long as they are there: an operator that has just started finds those
that are still going. Their notices and events have the ids of before.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final

from monopod.api.ecs.names import ECS_TASK_LABEL
from monopod.api.names import PROFILE_LABEL
from monopod.api.reasons import EventType, PodReason
from monopod.kube.clock import SYSTEM_CLOCK, Clock
from monopod.kube.controller import DONE, After, Controller, Result
from monopod.kube.event_recorder import EventRecorder, refer_to_pod
from monopod.kube.logs import ProblemLog
from monopod.kube.metrics import SPOT_INTERRUPTIONS
from monopod.notices.rules.notice import INTERRUPTED, Notice, SpotInterruption
from monopod.spot.caches import Caches
from monopod.spot.rules.interruption import find_interruption
from monopod.spot.rules.schedule import LastDrill

MOST_FOUND: Final = 10_000
EVENT_RETRY_SECONDS: Final = 5.0


class InterruptionReporter:
    """Finds interruptions, and tells of them.

    Args:
        caches: what the operator has seen.
        recorder: posts events.
        send: sends a notice to the webhook; called again with the same notice, it sends it no second time.
        problems: the log of problems.
        clock: tells the time.
    """

    def __init__(
        self,
        caches: Caches,
        recorder: EventRecorder,
        send: Callable[[Notice], None],
        problems: ProblemLog,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._caches = caches
        self._recorder = recorder
        self._send = send
        self._found: OrderedDict[str, SpotInterruption] = OrderedDict()
        """By the pod's uid, told or not."""
        self.controller: Controller[str] = Controller("interruptions", self._reconcile, problems, clock=clock)

    def observe_pod(self, event_type: str | None, pod: Mapping[str, Any]) -> None:
        """Takes notice of an event of a pod of a profile."""
        uid = pod["metadata"]["uid"]
        found = self._found.get(uid) or self._find(uid, pod)
        if found and ECS_TASK_LABEL not in (pod["metadata"].get("labels") or {}):
            # That a task stops, its record tells. Each time, as there may have been no room for the notice before.
            self._send(found)

    def _find(self, uid: str, pod: Mapping[str, Any]) -> SpotInterruption | None:
        node = self._caches.nodes.find("", (pod.get("spec") or {}).get("nodeName") or "")
        taints, conditions = ([key for key, _, _ in node.taints], node.interruptions) if node else ((), ())
        found = find_interruption(pod, taints, conditions, is_chosen=self._is_chosen(pod))
        if found is None:
            return None
        self._found[uid] = found
        if len(self._found) > MOST_FOUND:
            self._found.popitem(last=False)
        SPOT_INTERRUPTIONS.labels(found.cause).inc()
        self.controller.enqueue(uid)
        return found

    def _is_chosen(self, pod: Mapping[str, Any]) -> bool:
        metadata = pod["metadata"]
        profile = self._caches.profiles.find("", (metadata.get("labels") or {}).get(PROFILE_LABEL) or "")
        last = LastDrill.read((profile or {}).get("status") or {})
        return last is not None and last.uid == metadata["uid"]

    async def _reconcile(self, uid: str) -> Result:
        found = self._found.get(uid)
        if found is None:
            return DONE
        about = refer_to_pod(found.pod.namespace, found.pod.name, uid)
        reason = PodReason.SPOT_INTERRUPTION
        is_told = await self._recorder.record_state(about, EventType.WARNING, reason, INTERRUPTED)
        return DONE if is_told else After(EVENT_RETRY_SECONDS)
