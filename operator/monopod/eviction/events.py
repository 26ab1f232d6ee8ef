"""Events of evicted pods: why each had to go, once the API server has let it."""

from collections import deque
from collections.abc import Callable
from typing import Final

from monopod.api.reasons import EventType, MoveReason
from monopod.eviction.rules.order import Candidate
from monopod.kube.event_recorder import EventRecorder, refer_to_pod

MOST_UNTOLD: Final = 1000
"""Evictions whose events can't be posted for now; of more than these nothing is said."""


class EvictionEvents:
    """Remembers evictions until their events are posted.

    Args:
        recorder: posts events.
        reason: the events' reason.
        describe: their message, by the name of the pod's profile.
    """

    def __init__(self, recorder: EventRecorder, reason: MoveReason, describe: Callable[[str], str]) -> None:
        self._recorder = recorder
        self._reason = reason
        self._describe = describe
        self._untold: deque[tuple[Candidate, str]] = deque()

    def note_eviction(self, pod: Candidate, profile: str) -> None:
        """A pod of the profile was evicted."""
        if len(self._untold) < MOST_UNTOLD:
            self._untold.append((pod, profile))

    async def record(self) -> None:
        """Posts them. What can't be said yet waits for the next time, and keeps nothing else waiting.

        Raises:
            ApiUnreachable: no answer.
        """
        for _ in range(len(self._untold)):
            pod, profile = self._untold[0]
            about = refer_to_pod(pod.namespace, pod.name, pod.uid)
            message = self._describe(profile)
            is_recorded = await self._recorder.record_state(about, EventType.NORMAL, self._reason, message)
            self._untold.popleft()
            if not is_recorded:
                self._untold.append((pod, profile))
