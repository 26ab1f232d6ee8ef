"""Finds pods that have a node and no identity, so that no policy of their own can select them: they stay closed.

A pod gets its identity as it is bound (`monopod.admission.bindings`). It has none if it was bound before Monopod had
security groups, or by a scheduler whose Binding doesn't say the pod's uid. It can't be given one later, because nobody
may write it; somebody has to create the pod again, and is told so.
"""

import asyncio
from collections import Counter
from collections.abc import Callable

import structlog

from monopod.api.names import PROFILE_LABEL, TASK_LABEL
from monopod.api.reasons import IsolationReason
from monopod.cluster.client import ApiClient, ApiError, ApiUnreachable
from monopod.cluster.mirror import Mirror
from monopod.cluster.views import PodView, read_pod
from monopod.controller.announcing import Announcements
from monopod.controller.logs import Complaints
from monopod.controller.settings import Settings

POLL_SECONDS = 30.0
LOST_PODS = {
    "labelSelector": f"{PROFILE_LABEL},!{TASK_LABEL}",
    "fieldSelector": "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed",
}
ADVICE = (
    f"The pod has a node but no identity (label {TASK_LABEL}), so no NetworkPolicy of its own can select it, and it "
    "stays closed. It was bound before Monopod had security groups, or by a scheduler whose Binding doesn't say the "
    "pod's uid. Create it again."
)

logger = structlog.stdlib.get_logger(__name__)


class Identities:
    """Looks from time to time, as long as there is any pod without an identity.

    `shares_policy` says, of a namespace, a profile and groups, whether pods need none, because they share a policy.
    """

    def __init__(
        self,
        api: ApiClient,
        mirror: Mirror,
        settings: Settings,
        shares_policy: Callable[[str, str, tuple[str, ...]], bool],
        complaints: Complaints,
    ) -> None:
        self._api = api
        self._mirror = mirror
        self._seconds = min(POLL_SECONDS, settings.resync_seconds)
        self._shares_policy = shares_policy
        self._complaints = complaints
        self._announcements = Announcements(api, complaints)
        self._found: dict[str, PodView] = {}
        self.on_change: Callable[[], None] = lambda: None

    def count(self) -> Counter[str]:
        """The pods that are closed for want of an identity, by profile."""
        return Counter(pod.profile for pod in self._found.values() if self._mirror.pods.count("uid", pod.uid))

    async def run(self) -> None:
        """Looks until cancelled."""
        while True:
            try:
                await self._look()
            except (ApiError, ApiUnreachable) as error:
                self._complaints.raise_about("pods without an identity", str(error))
            except Exception:
                logger.exception("pass over pods without an identity failed")
            else:
                self._complaints.settle("pods without an identity")
            await asyncio.sleep(self._seconds)

    async def _look(self) -> None:
        found: dict[str, PodView] = {}
        if self._mirror.pods.count("bound", False):
            async for item in self._api.list_pages("/api/v1/pods", LOST_PODS, metadata_only=True):
                pod = read_pod(item)
                if not pod.terminating and not self._shares_policy(pod.namespace, pod.profile, pod.groups):
                    found[pod.uid] = pod
        if found.keys() != self._found.keys():
            self._found = found
            self.on_change()
        self._announcements.retain(found.keys())
        for pod in found.values():
            reason = IsolationReason.IDENTITY_MISSING
            await self._announcements.say(pod.namespace, pod.name, pod.uid, reason, ADVICE)
