"""A drill's moments follow from the clock and the profile alone, and each has one pod."""

import datetime
from itertools import pairwise
from typing import Any

import pytest

from monopod.spot.rules.schedule import Choose, Interrupt, LastDrill, Off, decide

NOON = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.UTC)
SECOND = datetime.timedelta(seconds=1)


def a_profile(
    rate: int, last: LastDrill | None = None, *, uid: str = "p", phase: str = "ACTIVE", dry_run: str = "Sandboxed"
) -> dict[str, Any]:
    told = {"spotDrill": last.write()} if last else {}
    return {
        "metadata": {"name": "batch", "uid": uid},
        "spec": {"spot": {"interruptionsPerHour": rate}},
        "status": {"phase": phase, "dryRun": {"result": dry_run}, **told},
    }


def live(rate: int, hours: int, uid: str = "p", restarts: int = 1) -> list[datetime.datetime]:
    """When pods are chosen; an operator that has just started sees what is on record, and no more."""
    now, end, chosen = NOON, NOON + datetime.timedelta(hours=hours), list[datetime.datetime]()
    last: LastDrill | None = None
    while now < end:
        for _ in range(restarts):
            match decide(a_profile(rate, last, uid=uid), now):
                case Choose():
                    last = LastDrill(now, "shop", f"web-{len(chosen)}", f"uid-{len(chosen)}")
                    chosen.append(now)
                case Interrupt(found):
                    assert found == last
                case Off():
                    raise AssertionError
        now += SECOND
    return chosen


@pytest.mark.parametrize("rate", [1, 7, 60])
def test_as_many_pods_are_chosen_in_an_hour_as_the_rate_says(rate: int) -> None:
    moments = live(rate, 3)
    assert 3 * rate <= len(moments) <= 3 * rate + 1
    assert all(later - earlier < datetime.timedelta(hours=2 / rate) for earlier, later in pairwise(moments))


def test_whoever_decides_and_however_often_the_moments_are_the_same() -> None:
    assert live(60, 1) == live(60, 1, restarts=3)


def test_profiles_have_moments_of_their_own() -> None:
    assert set(live(2, 2, "p")[1:]).isdisjoint(live(2, 2, "q")[1:])


def test_each_slot_draws_by_another_seed() -> None:
    seeds = set()
    for minute in range(60):
        step = decide(a_profile(60), NOON + minute * 60 * SECOND)
        assert isinstance(step, Choose)
        seeds.add(step.seed)
    assert len(seeds) >= 59


def test_a_pod_on_record_stays_the_one_until_the_next_moment() -> None:
    last = LastDrill(NOON, "shop", "web-1", "uid")
    step = decide(a_profile(1, last), NOON + SECOND)
    assert isinstance(step, Interrupt)
    assert isinstance(decide(a_profile(1, last), step.until - SECOND), Interrupt)
    assert isinstance(decide(a_profile(1, last), step.until), Choose)


@pytest.mark.parametrize(
    "profile",
    [
        a_profile(0),
        a_profile(5, phase="DELETING"),
        a_profile(5, phase="CREATE_FAILED"),
        a_profile(5, dry_run="Refused"),
    ],
    ids=["no rate", "being deleted", "not active", "replacements refused"],
)
def test_no_drill_runs(profile: dict[str, Any]) -> None:
    assert decide(profile, NOON) == Off()
