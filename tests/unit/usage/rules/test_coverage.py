"""How much of a span of time somebody watched."""

from decimal import Decimal

import pytest

from monopod.usage.rules.coverage import Gap, compute_coverage
from monopod.usage.rules.lifetime import Watched

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
