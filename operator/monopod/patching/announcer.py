"""Tells of scheduled terminations, once, and of pods that were evicted: events, and notices to the webhook.

A termination is announced once it is on record in the profile's status; that it was is recorded there, too. An operator
that is killed in between posts the same event again, which is none: its name follows from its words.
"""

from collections.abc import Callable, Iterable, Mapping

from monopod.api.reasons import EventType, MoveReason
from monopod.eviction.events import EvictionEvents
from monopod.eviction.rules.order import Candidate
from monopod.kube.event_recorder import EventRecorder, refer_to_pod
from monopod.kube.metrics import SCHEDULED_TERMINATIONS
from monopod.notices.rules.notice import Notice, NoticedPod, ScheduledTermination
from monopod.patching.rules.report import compute_announcement
from monopod.patching.rules.settings import PatchingSettings, Termination


class Announcer:
    """Remembers what it told, until it is on record.

    Args:
        recorder: posts events.
        send: sends a notice to the webhook; called again with the same notice, it sends it no second time.
        cluster: what notices call the cluster.
    """

    def __init__(self, recorder: EventRecorder, send: Callable[[Notice], None], cluster: str) -> None:
        self._recorder = recorder
        self._send = send
        self._cluster = cluster
        self._announced: dict[str, set[str]] = {}
        self._evictions = EvictionEvents(recorder, MoveReason.PATCHED, _describe_eviction)

    def get_announced(self, profile: str) -> frozenset[str]:
        """The uids of the profile's pods whose terminations have been announced."""
        return frozenset(self._announced.get(profile, ()))

    def note_eviction(self, pod: Candidate, profile: str) -> None:
        """A pod of the profile was evicted."""
        self._evictions.note_eviction(pod, profile)

    def retain(self, profiles: Mapping[str, PatchingSettings]) -> None:
        """Forgets profiles and pods that are gone."""
        self._announced = {
            name: told & settings.memory.terminations.keys()
            for name, settings in profiles.items()
            if (told := self._announced.get(name))
        }

    async def announce(self, profiles: Iterable[PatchingSettings]) -> bool:
        """Posts what there is to post; whether anything was.

        Raises:
            ApiUnreachable: no answer.
        """
        posted = False
        for settings in profiles:
            told = self._announced.setdefault(settings.profile, set())
            for each in settings.memory.terminations.values():
                # Again as long as it is on record: a webhook knows what it has sent, but not what one before it had.
                self._send(_build_notice(settings.profile, each))
                if each.announced or each.uid in told:
                    continue
                about = refer_to_pod(each.namespace, each.name, each.uid)
                text = compute_announcement(each, settings, self._cluster)
                reason = MoveReason.SCHEDULED_TERMINATION
                if await self._recorder.record_state(about, EventType.WARNING, reason, text):
                    told.add(each.uid)
                    posted = True
                    SCHEDULED_TERMINATIONS.inc()
        await self._evictions.record()
        return posted


def _describe_eviction(profile: str) -> str:
    return f"evicted so that its replacement runs in a sandbox of profile {profile} that is up to date"


def _build_notice(profile: str, each: Termination) -> ScheduledTermination:
    pod = NoticedPod(each.namespace, each.name, each.uid, profile)
    return ScheduledTermination(pod, each.message, each.refused_at, each.at)
