"""What becomes of pods that find no room on Spot."""

import datetime
from typing import Any

import pytest

from monopod.spot.rules.fallback import SETTLED, Begins, Fallback, Goes, Stays, Waits, Why, decide_fallback
from monopod.spot.rules.jobs import ignores_disruptions
from monopod.spot.rules.settings import FallbackSettings, read_duration, read_fallbacks
from monopod.spot.rules.spells import MAX_SPELLS, Key, Spell
from monopod.spot.rules.waiting import WaitingPod, read_waiting
from tests.unit.builders import a_profile_resource
from tests.unit.spot.waiting import OWNER, a_waiting_pod

T0 = datetime.datetime(2026, 3, 1, 12, 0, tzinfo=datetime.UTC)
MINUTE, SECOND = datetime.timedelta(minutes=1), datetime.timedelta(seconds=1)
PROFILES = {"web": FallbackSettings(2 * MINUTE)}


def waiting(**changes: Any) -> WaitingPod:
    pod = read_waiting(a_waiting_pod(**changes))
    assert pod is not None
    return pod


def decide(
    now: datetime.datetime, *pods: WaitingPod, before: dict[Key, Spell] | None = None, jobs: tuple[str, ...] = ()
) -> Fallback:
    return decide_fallback(pods or (waiting(),), before or {}, PROFILES, jobs, now)


def keyed(*spells: Spell) -> dict[Key, Spell]:
    return {spell.key: spell for spell in spells}


def test_a_pod_waits_then_its_workload_is_on_demand_then_it_goes() -> None:
    pod = waiting()
    assert decide(T0 + 2 * MINUTE - SECOND) == Fallback((), (Waits(pod),))
    begun = T0 + 2 * MINUTE
    spell = Spell("web", OWNER, begun + 10 * MINUTE)
    assert decide(begun) == Fallback((spell,), (Begins(pod, spell),))
    assert decide(begun + SETTLED - SECOND, before=keyed(spell)).verdicts == (Waits(pod),)
    assert decide(begun + SETTLED, before=keyed(spell)).verdicts == (Goes(pod, spell),)


def test_pods_of_one_workload_begin_one_spell_and_the_later_ones_wait_for_it() -> None:
    first, second = waiting(), waiting(name="web-2")
    fallback = decide(T0 + 2 * MINUTE, first, second)
    assert len(fallback.spells) == 1
    assert [type(verdict) for verdict in fallback.verdicts] == [Begins, Waits]


def test_a_pod_that_waits_since_a_moment_goes_with_the_others_if_it_was_created_before() -> None:
    spell = Spell("web", OWNER, T0 + 10 * MINUTE)
    later = T0 + MINUTE
    young = waiting(since=later, created=T0 + SECOND)
    assert decide(later, young, before=keyed(spell)).verdicts == (Goes(young, spell),)
    strange = waiting(since=later, created=T0 + SETTLED + SECOND)
    assert decide(T0 + 5 * MINUTE, strange, before=keyed(spell)).verdicts == (Waits(strange),), "no loop"


def test_after_the_spell_pods_are_on_spot_again_and_the_next_spell_is_longer() -> None:
    spell = Spell("web", OWNER, T0)
    pod = waiting(since=T0 + MINUTE, created=T0 + MINUTE)
    over = Spell("web", OWNER, T0, is_over=True)
    assert decide(T0 + 2 * MINUTE, pod, before=keyed(spell)) == Fallback((over,), (Waits(pod),))
    again = Spell("web", OWNER, T0 + 23 * MINUTE, 2)
    assert decide(T0 + 3 * MINUTE, pod, before=keyed(over)) == Fallback((again,), (Begins(pod, again),))


STAYING: dict[str, tuple[dict[str, Any], tuple[str, ...], Why | None]] = {
    "without a controller": ({"kind": ""}, (), Why.BARE),
    "of a kind that nobody knows": ({"kind": "Rollout"}, (), Why.UNKNOWN),
    "of a Job": ({"kind": "Job"}, (), Why.JOB),
    "of a Job that ignores disruptions": ({"kind": "Job"}, (OWNER,), None),
    "of a StatefulSet": ({"kind": "StatefulSet"}, (), None),
}


@pytest.mark.parametrize(("changes", "jobs", "why"), STAYING.values(), ids=STAYING)
def test_a_pod_stays_where_nothing_would_replace_it_without_harm(
    changes: dict[str, Any], jobs: tuple[str, ...], why: Why | None
) -> None:
    pod = waiting(**changes)
    [verdict] = decide(T0 + 2 * MINUTE, pod, jobs=jobs).verdicts
    assert verdict == Stays(pod, why) if why else isinstance(verdict, Begins)


def test_a_namespace_has_so_many_workloads_on_demand_and_no_more() -> None:
    now = T0 + 2 * MINUTE
    others = [Spell("web", f"{number:08}-2222-3333-4444-555555555555", now + MINUTE) for number in range(MAX_SPELLS)]
    pod = waiting()
    assert decide(now, pod, before=keyed(*others)).verdicts == (Stays(pod, Why.FULL),)
    past = Spell("web", others[0].owner, T0, is_over=True)
    fallback = decide(now, pod, before=keyed(past, *others[1:]))
    assert isinstance(fallback.verdicts[0], Begins)
    assert len(fallback.spells) == MAX_SPELLS
    assert past not in fallback.spells, "forgotten for it"


def test_a_profile_says_whether_it_falls_back_and_after_how_long() -> None:
    def resource(name: str, **spot: str) -> dict[str, Any]:
        return a_profile_resource(name, {"namespace": "prod"}, spot=spot)

    going = resource("going", fallback="OnDemand")
    going["metadata"]["deletionTimestamp"] = "2026-03-01T12:00:00Z"
    broken = a_profile_resource("broken", {"namespace": "prod"}, spot="OnDemand")
    found = read_fallbacks(
        [
            resource("web", fallback="OnDemand"),
            resource("quick", fallback="OnDemand", fallbackAfter="30s"),
            resource("none", fallback="None"),
            a_profile_resource("silent", {"namespace": "prod"}),
            going,
            broken,
        ]
    )
    assert {name: each.after.total_seconds() for name, each in found.items()} == {"web": 120, "quick": 30}
    assert read_duration("1h2m3s").total_seconds() == 3723


def test_a_job_bears_an_eviction_if_its_policy_ignores_disruptions() -> None:
    def job(*rules: dict[str, Any]) -> dict[str, Any]:
        return {"spec": {"podFailurePolicy": {"rules": list(rules)}}}

    target = {"type": "DisruptionTarget"}
    assert ignores_disruptions(job({"action": "Ignore", "onPodConditions": [{**target, "status": "True"}]}))
    assert ignores_disruptions(job({"action": "Ignore", "onPodConditions": [target]}))
    assert not ignores_disruptions(job({"action": "Count", "onPodConditions": [target]}))
    assert not ignores_disruptions(job({"action": "Ignore", "onPodConditions": [{**target, "status": "False"}]}))
    assert not ignores_disruptions(job({"action": "Ignore", "onPodConditions": [{"type": "ConfigIssue"}]}))
    assert not ignores_disruptions({"spec": {}})
