"""Events about pods that wait or stay closed, each written once for a pod and a message."""

from collections.abc import Collection

from monopod.api.reasons import Documented, EventType
from monopod.kube.client import ApiClient, ApiError
from monopod.kube.events import post_event
from monopod.kube.logs import ProblemLog


class Announcements:
    """Remembers what it said last of which pod. A new process says it again; an event that exists is left alone."""

    def __init__(self, api: ApiClient, problems: ProblemLog) -> None:
        self._api = api
        self._problems = problems
        self._said: dict[str, str] = {}

    async def say(self, namespace: str, name: str, uid: str, reason: Documented, text: str) -> None:
        """Writes the event, unless it is what was said last of this pod.

        Raises:
            ApiUnreachable: no answer.
        """
        if self.has_said(uid, text):
            return
        about = {"apiVersion": "v1", "kind": "Pod", "namespace": namespace, "name": name, "uid": uid}
        try:
            await post_event(self._api, about, EventType.WARNING, reason, text, count=False)
        except ApiError as error:
            # Refused for good: the namespace is being deleted, or its quota of events is full.
            self._problems.report(f"event about pod {namespace}/{name}", str(error))
        self._said[uid] = text

    def has_said(self, uid: str, text: str) -> bool:
        """Whether this is what was said last of the pod."""
        return self._said.get(uid) == text

    def forget(self, uid: str) -> None:
        """Forgets a pod that is gone."""
        self._said.pop(uid, None)

    def retain(self, uids: Collection[str]) -> None:
        """Forgets all other pods."""
        self._said = {uid: text for uid, text in self._said.items() if uid in uids}
