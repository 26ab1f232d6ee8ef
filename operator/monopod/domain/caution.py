"""How many workloads a profile moves before it is known that replacements become Ready, and when it stops.

    nothing proven yet ──► one pod of one workload (the canary) ──Ready──► one pod in each namespace ──Ready──► all
                                     └── not Ready within the deadline ──► nothing more there
    a replacement is Unschedulable   ──► nothing more of the profile until it isn't
    MOST_LATE workloads are late     ──► nothing more of the profile until fewer are

What proves it is a Ready pod in the profile's sandbox, created since the profile is in force: an object, so that an
operator that was killed needs no memory of it. Workloads that weren't Ready before prove nothing, and stop nothing.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from monopod.api.reasons import Reason
from monopod.domain.eviction import Obstacle
from monopod.domain.publication import list_names
from monopod.domain.rescheduling import Outlook

MOST_LATE = 3
"""Two workloads may have troubles of their own at a time; three are more likely to have the same."""

Key = tuple[str, str]
"""A profile and a workload's uid."""


def find_key(outlook: Outlook) -> Key:
    """What identifies it."""
    return outlook.profile, outlook.workload.uid


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of replacements.

    Attributes:
        proven: profiles and namespaces in which replacements have become Ready.
        late: those on their way for longer than the deadline.
        broken: those that weren't Ready before.
        chosen: the canaries so far, which stay so while they have pods to move.
    """

    proven: Collection[tuple[str, str]] = ()
    late: Collection[Key] = ()
    broken: Collection[Key] = ()
    chosen: Collection[Key] = ()


def restrain(outlooks: Sequence[Outlook], evidence: Evidence) -> tuple[Outlook, ...]:
    """The outlooks of all namespaces, with no more to be moved now than is safe."""
    return tuple(
        _restrain_one(each, [one for one in outlooks if one.profile == each.profile], evidence) for each in outlooks
    )


def _restrain_one(outlook: Outlook, ours: Sequence[Outlook], evidence: Evidence) -> Outlook:
    sound = [each for each in ours if find_key(each) not in evidence.broken]
    late = [each for each in sound if each.replacing and find_key(each) in evidence.late]
    if len(late) >= MOST_LATE:
        return _stop(outlook, f"replacements of {_list(late)} don't become Ready")
    if stuck := [each for each in ours if each.unschedulable]:
        pods = list_names([pod for each in stuck for pod in each.unschedulable])
        why = f"no node has room for {pods} (`kubectl describe pod`)"
        overdue = any(find_key(each) in evidence.late for each in stuck)
        return _stop(outlook, why) if overdue else _hold(outlook, why)
    namespace = outlook.workload.namespace
    if (outlook.profile, namespace) in evidence.proven:
        return outlook
    is_known = any(profile == outlook.profile for profile, _ in evidence.proven)
    rivals = [each for each in sound if not is_known or each.workload.namespace == namespace]
    on_their_way = [each for each in rivals if each.replacing]
    if overdue_rivals := [each for each in on_their_way if find_key(each) in evidence.late]:
        return _stop(outlook, f"the first replacement, of {_list(overdue_rivals)}, doesn't become Ready")
    if on_their_way:
        return _hold(outlook, f"{_list(on_their_way)} goes first, until its replacement is Ready")
    if not is_known:
        # Profiles' own namespaces may be proven one by one; until then one for all of them.
        candidates = [each for each in ours if each.now]
    else:
        candidates = [each for each in ours if each.now and each.workload.namespace == namespace]
    if not candidates:
        return outlook
    canary = _choose(candidates, evidence)
    if canary is not outlook:
        return _hold(outlook, f"{canary.workload} goes first, until its replacement is Ready")
    return replace(outlook, now=outlook.now[:1], later=(*outlook.now[1:], *outlook.later))


def _choose(candidates: Iterable[Outlook], evidence: Evidence) -> Outlook:
    """The one that misses a pod least: it is Ready and has several; of these the youngest."""
    ordered = sorted(candidates, key=lambda each: (each.now[0].created, find_key(each)), reverse=True)
    return min(
        ordered,
        key=lambda each: (find_key(each) not in evidence.chosen, each.is_broken, each.desired < 2),
    )


def _list(outlooks: Iterable[Outlook]) -> str:
    return list_names(sorted({str(each.workload) for each in outlooks}))


def _hold(outlook: Outlook, why: str) -> Outlook:
    if not outlook.now:
        return outlook
    return replace(outlook, now=(), later=(*outlook.now, *outlook.later), holdup=why)


def _stop(outlook: Outlook, why: str) -> Outlook:
    held = _hold(outlook, why)
    if not held.later:
        return held
    names = tuple(map(str, held.later))
    obstacle = Obstacle(Reason.REPLACEMENTS_NOT_READY, f"{list_names(names)} stays for now, because {why}", names)
    return replace(held, obstacles=(*held.obstacles, obstacle))
