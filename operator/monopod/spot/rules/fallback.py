"""What becomes of a pod that finds no room on Spot.

    waits for less than fallbackAfter ──────────────────► Waits
    its workload is on demand already ──────────────────► Goes: it is evicted, and its controller makes one on demand
    nothing would replace it, or not without harm ──────► Stays, with the reason
    the namespace has no room for a further spell ──────► Stays
    else ───────────────────────────────────────────────► Begins: its workload runs on demand from now on

A pod goes only once admission surely reads that its workload is on demand, and only if it was created before: so each
is evicted once at most, and one that came to Spot all the same is left alone.
"""

import datetime
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, assert_never

from monopod.selectors.compile import STALE_SECONDS
from monopod.spot.rules.settings import FallbackSettings
from monopod.spot.rules.spells import MAX_SPELLS, Key, Spell, age_spells, begin_spell
from monopod.spot.rules.waiting import WaitingPod
from monopod.workloads.rules.replacement import Owner

SETTLED: Final = datetime.timedelta(seconds=STALE_SECONDS)
JOB: Final = "Job"


class Why(StrEnum):
    """Why a pod stays where it waits, as the end of a sentence."""

    BARE = "Nothing would make a new pod in its place, so it waits."
    UNKNOWN = "It isn't known whether its controller would make a new pod in its place, so it waits."
    JOB = (
        "Its Job would count its deletion as a failure, so it waits; one whose podFailurePolicy ignores the condition "
        "DisruptionTarget wouldn't."
    )
    FULL = f"{MAX_SPELLS} workloads of the namespace run on demand already, or did a moment ago, so it waits."


@dataclass(frozen=True, slots=True)
class Waits:
    """Spot may yet have room."""

    pod: WaitingPod


@dataclass(frozen=True, slots=True)
class Begins:
    """The pod's workload is to run on demand."""

    pod: WaitingPod
    spell: Spell


@dataclass(frozen=True, slots=True)
class Goes:
    """The pod is to be evicted."""

    pod: WaitingPod
    spell: Spell


@dataclass(frozen=True, slots=True)
class Stays:
    """The pod waits on."""

    pod: WaitingPod
    why: Why


Verdict = Waits | Begins | Goes | Stays


@dataclass(frozen=True, slots=True)
class Fallback:
    """What is to be done in a namespace.

    Attributes:
        spells: what its annotation is to say.
        verdicts: one for each pod that waits.
    """

    spells: tuple[Spell, ...]
    verdicts: tuple[Verdict, ...]


def decide_fallback(
    pods: Iterable[WaitingPod],
    before: Mapping[Key, Spell],
    profiles: Mapping[str, FallbackSettings],
    patient_jobs: Collection[str],
    now: datetime.datetime,
) -> Fallback:
    """What to do in one namespace.

    Args:
        pods: those that wait for room on Spot, of profiles that fall back.
        before: what the namespace's annotation says.
        profiles: the profiles that fall back, by name.
        patient_jobs: uids of the Jobs that don't count an eviction as a failure.
        now: the time.
    """
    spells, verdicts = age_spells(before.values(), profiles, now), list[Verdict]()
    for pod in sorted(pods, key=lambda pod: (pod.since, pod.name)):
        verdict = _judge(pod, spells, profiles[pod.profile].after, patient_jobs, now)
        match verdict:
            case Begins(spell=spell):
                _make_room(spells, spell.key)
                spells[spell.key] = spell
            case Waits() | Goes() | Stays():
                pass
            case never:
                assert_never(never)
        verdicts.append(verdict)
    return Fallback(tuple(spells.values()), tuple(verdicts))


def is_due(pod: WaitingPod, after: datetime.timedelta, now: datetime.datetime) -> bool:
    """Whether the pod has waited for long enough."""
    return now - pod.since >= after


def _judge(
    pod: WaitingPod,
    spells: Mapping[Key, Spell],
    after: datetime.timedelta,
    patient_jobs: Collection[str],
    now: datetime.datetime,
) -> Verdict:
    spell = spells.get((pod.profile, pod.owner.uid)) if pod.owner else None
    on_demand = spell is not None and not spell.is_over
    if not on_demand and not is_due(pod, after, now):
        return Waits(pod)
    if why := _find_obstacle(pod.owner, patient_jobs):
        return Stays(pod, why)
    if on_demand:
        return _judge_on_demand(pod, spell, now) if spell else Waits(pod)
    if spell is None and not _has_room(spells.values()):
        return Stays(pod, Why.FULL)
    return Begins(pod, begin_spell((pod.profile, pod.owner.uid if pod.owner else ""), spell, now))


def _judge_on_demand(pod: WaitingPod, spell: Spell, now: datetime.datetime) -> Verdict:
    settled = spell.since + SETTLED
    return Goes(pod, spell) if pod.created <= settled <= now else Waits(pod)


def _find_obstacle(owner: Owner | None, patient_jobs: Collection[str]) -> Why | None:
    if owner is None:
        return Why.BARE
    if not owner.has_template:
        return Why.UNKNOWN
    return Why.JOB if owner.kind == JOB and owner.uid not in patient_jobs else None


def _has_room(spells: Iterable[Spell]) -> bool:
    return sum(not spell.is_over for spell in spells) < MAX_SPELLS


def _make_room(spells: dict[Key, Spell], new: Key) -> None:
    """Forgets the spell that has been over for longest, if there are as many as there may be."""
    over: Sequence[Spell] = sorted((each for each in spells.values() if each.is_over), key=lambda each: each.until)
    if new not in spells and len(spells) >= MAX_SPELLS and over:
        del spells[over[0].key]
