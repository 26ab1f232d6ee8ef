"""Which pods run elsewhere than they would if they were created now, and which of them to move next.

    seen ──judge──► in place, or none of our business
             ├────► left alone: the profile says so (no controller, or a job at work)
             ├────► impossible: nothing would run in its place
             └────► elsewhere ──its turn──► evicted, replaced ──► in place
                        └── a replacement is elsewhere again: the whole workload is stopped

All follows from the objects, so an operator that was killed goes on where it was. Whether a budget allows an eviction
is not known here (see `monopod.domain.eviction`), nor how a pod without a controller comes back. Who reads the objects
must not hand over old ones: what is said here of a workload holds at the moment of the list.
"""

import datetime
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, assert_never

from monopod.api.names import PROFILE_LABEL
from monopod.api.reasons import Reason
from monopod.domain.decision import Sandboxed, Skipped, Unmatched, Unsupported, decide
from monopod.domain.eviction import Candidate, Obstacle
from monopod.domain.manifest import Part
from monopod.domain.publication import list_names
from monopod.domain.replacement import Workload, build_replacement
from monopod.domain.selection import Profile
from monopod.domain.skips import guess_creator
from monopod.domain.terms import Terms, read_time
from monopod.domain.volumes import VolumesReady, judge_volumes

Manifest = Mapping[str, Any]

MARGIN_SECONDS = 30.0
"""How long after a profile is in force a pod may still come up without its sandbox: admission reads namespaces from a
cache, and clocks differ."""


@dataclass(frozen=True, slots=True)
class Place:
    """What decides about the pods of one namespace.

    Attributes:
        profiles: those that admission reads there, as the operator published them.
        terms: of those among them that are in force and move pods, by name.
        deleting: profiles that are being deleted, which moves their pods.
        protected: namespaces that only their exact name reaches.
        claims: the PersistentVolumeClaims of the namespace by name, if any pod to be moved has one.
        volumes: the PersistentVolumes behind them, by name.
    """

    namespace: str
    profiles: tuple[Profile, ...]
    terms: Mapping[str, Terms]
    deleting: frozenset[str] = frozenset()
    protected: Collection[str] = frozenset()
    claims: Mapping[str, Manifest] = field(default_factory=dict)
    volumes: Mapping[str, Manifest] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class InPlace:
    """The pod runs by the profile that would take it."""


@dataclass(frozen=True, slots=True)
class NotConcerned:
    """Nothing to do: no profile that moves pods would take it, or nobody moves pods of its sort."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Its replacement would run by this profile."""

    profile: str


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """The same, but the profile says that pods of its sort stay."""

    profile: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Impossible:
    """The profile would take its replacement, and Fargate couldn't run it: moving it would end it."""

    profile: str
    why: str


Standing = InPlace | NotConcerned | Elsewhere | LeftAlone | Impossible


def judge(pod: Manifest, workload: Workload, place: Place) -> Standing:
    """Where the pod stands.

    Args:
        pod: the whole pod, as the API server sends it.
        workload: what would replace it.
        place: its namespace.
    """
    mark, creator = find_mark(pod), guess_creator(pod)
    if has_ended(pod) or mark in place.deleting:
        return NotConcerned()
    replacement = build_replacement(pod, workload)
    match decide(replacement, place.namespace, place.profiles, username=creator, protected=place.protected):
        case Unmatched() | Skipped():
            return NotConcerned()
        case Sandboxed(profile=profile) | Unsupported(profile=profile) if profile.name == mark:
            return InPlace()
        case Sandboxed(profile=profile) | Unsupported(profile=profile) if profile.name not in place.terms:
            return NotConcerned()
        case Unsupported(profile=profile, text=text):
            return Impossible(profile.name, text)
        case Sandboxed(profile=profile):
            return _judge_matching(pod, workload, place, place.terms[profile.name], mark)
        case never:
            assert_never(never)


def _judge_matching(pod: Manifest, workload: Workload, place: Place, terms: Terms, mark: str) -> Standing:
    if workload.is_bare:
        if mark:
            return NotConcerned()  # sandboxed already, and nothing would replace it
        if not terms.recreates_bare_pods:
            return LeftAlone(terms.profile, Reason.BARE_PODS_LEFT)
    if workload.ends_by_itself(pod) and not terms.moves_running_jobs:
        return LeftAlone(terms.profile, Reason.RUNNING_JOBS_LEFT)
    verdict = judge_volumes(pod, place.claims, place.volumes)
    return Elsewhere(terms.profile) if isinstance(verdict, VolumesReady) else Impossible(terms.profile, verdict.text)


def has_ended(pod: Manifest) -> bool:
    """Whether the pod's containers have run to their end, so that there is nothing to move."""
    return Part(pod).child("status").text("phase") in ("Succeeded", "Failed")


def find_mark(pod: Manifest) -> str:
    """The profile that the pod runs by; "" if it runs by none."""
    return Part(pod).child("metadata").text_map("labels").get(PROFILE_LABEL, "")


@dataclass(frozen=True, slots=True)
class Sighting:
    """A pod of a workload, reduced to what matters for its turn."""

    pod: Candidate
    standing: Standing
    mark: str
    is_ready: bool
    is_terminating: bool


def sight(pod: Manifest, workload: Workload, place: Place) -> Sighting:
    """Reduces a pod; see `judge`."""
    return _reduce(pod, workload, place, judge(pod, workload, place))


def glance(pod: Manifest, workload: Workload, place: Place) -> Sighting:
    """Reduces a pod that no profile but its own matches, so that nothing has to be worked out."""
    return _reduce(pod, workload, place, InPlace() if find_mark(pod) else NotConcerned())


def _reduce(pod: Manifest, workload: Workload, place: Place, standing: Standing) -> Sighting:
    root = Part(pod)
    metadata = root.child("metadata")
    ready = any(
        condition.text("type") == "Ready" and condition.text("status") == "True"
        for condition in root.child("status").children("conditions")
    )
    candidate = Candidate(
        place.namespace,
        metadata.text("name"),
        metadata.text("uid"),
        metadata.text("creationTimestamp"),
        metadata.text("uid") if workload.is_bare else workload.uid,
        patient=True,
    )
    terminating = bool(metadata.text("deletionTimestamp"))
    return Sighting(candidate, standing, find_mark(pod), ready and not terminating, terminating)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is to be done about the pods of one workload for one profile; pods are in the order in which they move.

    Attributes:
        now: those that may be evicted now, if their budgets allow it.
        later: those that wait for their turn.
        replacing: how many are on their way: evicted, or replaced by pods that aren't Ready.
        holdup: why none may be evicted now although some wait; "" if there is no reason to name.
        left: pods that stay, by the reason.
        obstacles: what keeps the others.
    """

    workload: Workload
    profile: str
    now: tuple[Candidate, ...] = ()
    later: tuple[Candidate, ...] = ()
    replacing: int = 0
    holdup: str = ""
    left: Mapping[Reason, tuple[Candidate, ...]] = field(default_factory=dict)
    obstacles: tuple[Obstacle, ...] = ()

    @property
    def is_moving(self) -> bool:
        """Whether it is worth looking again soon."""
        return bool(self.now or self.later or self.replacing)


def find_outlooks(
    workload: Workload,
    sightings: Sequence[Sighting],
    place: Place,
    *,
    settling: bool = False,
    expected: int = 0,
    missing: Collection[str] = (),
    hindered: Collection[str] = (),
) -> tuple[Outlook, ...]:
    """The outlook for each profile that pods of the workload belong to but don't run by.

    Args:
        workload: whose pods these are.
        sightings: all of its pods that haven't ended, whatever their standing.
        place: their namespace.
        settling: whether pods of it were moved lately, so that its replacements are still of interest.
        expected: how many pods a workload without a known number had before the first was evicted.
        missing: pods (NAMESPACE/NAME) that come back by the operator's own doing, and are gone unless they are seen.
        hindered: pods (NAMESPACE/NAME) that can't be moved for now, so that others have their turn.
    """
    found = {_find_profile(sighting.standing) for sighting in sightings} - {""}
    if not found and settling:
        marks = sorted({sighting.mark for sighting in sightings if isinstance(sighting.standing, InPlace)})
        found = {mark for mark in marks if mark in place.terms}
    outlooks: list[Outlook] = []
    for profile in sorted(found):
        terms = place.terms[profile]
        # Nothing controls these pods, so what becomes of others among them is no reason to wait.
        concerned = [each for each in sightings if profile in (each.mark, _find_profile(each.standing))]
        pods = concerned if workload.is_bare else sightings
        strength = _measure(workload, pods, terms, expected, missing)
        outlook = _find_outlook(workload, pods, place, terms, strength, hindered)
        # The bound is the workload's: where two profiles take its pods, one after the other has its turn.
        busy = any(other.now for other in outlooks)
        outlooks.append(replace(outlook, now=(), later=outlook.now + outlook.later) if busy else outlook)
    return tuple(outlooks)


@dataclass(frozen=True, slots=True)
class _Strength:
    """How many pods of a workload there should be, may be and are unavailable, and are on their way."""

    desired: int
    budget: int
    unavailable: int
    in_flight: int


def _measure(
    workload: Workload, pods: Sequence[Sighting], terms: Terms, expected: int, missing: Collection[str]
) -> _Strength:
    present = len(pods) if workload.is_bare else sum(not each.is_terminating for each in pods)
    gone = len(set(missing) - {str(each.pod) for each in pods})
    desired = max(expected, present) + gone if workload.desired is None else workload.desired
    going = sum(each.is_terminating for each in pods)
    coming = sum(each.mark == terms.profile and not (each.is_ready or each.is_terminating) for each in pods)
    unavailable = max(0, desired - sum(each.is_ready for each in pods))
    return _Strength(desired, terms.find_budget(desired), unavailable, going + coming + gone)


def _find_profile(standing: Standing) -> str:
    match standing:
        case Elsewhere(profile) | LeftAlone(profile) | Impossible(profile):
            return profile
        case InPlace() | NotConcerned():
            return ""
        case never:
            assert_never(never)


def _find_outlook(
    workload: Workload,
    sightings: Sequence[Sighting],
    place: Place,
    terms: Terms,
    strength: _Strength,
    hindered: Collection[str],
) -> Outlook:
    ordered = sorted(sightings, key=lambda each: (each.pod.created, each.pod.namespace, each.pod.name))
    ours = [each for each in ordered if each.standing == Elsewhere(terms.profile)]
    waiting = [each for each in ours if not each.is_terminating]
    strays = [each for each in waiting if _is_stray(each, terms, place)]
    # What becomes of one pod without a controller says nothing about the next.
    stopped = waiting if strays and not workload.is_bare else strays
    moving = [] if stopped == waiting else [each for each in waiting if each not in stopped]
    going = [each for each in ours if each.is_terminating]
    coming = [each for each in ordered if each.mark == terms.profile and not (each.is_ready or each.is_terminating)]
    now, holdup = _find_turn(workload, moving, terms, strength, hindered)
    obstacles = _find_impossible(ordered, terms.profile)
    if stopped:
        obstacles = (*obstacles, _describe_stop(workload, strays, stopped, terms))
    return Outlook(
        workload,
        terms.profile,
        tuple(each.pod for each in now),
        tuple(each.pod for each in moving if each not in now),
        max(len(going), 0 if workload.is_bare else len(coming)),
        holdup or ("" if moving else _describe_wait(going, coming)),
        _find_left(ordered, terms.profile),
        obstacles,
    )


def _describe_wait(going: Sequence[Sighting], coming: Sequence[Sighting]) -> str:
    """What a workload waits for of which no more pods have to move."""
    names = list_names([str(each.pod) for each in coming or going])
    if coming or not going:
        return f"{names} isn't Ready" if coming else ""
    return f"{names} is being deleted: in its grace period, or held by a finalizer or by a node that doesn't answer"


def _is_stray(sighting: Sighting, terms: Terms, place: Place) -> bool:
    """Whether the pod shows that replacements don't come up in the profile's sandbox.

    One that runs by a profile that is gone meanwhile shows nothing: it was right when it was created.
    """
    created = read_time(sighting.pod.created)
    if terms.trusted is None or created is None:
        return False
    known = not sighting.mark or any(profile.name == sighting.mark for profile in place.profiles)
    return known and created > terms.trusted + datetime.timedelta(seconds=MARGIN_SECONDS)


def _find_turn(
    workload: Workload, moving: Sequence[Sighting], terms: Terms, strength: _Strength, hindered: Collection[str]
) -> tuple[list[Sighting], str]:
    """Those of the pods to move that may be evicted now, and why there are none."""
    # Nothing may be evicted before the beginning is on record, or a loop of evictions would never be noticed.
    if terms.paused or terms.started is None or not moving:
        return [], ""
    if terms.trusted is None:
        return [], f"profile {terms.profile} isn't Ready"
    free = [each for each in moving if str(each.pod) not in hindered]
    ready = [each for each in free if each.is_ready][: max(0, strength.budget - strength.unavailable)]
    # Those that aren't Ready are missed by nobody, but no more than the budget are on their way.
    unready = [each for each in free if not each.is_ready][: max(0, strength.budget - strength.in_flight)]
    now = [each for each in free if each in ready or each in unready]
    if now or not free:
        return now, ""
    holdup = (
        f"{strength.unavailable} of {strength.desired} pods of {workload} aren't Ready, and {strength.budget} may be "
        f"while they are moved"
    )
    return now, holdup


def _find_left(sightings: Iterable[Sighting], profile: str) -> dict[Reason, tuple[Candidate, ...]]:
    left: dict[Reason, tuple[Candidate, ...]] = {}
    for each in sightings:
        match each.standing:
            case LeftAlone(owner, reason) if owner == profile and not each.is_terminating:
                left[reason] = (*left.get(reason, ()), each.pod)
            case _:
                continue
    return left


def _find_impossible(sightings: Iterable[Sighting], profile: str) -> tuple[Obstacle, ...]:
    reasons: dict[str, list[str]] = {}
    for each in sightings:
        match each.standing:
            case Impossible(owner, why) if owner == profile and not each.is_terminating:
                reasons.setdefault(why, []).append(str(each.pod))
            case _:
                continue
    return tuple(
        Obstacle(Reason.PODS_UNSUPPORTED, f"{list_names(pods)} would stay Pending: {why}", tuple(pods))
        for why, pods in reasons.items()
    )


def _describe_stop(
    workload: Workload, strays: Sequence[Sighting], stopped: Sequence[Sighting], terms: Terms
) -> Obstacle:
    stray = str(strays[0].pod)
    message = (
        f"{workload} isn't moved any further: pod {stray} was created after profile {terms.profile} was in force, and "
        f"doesn't run by it. Find out why (`kubectl fargate explain pod {strays[0].pod.name} -n "
        f"{strays[0].pod.namespace}`), then delete that pod"
    )
    return Obstacle(Reason.REPLACEMENT_NOT_SANDBOXED, message, tuple(str(each.pod) for each in stopped))


def order_moves(outlooks: Iterable[Outlook]) -> list[tuple[Candidate, Outlook]]:
    """All pods that will be moved, in the order in which they are, budgets aside: the oldest first."""
    moves = [(pod, outlook) for outlook in outlooks for pod in (*outlook.now, *outlook.later)]
    return sorted(moves, key=lambda move: (move[0].created, move[0].namespace, move[0].name))
