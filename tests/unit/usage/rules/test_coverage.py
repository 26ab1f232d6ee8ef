"""How much of a span of time somebody watched."""

from decimal import Decimal
from random import Random

import pytest

from monopod.usage.rules.coverage import MERGED, Gap, compute_coverage, merge_windows
from monopod.usage.rules.lifetime import Watched, compute_last_watched

CASES = {
    "nobody watched": ([], [(100, 200)], "0.000"),
    "all of it": ([(0, 300)], [], "100.000"),
    "exactly all of it": ([(100, 200)], [], "100.000"),
    "the beginning is missing": ([(150, 300)], [(100, 150)], "50.000"),
    "the end is missing": ([(0, 175)], [(175, 200)], "75.000"),
    "a gap of both recorders": ([(0, 120), (0, 130), (150, 300)], [(130, 150)], "80.000"),
    "what one misses the other sees": ([(0, 140), (130, 300)], [], "100.000"),
    "windows that touch": ([(0, 150), (150, 300)], [], "100.000"),
    "a window within another": ([(0, 190), (110, 120), (195, 300)], [(190, 195)], "95.000"),
    "only before": ([(0, 100)], [(100, 200)], "0.000"),
    "only after": ([(200, 300)], [(100, 200)], "0.000"),
    "in any order": ([(180, 200), (100, 120)], [(120, 180)], "40.000"),
}


@pytest.mark.parametrize(("windows", "gaps", "percent"), CASES.values(), ids=CASES)
def test_gaps_are_what_no_recorder_watched(
    windows: list[tuple[int, int]], gaps: list[tuple[int, int]], percent: str
) -> None:
    watched = [Watched(f"ledger-{number % 2}", *window) for number, window in enumerate(windows)]

    coverage = compute_coverage(watched, 100, 200)

    assert coverage.gaps == tuple(Gap(*gap) for gap in gaps)
    assert coverage.percent == Decimal(percent)


def test_a_millisecond_in_a_year_is_not_rounded_away() -> None:
    year = 365 * 86_400_000

    coverage = compute_coverage([Watched("a", 0, year - 1)], 0, year)

    assert coverage.percent == Decimal("99.999")
    assert coverage.unseen == 1


def test_a_recorder_that_wrote_a_moment_ago_watches_now() -> None:
    assert compute_coverage([Watched("a", 0, 9_000)], 0, 10_000, tolerance=5_000).gaps == ()
    assert compute_coverage([Watched("a", 0, 4_000)], 0, 10_000, tolerance=5_000).gaps == (Gap(4_000, 10_000),)


def test_an_empty_span_is_covered() -> None:
    assert compute_coverage([], 100, 100).percent == 100


def test_of_many_windows_the_last_of_each_recorder_is_kept_and_when_anybody_watched_before() -> None:
    windows = [
        Watched("a", 0, 10), Watched("b", 5, 20), Watched("a", 30, 40), Watched("a", 35, 35), Watched("b", 50, 60),
        Watched("a", 70, 80), Watched("b", 90, 90),
    ]  # fmt: skip
    assert merge_windows(windows) == [
        Watched(MERGED, 0, 20), Watched(MERGED, 30, 40), Watched(MERGED, 50, 60), Watched("a", 70, 80),
        Watched("b", 90, 90),
    ]  # fmt: skip


def test_merging_changes_nothing_that_is_told_in_whatever_order_and_however_often_windows_come() -> None:
    random = Random(1)
    windows = []
    for _ in range(60):
        since = random.randrange(1000)
        windows.append(Watched(random.choice("abc"), since, since + random.randrange(60)))
    once = merge_windows(windows)
    again: list[Watched] = []
    for window in random.sample(windows, len(windows)) + random.sample(windows, len(windows)):
        again = merge_windows([*again, window])

    assert compute_coverage(again, 0, 1100) == compute_coverage(once, 0, 1100) == compute_coverage(windows, 0, 1100)
    assert compute_last_watched(again) == compute_last_watched(once)
    assert {**compute_last_watched(windows), MERGED: 0} == {**compute_last_watched(once), MERGED: 0}
    assert set(merge_windows(once)) == set(once)
