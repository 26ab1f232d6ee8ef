"""What is concluded of pods that ended while nobody watched, or came and went. Pure.

From lists of the past: a pod existed at the last version that shows it, and was gone at the next that doesn't. From its
StatefulSet's next pod of the same name: it was gone before. From its Events: it existed at least until then. What adds
to a lifetime is joined with it, so that nothing that is known otherwise is lost, and each can only narrow the end.

Owners aren't asked. A Job says when its last pod had ended, not when a pod was gone; a ReplicaSet has no times at all;
and what is deleted together with its pods can't be asked any more.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Final

from monopod.ledger.recorder.closing import close
from monopod.ledger.recorder.past import Outage, PastList
from monopod.ledger.recorder.revision_times import CUT_MS, RevisionTimes
from monopod.usage.rules.events import PodEvents
from monopod.usage.rules.lifetime import Evidence, Interval, Lifetime, join
from monopod.usage.rules.siblings import Siblings

NUMBERED: Final = "StatefulSet/"


@dataclass(frozen=True, slots=True)
class Gathered:
    """What was still to be had of an outage.

    Attributes:
        outage: what this is about.
        lists: of the past, by version.
        times: when these versions were.
        events: what Events tell of each pod, by its namespace and uid.
    """

    outage: Outage
    lists: Sequence[PastList]
    times: RevisionTimes
    events: Mapping[tuple[str, str], PodEvents]

    def locate(self, version: int) -> Interval:
        """Between which moments a version was written."""
        return self.times.narrow(version, self.outage.span)


def conclude(gathered: Gathered, opened: Iterable[Lifetime], is_recorded: Callable[[str], bool]) -> list[Lifetime]:
    """The lifetimes of which something new is known.

    Args:
        gathered: what was to be had.
        opened: the lifetimes of the pods that exist now.
        is_recorded: whether something is known of a uid; it is asked of pods that are neither there nor missing.
    """
    missing = {each.uid: each for each in gathered.outage.missing}
    ended = missing | {each.uid: each for each in _narrow(gathered, missing)}
    known = [*opened, *ended.values()]
    successors = _index_successors(known)
    unseen = _infer_unseen(gathered, Siblings(known), is_recorded)
    found = []
    for lifetime in (*ended.values(), *unseen):
        narrower = _bound_by_successor(lifetime, successors)
        if events := gathered.events.get((lifetime.description.namespace, lifetime.uid)):
            narrower = _add_events(narrower, events)
        if narrower != missing.get(lifetime.uid):
            found.append(narrower)
    return found


def _narrow(gathered: Gathered, missing: Mapping[str, Lifetime]) -> Iterator[Lifetime]:
    """The pods that lists of the past show, or show to be gone."""
    outage = gathered.outage
    shown: dict[str, list[tuple[int, Lifetime]]] = {}
    for past in gathered.lists:
        for uid, lifetime in past.lifetimes.items():
            shown.setdefault(uid, []).append((past.version, lifetime))
    for uid in missing.keys() | shown.keys():
        known, seen = missing.get(uid), shown.get(uid, [])
        # Another recorder may have seen it later than this one. A list from before that doesn't say that it was gone.
        existed = max([each for each, _ in seen] + ([known.description.version] if known else []))
        gone = next((past.version for past in gathered.lists if past.version > existed), None)
        if not seen and gone is None:
            continue
        lifetime = reduce(join, (*([known] if known else []), *(each for _, each in seen)))
        earliest = lifetime.alive
        if existed > outage.first:
            earliest = max(earliest, gathered.locate(existed).earliest)
        latest = gathered.locate(gone).latest if gone else outage.until
        if latest < earliest:
            latest = max(earliest, outage.until)  # a clock is wrong: the list says nothing
        yield close(lifetime, Interval(earliest, latest), Evidence.LISTED_IN_PAST, None)


def _index_successors(lifetimes: Iterable[Lifetime]) -> dict[tuple[str, str], list[Lifetime]]:
    found: dict[tuple[str, str], list[Lifetime]] = {}
    for lifetime in lifetimes:
        about = lifetime.description
        if about.workload.startswith(NUMBERED):
            found.setdefault((about.namespace, about.name), []).append(lifetime)
    return found


def _bound_by_successor(lifetime: Lifetime, successors: Mapping[tuple[str, str], Sequence[Lifetime]]) -> Lifetime:
    """A StatefulSet's controller makes a pod once it has seen that the one before is gone.

    Other pods of one name tell less: a creation that waits for a webhook is stamped before it happens.
    """
    about = lifetime.description
    moments = [
        other.created + CUT_MS - 1
        for other in successors.get((about.namespace, about.name), ())
        if other.uid != lifetime.uid and other.description.workload == about.workload
    ]
    moment = min((each for each in moments if each >= lifetime.alive), default=None)
    if moment is None or lifetime.end is None or moment >= lifetime.end.latest:
        return lifetime
    return replace(lifetime, gone=lifetime.gone | {moment}, evidence=lifetime.evidence | {Evidence.NAME_REUSED})


def _add_events(lifetime: Lifetime, events: PodEvents) -> Lifetime:
    """Events can't refute what is known: one that came after the pod was gone doesn't count."""
    end = lifetime.end
    if end is None:
        return lifetime
    if lifetime.alive < events.alive <= end.latest:
        lifetime = replace(lifetime, alive=events.alive, evidence=lifetime.evidence | {events.latest})
    if lifetime.start is None and events.pull_started is not None and events.pull_started <= end.latest:
        lifetime = replace(
            lifetime,
            pull_started=max(events.pull_started, lifetime.created),
            container_started=lifetime.container_started or events.container_started,
            evidence=lifetime.evidence | {Evidence.PULLING_EVENT},
        )
    return lifetime


def _infer_unseen(gathered: Gathered, siblings: Siblings, is_recorded: Callable[[str], bool]) -> Iterator[Lifetime]:
    """The pods that only Events tell of, where it is certain what they were."""
    outage = gathered.outage
    shown = {uid for past in gathered.lists for uid in past.lifetimes}
    claims = Counter(uid for _, uid in gathered.events)
    for (_, uid), events in gathered.events.items():
        if uid in outage.current or uid in shown or claims[uid] > 1 or events.scheduled is None:
            continue
        if not outage.since - CUT_MS < events.scheduled <= events.alive:
            continue
        about = siblings.infer(events.namespace, events.name, events.scheduled)
        if about is None or is_recorded(uid):
            continue
        evidence = {Evidence.SCHEDULED_EVENT, Evidence.INFERRED_FROM_SIBLINGS, Evidence.LISTED_GONE, events.latest}
        yield Lifetime(
            uid,
            replace(about, node=events.node),
            created=events.scheduled,
            alive=events.alive,
            gone=frozenset({_find_absence(gathered, events.alive)}),
            evidence=frozenset(evidence),
        )


def _find_absence(gathered: Gathered, alive: int) -> int:
    """When a pod was gone that no list shows, and that existed at a moment."""
    for past in gathered.lists:
        when = gathered.locate(past.version)
        if when.earliest > alive + CUT_MS:
            return when.latest
    return gathered.outage.until
