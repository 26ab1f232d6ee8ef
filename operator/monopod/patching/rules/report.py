"""What a profile's status says of its patching: the field `patching`, and the condition Patched.

    nothing stale ──pods older than a patch──► a round begins, noticed now ──none left──► its end, finished now

The numbers need no memory but the status itself, as those of rescheduling: pods = max(pods before, replaced before +
those that are left). So do the terminations: a pod that was refused is on the list until it is gone, with the time that
was announced, whatever windows are changed meanwhile.
"""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, assert_never

from monopod.api.profile_parts.patching import MAX_TERMINATIONS
from monopod.api.reasons import ConditionType, Reason
from monopod.eviction.rules.order import Obstacle, OverBudget, Refusal, Refused, SeveralBudgets
from monopod.kube.objects.conditions import Contribution, Finding, Severity
from monopod.kube.objects.fields import Part
from monopod.kube.objects.timestamps import format_time
from monopod.patching.rules.rounds import DONE, Done, Evicting, Noticed, Overdue, Round, Waiting, compute_termination
from monopod.patching.rules.settings import Memory, PatchingSettings, Termination
from monopod.patching.rules.staleness import Patch, StalePod

EXAMPLES: Final = 5
BLOCKERS: Final = 10
MESSAGE_LIMIT: Final = 512

_LEFT: Final[Mapping[Reason, str]] = {
    Reason.ECS_TASKS_LEFT: "these pods are tasks of ECS's; stop them (`aws ecs stop-task`), and run others",
    Reason.BARE_PODS_LEFT: "nothing would replace these pods; recreate them, or set barePods: Recreate",
    Reason.RECREATION_OFF: (
        "this installation doesn't create pods again: set the chart's value barePods.recreate, or recreate them"
    ),
    Reason.RUNNING_JOBS_LEFT: "these pods do work that ends; to have it start again, set runningJobs: Reschedule",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found out about a profile.

    Attributes:
        settings: on which terms its sandboxes are replaced.
        round: where that stands.
        dates: of the last patch of each RuntimeClass that was patched.
        date_fault: why one of its pods' RuntimeClass can't be read, "" if all can.
        refused: by the uids of pods that the API server doesn't let go, why.
        obstacles: what keeps others.
        left: pods (NAMESPACE/NAME) that stay, by the reason.
        waiting_for: what the next pod waits for, "" if there is nothing to name.
        announced: the uids of pods whose events have been posted.
    """

    settings: PatchingSettings
    round: Round = DONE
    dates: Mapping[str, datetime.datetime] = field(default_factory=dict)
    date_fault: str = ""
    refused: Mapping[str, str] = field(default_factory=dict)
    obstacles: tuple[Obstacle, ...] = ()
    left: Mapping[Reason, tuple[str, ...]] = field(default_factory=dict)
    waiting_for: str = ""
    announced: frozenset[str] = frozenset()

    @property
    def stale(self) -> tuple[StalePod, ...]:
        """The pods whose sandboxes are to be replaced, in their order."""
        return () if isinstance(self.round, Done) else self.round.stale

    @property
    def is_patch(self) -> bool:
        """Whether some are from before a patch, of which their owners have to be told."""
        return any(pod.precedes for pod in self.stale)


def contribute_patching(facts: Facts | None, status: Mapping[str, Any], now: str) -> Contribution:
    """What a profile's status says.

    Args:
        facts: None: the pods haven't been looked at, or the profile isn't active.
        status: the one that the profile has.
        now: an RFC 3339 time.
    """
    before = status.get("patching")
    if facts is None:
        unknown = Finding(
            ConditionType.PATCHED, None, Reason.PODS_NOT_LISTED, "the pods haven't been looked at yet",
            severity=Severity.REMARK, keeps=True,
        )  # fmt: skip
        return Contribution((unknown,), {"patching": before} if before else {})
    if facts.date_fault and before:
        # A slip in the date ends no round, and no termination is forgotten by it.
        return Contribution((judge_patching(facts, before),), {"patching": before})
    patching = decide_patching(facts, before or {}, now)
    return Contribution((judge_patching(facts, patching or {}),), {"patching": patching} if patching else {})


def decide_patching(facts: Facts, before: Mapping[str, Any], now: str) -> dict[str, Any] | None:
    """What status.patching should be; None before there was anything to replace."""
    stale, left = facts.stale, sum(map(len, facts.left.values()))
    if not before and not stale and not left:
        return None
    before = _take_back(before, facts, now)
    known = _read_notices(before)
    new = _find_unnoticed(facts, known, now)
    is_new = bool(new)
    patched = max(each.date for each in new.values()) if new else _read(before.get("patched"))
    begins = is_new or not before or before["phase"] == "Done"
    pods = len(stale) if begins and stale else max(before.get("pods", 0), before.get("replaced", 0) + len(stale))
    noticed = now if is_new else before.get("noticedAt")
    finished = None if is_new else before.get("finishedAt") or (now if patched and not facts.is_patch else None)
    terminations = _plan_terminations(facts, before, now)
    names = {pod.uid: str(pod) for pod in stale}
    blocked = {names[uid] for uid in facts.refused if uid in names}
    blocked |= {pod for each in facts.obstacles for pod in each.pods} & set(names.values())
    told = {
        "phase": type(facts.round).__name__,
        "patched": format_time(patched) if patched else None,
        "noticedAt": noticed,
        "evictionsFrom": _find_beginning(facts.round),
        "finishedAt": finished,
        "notices": _write_notices(known, new, facts),
        "progress": f"{pods - len(stale)}/{pods}",
        "pods": pods,
        "replaced": pods - len(stale),
        "stale": len(stale),
        "blocked": len(blocked),
        "left": left,
        "zone": facts.round.zone if isinstance(facts.round, Evicting) and facts.round.zone else None,
        "blockers": _list_blockers(facts, names),
        "terminations": [_write_termination(each) for each in terminations],
    }
    return {key: value for key, value in told.items() if value is not None}


def _take_back(before: Mapping[str, Any], facts: Facts, now: str) -> Mapping[str, Any]:
    """Drops an unfinished patch whose date was taken back: its other pods stay."""
    if "patched" not in before or before.get("finishedAt") or facts.is_patch:
        return before
    moment = datetime.datetime.fromisoformat(now)
    dates = {name: date for name, date in facts.dates.items() if date <= moment}
    if all(name in dates and each.date <= dates[name] for name, each in _read_notices(before).items()):
        return before  # nothing is older than these either
    rest = {key: value for key, value in before.items() if key not in ("patched", "noticedAt", "notices")}
    return {**rest, "pods": before.get("replaced", 0)}


def _read_notices(before: Mapping[str, Any]) -> Mapping[str, Patch]:
    return Memory.from_status(Part({"patching": before})).notices


def _find_unnoticed(facts: Facts, known: Mapping[str, Patch], now: str) -> dict[str, Patch]:
    """The patches that pods are older than and that aren't on record, as they are noticed now, by the RuntimeClass."""
    moment = datetime.datetime.fromisoformat(now)
    patches = {pod.precedes.runtime_class: pod.precedes for pod in facts.stale if pod.precedes}
    return {
        name: replace(each, noticed_at=moment)
        for name, each in patches.items()
        if name not in known or known[name].date != each.date
    }


def _write_notices(known: Mapping[str, Patch], new: Mapping[str, Patch], facts: Facts) -> list[dict[str, Any]]:
    """The new ones, and of the others those whose date still stands."""
    kept = {name: each for name, each in known.items() if facts.dates.get(name) == each.date}
    return [
        {"runtimeClassName": name, "patched": format_time(each.date), "noticedAt": format_time(each.noticed_at)}
        for name, each in sorted({**kept, **new}.items())
        if each.noticed_at
    ]


def _read(text: str | None) -> datetime.datetime | None:
    return datetime.datetime.fromisoformat(text) if text else None


def _find_beginning(current: Round) -> str | None:
    match current:
        case Noticed(evictions_from=moment) | Waiting(evictions_from=moment):
            return format_time(moment)
        case Evicting() | Overdue() | Done():
            return None
        case never:
            assert_never(never)


def _plan_terminations(facts: Facts, before: Mapping[str, Any], now: str) -> list[Termination]:
    """The pods that were refused and are still there, those that are on record first, and no more than have room."""
    moment, present = datetime.datetime.fromisoformat(now), {pod.uid for pod in facts.stale}
    # By the status as it is, and not as it was when the pods were listed: a time that was written isn't moved.
    known = Memory.from_status(Part({"patching": before})).terminations
    found = [
        replace(each, announced=each.announced or each.uid in facts.announced)
        for each in known.values()
        if each.uid in present
    ]
    refused = [pod for pod in facts.stale if pod.uid in facts.refused and pod.uid not in known]
    if new := refused[: max(0, MAX_TERMINATIONS - len(found))]:
        # Once for all: a schedule of many times takes a while to search, and hundreds may be refused at once.
        at = compute_termination(moment, facts.settings.windows)
        for pod in new:
            words = facts.refused[pod.uid][:MESSAGE_LIMIT]
            found.append(Termination(pod.namespace, pod.name, pod.uid, moment, at, words))
    return found


def describe_refusal(refusal: Refusal) -> str:
    """The API server's words."""
    match refusal:
        case OverBudget(words=words, message=message):
            return " ".join(part for part in (words, message) if part)
        case SeveralBudgets(words=words):
            return words or "more than one PodDisruptionBudget selects the pod"
        case Refused(message):
            return message
        case never:
            assert_never(never)


def _write_termination(each: Termination) -> dict[str, Any]:
    return {
        "namespace": each.namespace,
        "name": each.name,
        "uid": each.uid,
        "refusedAt": format_time(each.refused_at),
        "scheduledTerminationTime": format_time(each.at),
        "evictErrorMessage": each.message,
        **({"announced": True} if each.announced else {}),
    }


def _list_blockers(facts: Facts, names: Mapping[str, str]) -> list[dict[str, Any]]:
    by_words: dict[str, list[str]] = {}
    for uid, words in facts.refused.items():
        if uid in names:
            by_words.setdefault(words, []).append(names[uid])
    listed = [(str(Reason.EVICTION_REFUSED), words, sorted(pods)) for words, pods in by_words.items()]
    listed += [(str(each.reason), each.message, list(each.pods)) for each in facts.obstacles]
    listed.sort(key=lambda each: (-len(each[2]), each))
    listed += [(str(reason), _LEFT[reason], list(pods)) for reason, pods in facts.left.items()]
    return [
        {"reason": reason, "message": message, "pods": len(pods), "examples": pods[:EXAMPLES]}
        for reason, message, pods in listed[:BLOCKERS]
    ]


def judge_patching(facts: Facts, told: Mapping[str, Any]) -> Finding:
    """The condition Patched."""
    if facts.settings.fault:
        why = f"{facts.settings.fault}; nothing is evicted until it is changed"
        return _build(False, Reason.PATCH_WINDOW_INVALID, why)
    if facts.date_fault:
        return _build(False, Reason.PATCH_DATE_INVALID, facts.date_fault)
    numbers = ", ".join(f"{told[key]} {key}" for key in ("stale", "blocked", "left") if told.get(key))
    message = f"pods: {told.get('progress', '0/0')} replaced" + (f", {numbers}" if numbers else "")
    if isinstance(facts.round, Done):
        nothing = "no sandbox of the profile is out of date"
        return _build(True, Reason.SANDBOXES_CURRENT, message if told else nothing)
    if facts.settings.paused:
        return _build(False, Reason.PAUSED, f"{message}; the profile is paused")
    match facts.round:
        case Noticed(evictions_from=moment):
            return _build(False, Reason.PATCH_NOTICED, f"{message}; evictions begin at {format_time(moment)}")
        case Waiting(evictions_from=moment):
            return _build(False, Reason.PATCH_WAITING, f"{message}; the next window opens at {format_time(moment)}")
        case Evicting():
            first = next((each["message"] for each in told.get("blockers", ()) if each["reason"] not in _LEFT), "")
            why = facts.waiting_for or first
            return _build(False, Reason.PATCH_EVICTING, f"{message}: {why}" if why else message)
        case Overdue(since=moment):
            return _build(False, Reason.PATCH_OVERDUE, f"{message}; the last was to go at {format_time(moment)}")
        case never:
            assert_never(never)


def _build(holds: bool, reason: Reason, message: str) -> Finding:
    return Finding(ConditionType.PATCHED, holds, reason, message, severity=Severity.REMARK)


def list_due(settings: PatchingSettings, current: Round, now: datetime.datetime) -> frozenset[str]:
    """The uids of pods that are deleted if their evictions are refused once more: their time has come, and was told."""
    match current:
        case Evicting() | Overdue(may_go=True) if settings.deletes_overdue:
            known = settings.memory.terminations.values()
            return frozenset(each.uid for each in known if each.announced and each.at <= now)
        case _:
            return frozenset()


def compute_announcement(each: Termination, settings: PatchingSettings, cluster: str) -> str:
    """The text of the one event about a pod that can't be evicted, with all that AWS's has; the longest comes last."""
    fate = "it is deleted then" if settings.deletes_overdue else "it stays then (patching.overdue: Keep)"
    return (
        f"EKS Fargate Pod Scheduled Termination: clusterName {cluster}, fargateProfileName {settings.profile}, "
        f"podName {each.name}, podNamespace {each.namespace}, scheduledTerminationTime {format_scheduled(each.at)}, "
        f"evictErrorMessage {each.message!r}. If it still can't be evicted, {fate}"
    )


def format_scheduled(moment: datetime.datetime) -> str:
    """A scheduledTerminationTime as AWS's event has it."""
    return f"{format_time(moment)}[UTC]"
