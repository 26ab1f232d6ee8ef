"""Where the patching of pods stands, from one moment to the next."""

import datetime
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from monopod.patching.rules.rounds import (
    OVERDUE_AFTER,
    STUCK_AFTER,
    Done,
    Evicting,
    Noticed,
    Overdue,
    Round,
    Waiting,
    compute_round,
    compute_termination,
)
from monopod.patching.rules.staleness import Cause, StalePod
from monopod.patching.rules.windows import Window, build_window

HOUR = datetime.timedelta(hours=1)
DAY = datetime.timedelta(days=1)
START = datetime.datetime(2026, 3, 20, 12, tzinfo=datetime.UTC)
"""A Friday; the clocks of Berlin change on the 29th."""

ZONES = {"node-a": "a", "node-b": "b"}
SATURDAYS = build_window("0 2 * * SAT", 4 * HOUR, ZoneInfo("Europe/Berlin"))
SUNDAYS = build_window("30 2 * * SUN", 4 * HOUR, ZoneInfo("Europe/Berlin"))


def a_pod(name: str, node: str = "node-a", age: int = 10, eligible: datetime.datetime = START) -> StalePod:
    return StalePod("prod", name, name, "web", node, START - age * DAY, Cause.PATCH, eligible)


def names(found: Round) -> list[str]:
    return [pod.name for pod in found.next] if isinstance(found, Evicting) else []


def test_nothing_stale_is_done() -> None:
    assert compute_round([], ZONES, [], START, {}) == Done()


def test_a_round_goes_from_notice_to_wait_to_evictions_to_overdue() -> None:
    pods, windows = [a_pod("web-1", eligible=START + 7 * DAY)], [SATURDAYS]
    saturday = datetime.datetime(2026, 3, 28, 1, tzinfo=datetime.UTC)
    found = compute_round(pods, ZONES, windows, START, {})
    assert found == Noticed(tuple(pods), saturday)
    assert compute_round(pods, ZONES, windows, START + 7 * DAY - HOUR, {}) == found, "a window before is none of its"
    assert compute_round(pods, ZONES, windows, START + 7 * DAY, {}) == Waiting(tuple(pods), saturday)
    found = compute_round(pods, ZONES, windows, saturday, {})
    assert isinstance(found, Evicting)
    assert (found.zone, found.next, found.closes) == ("a", tuple(pods), saturday + 4 * HOUR)
    after = compute_round(pods, ZONES, windows, saturday + 4 * HOUR, {})
    assert after == Waiting(tuple(pods), datetime.datetime(2026, 4, 4, 0, tzinfo=datetime.UTC)), "in summer time"
    termination = compute_termination(saturday + HOUR, windows)
    refused = {"web-1": termination}
    assert termination == datetime.datetime(2026, 4, 4, 0, tzinfo=datetime.UTC), "three days later none is open"
    assert isinstance(compute_round(pods, ZONES, windows, termination - HOUR, refused), Waiting)
    assert compute_round(pods, ZONES, windows, termination, refused) == Overdue(tuple(pods), termination, may_go=True)
    late = compute_round(pods, ZONES, windows, termination + DAY, refused)
    assert late == Overdue(tuple(pods), termination, may_go=False)
    assert isinstance(compute_round(pods, ZONES, windows, termination, {}), Evicting), "no one has asked yet"


def test_a_window_that_spring_skips_opens_all_the_same() -> None:
    pods = [a_pod("web-1", eligible=START + 8 * DAY)]
    assert compute_round(pods, ZONES, [SUNDAYS], START + 8 * DAY, {}) == Waiting(
        tuple(pods), datetime.datetime(2026, 3, 29, 1, 30, tzinfo=datetime.UTC)
    )


def test_without_windows_evictions_begin_when_the_wait_is_over() -> None:
    pods = [a_pod("web-1", eligible=START + DAY)]
    assert compute_round(pods, ZONES, [], START, {}) == Noticed(tuple(pods), START + DAY)
    assert names(compute_round(pods, ZONES, [], START + DAY, {})) == ["web-1"]
    assert isinstance(compute_round(pods, ZONES, [], START + 30 * DAY, {}), Evicting), "no one asked in time"


def test_zones_come_one_after_the_other_and_the_oldest_pods_first() -> None:
    pods = [a_pod("b-1", "node-b", 90), a_pod("a-young", age=1), a_pod("a-old", age=30), a_pod("a-older", age=60)]
    found = compute_round(pods, ZONES, [], START, {})
    assert isinstance(found, Evicting)
    assert (found.zone, names(found)) == ("a", ["a-older", "a-old", "a-young"])
    assert [pod.name for pod in found.stale] == ["a-older", "a-old", "a-young", "b-1"]
    assert names(compute_round(pods[:1], ZONES, [], START, {})) == ["b-1"]


def test_the_next_zone_waits_until_the_last_pod_of_the_one_before_has_gone() -> None:
    leaving = replace(a_pod("a-1"), is_terminating=True)
    found = compute_round([leaving, a_pod("b-1", "node-b")], ZONES, [], START, {})
    assert isinstance(found, Evicting)
    assert (found.zone, names(found)) == ("a", [])
    leaving = replace(a_pod("b-0", "node-b"), is_terminating=True)
    assert names(compute_round([leaving, a_pod("a-1")], ZONES, [], START, {})) == [], "whichever zone it is"


def test_zones_dont_overlap_outside_of_windows_either_nor_for_a_pod_that_goes_before_it_has_to() -> None:
    moved = replace(a_pod("a-1"), cause=Cause.MAINTENANCE)
    evicted = replace(a_pod("b-1", "node-b"), is_terminating=True)
    restarted = replace(evicted, eligible_from=START + DAY)
    for leaving in evicted, restarted:
        found = compute_round([moved, leaving], ZONES, [SATURDAYS], START, {})
        assert isinstance(found, Evicting)
        assert (found.zone, found.next, found.closes) == ("b", (), None), "no window is open"
        assert names(compute_round([moved, leaving], ZONES, [], START, {})) == []
    assert names(compute_round([moved, a_pod("b-1", "node-b")], ZONES, [SATURDAYS], START, {})) == ["a-1"]


def test_a_pod_that_stays_long_after_its_grace_period_holds_up_no_zone_and_no_end_of_the_others() -> None:
    stuck = replace(a_pod("a-1"), is_terminating=True, ends=START)
    pods = [stuck, a_pod("a-2"), a_pod("b-1", "node-b")]
    soon, later = START + STUCK_AFTER - HOUR / 60, START + STUCK_AFTER
    assert names(compute_round([stuck, pods[2]], ZONES, [], soon, {})) == []
    assert names(compute_round([stuck, pods[2]], ZONES, [], later, {})) == ["b-1"]
    assert names(compute_round(pods, ZONES, [], later, {})) == ["a-2"], "the others of its zone come first"
    assert names(compute_round([stuck, pods[2]], ZONES, [], later, {"b-1": later + DAY})) == ["b-1"]
    assert compute_round(pods[:2], ZONES, [], later, {"a-2": later}) == Overdue(tuple(pods[:2]), later, may_go=True)
    alone = compute_round([stuck], ZONES, [], later, {})
    assert isinstance(alone, Evicting), "it isn't gone"
    assert alone.next == ()


def test_pods_that_were_refused_hold_up_no_other_zone_and_are_asked_for_again() -> None:
    pods = [a_pod("a-1"), a_pod("a-2"), a_pod("b-1", "node-b")]

    def go_on(*refused: str, among: list[StalePod] = pods) -> list[str]:
        return names(compute_round(among, ZONES, [], START, dict.fromkeys(refused, START + OVERDUE_AFTER)))

    assert go_on("a-1") == ["a-1", "a-2"], "not all of them were"
    assert go_on("a-1", "a-2") == ["b-1"]
    assert go_on("a-1", "a-2", "b-1") == ["a-1", "a-2", "b-1"], "the budget of one zone's may let them go before others"
    assert go_on("a-1", "a-2", among=pods[:2]) == ["a-1", "a-2"]


def test_nodes_without_a_zone_come_first() -> None:
    pods = [a_pod("a-1"), a_pod("x-1", "node-x")]
    found = compute_round(pods, ZONES, [], START, {})
    assert isinstance(found, Evicting)
    assert (found.zone, names(found)) == ("", ["x-1"])


def test_only_pods_whose_wait_is_over_go() -> None:
    pods = [a_pod("a-1", eligible=START + DAY), a_pod("b-1", "node-b")]
    assert names(compute_round(pods, ZONES, [], START, {})) == ["b-1"]


def test_a_round_isnt_overdue_while_a_pod_has_time_left() -> None:
    pods, late = [a_pod("a-1"), a_pod("a-2")], START + OVERDUE_AFTER
    assert names(compute_round(pods, ZONES, [], late, {"a-1": late})) == ["a-1", "a-2"], "one wasn't asked for"
    refused = {"a-1": late, "a-2": late + HOUR}
    overdue = compute_round([*pods, a_pod("b-1", "node-b")], ZONES, [], late + HOUR, {**refused, "b-1": late})
    assert isinstance(overdue, Overdue)
    assert [pod.name for pod in overdue.next] == ["a-1", "a-2", "b-1"]
    going = [replace(pods[0], is_terminating=True), pods[1], a_pod("b-1", "node-b")]
    overdue = compute_round(going, ZONES, [], late + HOUR, {**refused, "b-1": late})
    assert isinstance(overdue, Overdue)
    assert [pod.name for pod in overdue.next] == ["a-2"], "zones come one after the other then, too"
    assert names(compute_round(pods, ZONES, [], late, refused)) == ["a-1", "a-2"]
    assert compute_round(pods, ZONES, [], late + HOUR, refused) == Overdue(tuple(pods), late + HOUR, may_go=True)


@pytest.mark.parametrize("windows", [[], [SATURDAYS], [SATURDAYS, SUNDAYS]], ids=["none", "one", "two"])
def test_a_round_that_is_looked_at_every_hour_evicts_all_within_windows_and_never_in_two_zones(
    windows: list[Window],
) -> None:
    """As an operator does that is killed between any two looks: nothing is carried over but the pods themselves."""
    pods = {f"{zone}-{number}": a_pod(f"{zone}-{number}", f"node-{zone}") for zone in "ab" for number in range(5)}
    now = START
    phases: list[str] = []
    for _ in range(24 * 40):
        found = compute_round(pods.values(), ZONES, windows, now, {})
        phases += [type(found).__name__] if phases[-1:] != [type(found).__name__] else []
        leaving = [name for name, pod in pods.items() if pod.is_terminating]
        if isinstance(found, Evicting) and found.next:
            chosen = found.next[0]
            assert {name[0] for name in [*leaving, chosen.name]} == {found.zone}
            pods[chosen.name] = replace(chosen, is_terminating=True)
        for name in leaving:
            del pods[name]
        now += HOUR
    assert not pods
    assert phases[-1] == "Done"
    assert set(phases) <= {"Evicting", "Waiting", "Done"}
