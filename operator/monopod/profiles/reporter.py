"""Tells users: statuses of profiles, events about profiles, and events about pods that Fargate can't run."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from monopod.api.names import API_VERSION
from monopod.api.reasons import EventType, PodReason, Reason
from monopod.kube.client.api import Api, ApiError, ApiUnreachable
from monopod.kube.event_recorder import EventRecorder, refer_to_pod
from monopod.kube.logs import ProblemLog
from monopod.kube.statuses import StatusWriter
from monopod.pods.view import PodView
from monopod.profiles.caches import Caches


@dataclass(frozen=True, slots=True)
class _Posted:
    """The events of a change of a status, each by the profile's uid, reason and message, and the status before it."""

    before: Mapping[str, Any] | None
    events: set[tuple[str, str, str]] = field(default_factory=set)


class Reporter:
    """Remembers what it wrote, so that a status that the API server changes isn't written again and again."""

    def __init__(self, api: Api, caches: Caches, recorder: EventRecorder, problems: ProblemLog) -> None:
        self._api = api
        self._recorder = recorder
        self._problems = problems
        self._statuses = StatusWriter(api, caches.profiles, "profile", problems)
        self._posted: dict[str, _Posted] = {}
        """Of profiles whose status couldn't be written after its events; they aren't repeated with it."""

    async def report_status(self, resource: Mapping[str, Any], status: dict[str, Any]) -> bool:
        """Writes the profile's status if it differs, after the event that it may call for; False if that failed."""
        name, current = resource["metadata"]["name"], resource.get("status")
        if not self._statuses.differs(name, current, status):
            return True
        if name in self._posted and self._posted[name].before != current:
            del self._posted[name]
        subject = f"events of profile {name}"
        try:
            await self._record_phase(resource, status)
            await self._record_unwritten(resource, status)
            await self._record_moves(resource, status)
            await self._record_patch(resource, status)
        except (ApiError, ApiUnreachable) as error:
            self._problems.report(subject, str(error))
            return False
        self._problems.clear(subject)
        is_written = await self._statuses.write(name, current, status)
        if is_written:
            self._posted.pop(name, None)
        return is_written

    async def _record_phase(self, resource: Mapping[str, Any], status: Mapping[str, Any]) -> None:
        """An event when the profile becomes active, is deleted, and fails, or fails for another reason."""
        before, after = _summarise(resource.get("status") or {}), _summarise(status)
        if before == after:
            return
        message = status["conditions"][0]["message"]
        match status["phase"]:
            case "ACTIVE" if before[0] != "ACTIVE":
                await self._post(resource, EventType.NORMAL, Reason.ACTIVE, message)
            case "CREATE_FAILED":
                await self._post(resource, EventType.WARNING, Reason.CREATE_FAILED, f"{after[1]}: {message}")
            case "DELETING" if before[0] != "DELETING":
                await self._post(resource, EventType.NORMAL, Reason.DELETING, message)
            case "DELETE_FAILED" if before[0] != "DELETE_FAILED":
                await self._post(resource, EventType.WARNING, Reason.DELETE_FAILED, message)
            case _:
                return

    async def _record_unwritten(self, resource: Mapping[str, Any], status: Mapping[str, Any]) -> None:
        """An event when namespaces can't be written that could be before, or that are new."""
        before = {name for issue in _compute_unwritten(resource.get("status") or {}) for name in issue["resourceIds"]}
        for issue in _compute_unwritten(status):
            if not before.issuperset(issue["resourceIds"]):
                await self._post(resource, EventType.WARNING, Reason.PUBLISH_FAILED, issue["message"])

    async def _record_moves(self, resource: Mapping[str, Any], status: Mapping[str, Any]) -> None:
        """Events when pods begin to be moved, when all are, and when a workload is stopped."""
        before = (resource.get("status") or {}).get("rescheduling") or {}
        after = status.get("rescheduling") or {}
        open_before, open_after = _count_open(before), _count_open(after)
        if after and open_after and before.get("startedAt") != after["startedAt"]:
            message = f"{after['pods']} pods run elsewhere than they would if they were created now"
            await self._post(resource, EventType.NORMAL, Reason.RESCHEDULING_STARTED, message)
        stopped = {str(blocker["message"]) for blocker in _find_stopped(after)}
        for message in sorted(stopped - {str(blocker["message"]) for blocker in _find_stopped(before)}):
            await self._post(resource, EventType.WARNING, Reason.WORKLOAD_STOPPED, message)
        if after and open_before and not open_after:
            message = f"pods: {after['progress']} moved, {after['left']} left"
            await self._post(resource, EventType.NORMAL, Reason.RESCHEDULING_FINISHED, message)

    async def _record_patch(self, resource: Mapping[str, Any], status: Mapping[str, Any]) -> None:
        """Events when a patch is noticed, and when no pod from before it is left."""
        before = (resource.get("status") or {}).get("patching") or {}
        after = status.get("patching") or {}
        if after.get("noticedAt") and after["noticedAt"] != before.get("noticedAt"):
            since = f"{after['stale']} pods run in sandboxes from before the patch of {after['patched']}"
            when = (
                f"they are evicted from {after['evictionsFrom']} on" if "evictionsFrom" in after else "they are evicted"
            )
            await self._post(
                resource, EventType.NORMAL, Reason.PATCH_NOTICED, f"{since}; {when}, unless they go before"
            )
        if after.get("finishedAt") and after["finishedAt"] != before.get("finishedAt"):
            message = f"pods: {after['progress']} replaced, {after['left']} left"
            await self._post(resource, EventType.NORMAL, Reason.PATCH_FINISHED, message)

    async def _post(self, resource: Mapping[str, Any], event_type: EventType, reason: Reason, message: str) -> None:
        metadata = resource["metadata"]
        name = metadata["name"]
        about = {
            "apiVersion": API_VERSION,
            "kind": "FargateProfile",
            "name": name,
            "uid": metadata["uid"],
        }
        posted = self._posted.setdefault(name, _Posted(resource.get("status"))).events
        if (event := (metadata["uid"], str(reason), message)) not in posted:
            await self._recorder.record_occurrence(about, event_type, reason, message)
            posted.add(event)

    def retain(self, profiles: Collection[str]) -> None:
        """Forgets profiles that are gone."""
        self._statuses.retain(profiles)
        self._posted = {name: posted for name, posted in self._posted.items() if name in profiles}

    async def report_unsupported(self, pods: Sequence[PodView]) -> bool:
        """Says of each pod that Fargate can't run why, once; whether there is nothing left to say."""
        subject, reason = "events about unsupported pods", PodReason.FAILED_SCHEDULING
        well = True
        for pod in pods:
            if not pod.unsupported:
                continue
            about = refer_to_pod(pod.namespace, pod.name, pod.uid)
            try:
                well &= await self._recorder.record_state(about, EventType.WARNING, reason, pod.unsupported)
            except ApiUnreachable as error:
                self._problems.report(subject, str(error))
                return False
        self._problems.clear(subject)
        return well


def _count_open(rescheduling: Mapping[str, Any]) -> int:
    return int(rescheduling.get("waiting", 0)) + int(rescheduling.get("blocked", 0))


def _find_stopped(rescheduling: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    blockers = rescheduling.get("blockers") or ()
    return [blocker for blocker in blockers if blocker["reason"] == Reason.REPLACEMENT_NOT_SANDBOXED]


def _compute_unwritten(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    issues = (status.get("health") or {}).get("issues") or ()
    return [issue for issue in issues if issue["code"] == Reason.PUBLISH_FAILED]


def _summarise(status: Mapping[str, Any]) -> tuple[str, str]:
    """What an event is about: the phase, and the reason of the first condition, Ready."""
    conditions = status.get("conditions") or [{}]
    return status.get("phase") or "", conditions[0].get("reason") or ""
