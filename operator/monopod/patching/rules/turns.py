"""Whose turn it is: which pods of those that a round lets go may be evicted at this moment.

    no pod is Ready yet in a sandbox from after the patch ──► one pod of one workload, and no other until it is replaced
    one is                                                 ──► of each workload as many as `maxUnavailable` leaves

So a patch with which no pod becomes Ready takes few pods, and no two of one workload. A pod that never becomes Ready
may have other reasons, and belong to someone else: after a while (`history`) it holds up its own workload alone, and
one pod of another workload is next, of another namespace if there is one. Pods that aren't Ready serve no one: they
don't count, and needn't wait. What budgets allow, only the API server knows.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from monopod.api.reasons import Reason
from monopod.eviction.rules.order import Obstacle
from monopod.kube.objects.text import list_names
from monopod.patching.rules.scan import PodState, ProfileScan, compute_desired, count_ready
from monopod.patching.rules.settings import PatchingSettings
from monopod.patching.rules.staleness import StalePod
from monopod.workloads.rules.settings import compute_budget


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is remembered beside the objects.

    Attributes:
        expected: how many pods workloads of unknown kinds had, by uid.
        missing: bare pods (NAMESPACE/NAME) that don't exist for the moment, unless they are seen.
        refused: the uids of pods that were refused, which let others go first.
        is_overtaken: whether pods that don't come up hold up their own workloads alone.
        unanswered: the uids of pods that aren't tried for a while, as evictions in their namespace have no answer.
    """

    expected: Mapping[str, int]
    missing: Collection[str] = ()
    refused: Collection[str] = ()
    is_overtaken: bool = False
    unanswered: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Turns:
    """Who may go now.

    Attributes:
        now: in the order in which they go.
        waiting_for: what the others wait for, "" if there is nothing to name.
    """

    now: tuple[PodState, ...] = ()
    waiting_for: str = ""


NO_TURNS: Final = Turns()


def find_short(scan: ProfileScan, settings: PatchingSettings, evidence: Evidence) -> dict[str, str]:
    """The workloads that lack too many Ready pods to lose one of those that are to be replaced: uid and what lacks."""
    found: dict[str, str] = {}
    for uid, pods in scan.group().items():
        if any(pod.stale and not pod.left and pod.is_ready for pod in pods):
            allowance, why = _compute_allowance(uid, pods, scan, settings, evidence)
            if not allowance:
                found[uid] = why
    return found


def describe_late(short: Mapping[str, str], late: Collection[str], scan: ProfileScan) -> tuple[Obstacle, ...]:
    """What keeps pods of workloads that have been so for too long."""
    groups = scan.group()
    return tuple(
        _describe_late(why, [pod for pod in groups[uid] if pod.stale and not pod.left])
        for uid, why in short.items()
        if uid in late
    )


def compute_turns(
    ready_to_go: Iterable[StalePod],
    scan: ProfileScan,
    settings: PatchingSettings,
    evidence: Evidence,
    *,
    is_proven: bool,
) -> Turns:
    """Whose turn it is.

    Args:
        ready_to_go: those that the round lets go, in their order.
        scan: all pods of the profile.
        settings: the profile's.
        evidence: what is remembered.
        is_proven: whether pods have come up since the patch.
    """
    pods, groups = {pod.uid: pod for pod in scan.pods}, scan.group()
    wanted: defaultdict[str, list[PodState]] = defaultdict(list)
    order: dict[str, int] = {}
    for each in ready_to_go:
        if each.is_terminating:
            continue
        wanted[pods[each.uid].workload].append(pods[each.uid])
        order[each.uid] = len(order)
    now: list[PodState] = []
    waiting_for = ""
    for uid, ours in wanted.items():
        allowance, why = _compute_allowance(uid, groups[uid], scan, settings, evidence)
        serving = [pod for pod in ours if pod.is_ready]
        untried_first = sorted(serving, key=lambda pod: pod.uid in evidence.refused)
        now += [pod for pod in ours if not pod.is_ready] + untried_first[:allowance]
        if serving and not allowance:
            waiting_for = waiting_for or why
    now.sort(key=lambda pod: order[pod.uid])
    if is_proven:
        return Turns(tuple(now), waiting_for)
    return _choose_canary(now, groups, scan, is_overtaken=evidence.is_overtaken)


def follow_evictions(turns: Turns, scan: ProfileScan, evicted: Collection[str], zones: Mapping[str, str]) -> Turns:
    """Whose turn it still is until the next look, now that pods have been evicted which the scan shows as they were.

    None of another zone goes with them: refused ones are tried in all. And if it wasn't their turn, others were chosen
    in their stead, and would be too many.

    Args:
        turns: as decided by the scan.
        scan: all pods of the profile.
        evicted: the uids of pods.
        zones: of each node by its name.
    """
    gone = {pod.uid: pod.stale for pod in scan.pods if pod.uid in evicted and not pod.is_terminating}
    if not gone:
        return turns
    if not gone.keys() <= {pod.uid for pod in turns.now}:
        return replace(turns, now=())
    left = {zones.get(stale.node, "") for stale in gone.values() if stale}
    return replace(turns, now=tuple(pod for pod in turns.now if pod.stale and zones.get(pod.stale.node, "") in left))


def _compute_allowance(
    uid: str, pods: Sequence[PodState], scan: ProfileScan, settings: PatchingSettings, evidence: Evidence
) -> tuple[int, str]:
    """How many of a workload's Ready pods may go, and what is missing if none may."""
    workload, ready = scan.workloads[uid], count_ready(pods)
    desired = compute_desired(workload, pods, evidence.expected.get(uid, 0))
    if workload.is_bare:
        gone = {each for each in evidence.missing if each.startswith(f"{workload.namespace}/")}
        desired += len(gone - {str(pod) for pod in pods})
    unavailable = max(0, desired - ready)
    allowance = max(0, compute_budget(settings.max_unavailable, desired) - unavailable)
    return allowance, f"{unavailable} of {desired} pods of {workload} aren't Ready"


def _describe_late(why: str, pods: Sequence[PodState]) -> Obstacle:
    names = tuple(str(pod) for pod in pods if pod.is_ready)
    return Obstacle(Reason.REPLACEMENTS_NOT_READY, f"{list_names(names)} stays for now, because {why}", names)


def _choose_canary(
    now: Sequence[PodState], groups: Mapping[str, Sequence[PodState]], scan: ProfileScan, *, is_overtaken: bool
) -> Turns:
    """The first pod of all, unless one is on its way already."""
    if not now:
        return Turns()
    coming = list_under_way(scan)
    others = [pod for pod in now if pod.workload not in coming]
    if coming and not (is_overtaken and others):
        names = list_names(sorted(str(scan.workloads[uid]) for uid in coming))
        return Turns((), f"{names} goes first, until a pod is Ready in the new sandbox")
    namespaces = {scan.workloads[uid].namespace for uid in coming}

    def rate(pod: PodState) -> tuple[bool, bool]:
        # One whose workload is whole misses it least, and its replacement proves most.
        return pod.candidate.namespace in namespaces, not all(one.is_ready for one in groups[pod.workload])

    return Turns((min(others, key=rate),))


def _is_under_way(pod: PodState) -> bool:
    return pod.is_terminating or (pod.is_fresh and not pod.is_ready)


def list_under_way(scan: ProfileScan) -> list[str]:
    """The uids of workloads with a pod that is on its way out, or up in a new sandbox."""
    return [uid for uid, pods in scan.group().items() if any(_is_under_way(pod) for pod in pods)]


def describe_overtaken(scan: ProfileScan) -> tuple[Obstacle, ...]:
    """What keeps pods of workloads whose new pods don't become Ready; pods of others go first, of other zones too."""
    groups, found = scan.group(), []
    for uid in list_under_way(scan):
        names = tuple(str(pod) for pod in groups[uid] if pod.stale and not pod.left and not pod.is_terminating)
        if names:
            why = f"a pod of {scan.workloads[uid]} isn't Ready in the new sandbox, and no other is"
            text = f"{list_names(names)} stays for now, because {why}"
            found.append(Obstacle(Reason.REPLACEMENTS_NOT_READY, text, names))
    return tuple(found)


def describe_unanswered(unanswered: Collection[str], scan: ProfileScan) -> tuple[Obstacle, ...]:
    """What keeps pods in namespaces where evictions have had no answer for long; others go, of other zones too."""
    names: defaultdict[str, list[str]] = defaultdict(list)
    for pod in scan.pods:
        if pod.uid in unanswered and pod.stale and not pod.left and not pod.is_terminating:
            names[pod.candidate.namespace].append(str(pod))
    why = "has had no answer to evictions for ten minutes: of a webhook, perhaps"
    return tuple(
        Obstacle(
            Reason.EVICTION_REFUSED,
            f"{list_names(sorted(pods))} stays for now, because namespace {namespace} {why}",
            tuple(sorted(pods)),
        )
        for namespace, pods in sorted(names.items())
    )


def is_proven(scan: ProfileScan, *, has_patch: bool) -> bool:
    """Whether a pod is Ready in a sandbox from after the patch, or there was none to doubt."""
    return not has_patch or any(pod.is_fresh and pod.is_ready for pod in scan.pods)


def select_settled(
    refused: Mapping[str, str], scan: ProfileScan, evidence: Evidence, long_refused: Collection[str]
) -> dict[str, str]:
    """Of the pods that were refused, with the words, those that wait for nothing that is on its way.

    A budget refuses each time that a replacement has become Ready only a moment ago, or is about to, and it may select
    pods of several workloads. That is no reason to give up: where all pods of the namespace's workloads are there, or
    the pod's own has refused for long, it is.
    """
    pods, found = {pod.uid: pod for pod in scan.pods}, dict[str, str]()
    lacking = set()
    for uid, ours in scan.group().items():
        workload = scan.workloads[uid]
        if count_ready(ours) < compute_desired(workload, ours, evidence.expected.get(uid, 0)):
            lacking.add(workload.namespace)
    for uid, words in refused.items():
        pod = pods.get(uid)
        if pod and (pod.candidate.namespace not in lacking or pod.workload in long_refused):
            found[uid] = words
    return found
