"""At which versions the past is listed, and when these were."""

import random
from typing import Any

import pytest

from monopod.ledger.recorder.past import (
    CUT_MS,
    MOST_LISTS,
    WRITE_MS,
    Outage,
    Plan,
    RevisionTimes,
    count_lists,
    list_writes,
)
from monopod.usage.rules.lifetime import Interval

LATE = CUT_MS + WRITE_MS
TWELVE_MINUTES = Outage(since=0, until=720_000, first=1000, last=8200, current=frozenset(), missing=())


def list_all(plan: Plan, forgotten: int = 0, most: int = 100) -> list[int]:
    """The versions that are listed, where the API server has none below `forgotten`."""
    listed: list[int] = []
    for _ in range(most):
        version = plan.choose()
        if version is None:
            return sorted(listed)
        assert 1000 < version < 8200
        assert version not in listed
        if version < forgotten:
            plan.refuse(version)
        else:
            plan.add(version)
            listed.append(version)
    raise AssertionError("it doesn't end")


def test_lists_cut_an_outage_into_twelve_parts() -> None:
    listed = list_all(Plan(MOST_LISTS, RevisionTimes(TWELVE_MINUTES)))
    assert listed == [1000 + part * 600 for part in range(1, 12)]


def test_fewer_lists_cut_it_into_fewer_parts() -> None:
    assert list_all(Plan(1, RevisionTimes(TWELVE_MINUTES))) == [4600]
    assert list_all(Plan(3, RevisionTimes(TWELVE_MINUTES))) == [2800, 4600, 6400]
    assert list_all(Plan(0, RevisionTimes(TWELVE_MINUTES))) == []


def test_where_most_was_written_in_a_short_time_lists_are_apart_in_time_not_in_versions() -> None:
    """Nine tenths of all versions were written in the last minute."""
    times = RevisionTimes(TWELVE_MINUTES)
    for version in range(1000, 8200, 20):
        moment = (version - 1000) * 660_000 // 720 if version < 1720 else 660_000 + (version - 1720) * 60_000 // 6480
        times.add_write(version, moment)
    listed = list_all(Plan(MOST_LISTS, times))
    assert sum(version < 1720 for version in listed) >= 7
    assert len(listed) <= MOST_LISTS


@pytest.mark.parametrize("forgotten", [1001, 2000, 5000, 8000, 8200])
def test_what_is_refused_is_not_asked_for_again_and_neither_is_what_was_before_it(forgotten: int) -> None:
    plan = Plan(MOST_LISTS, RevisionTimes(TWELVE_MINUTES))
    listed = list_all(plan, forgotten, most=25)
    assert all(version >= forgotten for version in listed)
    if forgotten <= 5000:
        assert len(listed) >= 9, "what is still there is cut as finely"


def test_lists_are_no_closer_than_stamps_can_tell_apart() -> None:
    short = Outage(since=0, until=7_000, first=1000, last=8200, current=frozenset(), missing=())
    assert len(list_all(Plan(MOST_LISTS, RevisionTimes(short)))) == 3


def test_versions_that_do_not_exist_are_not_listed() -> None:
    quiet = Outage(since=0, until=600_000, first=4000, last=4003, current=frozenset(), missing=())
    assert list_all(Plan(MOST_LISTS, RevisionTimes(quiet))) == [4001, 4002]


def test_a_version_was_written_between_the_stamps_around_it() -> None:
    times = RevisionTimes(TWELVE_MINUTES)
    assert times.compute(3000) == Interval(0, 720_000)
    times.add_write(2000, 100_000)
    times.add_write(4000, 200_000)
    times.add_stamp(3500, 150_000)
    assert times.compute(1999) == Interval(0, 100_000 + LATE)
    assert times.compute(2000) == Interval(100_000, 100_000 + LATE)
    assert times.compute(3000) == Interval(100_000, 200_000 + LATE)
    assert times.compute(3500) == Interval(150_000, 200_000 + LATE)
    assert times.compute(5000) == Interval(200_000, 720_000)


def test_nothing_is_concluded_where_stamps_and_versions_are_in_another_order() -> None:
    times = RevisionTimes(TWELVE_MINUTES)
    times.add_write(2000, 300_000)
    times.add_write(4000, 200_000)
    assert times.compute(3000) == Interval(0, 720_000)
    assert times.compute(1500) == Interval(0, 200_000 + LATE)


def test_stamps_from_outside_the_outage_tell_nothing() -> None:
    times = RevisionTimes(Outage(since=500_000, until=720_000, first=1000, last=8200, current=frozenset(), missing=()))
    times.add_write(2000, 100_000)  # of a clock that is far behind
    assert times.compute(1500) == Interval(500_000, 720_000)
    times.add_write(3000, 900_000)  # of one that is far ahead
    assert times.compute(3500) == Interval(500_000, 720_000)


@pytest.mark.parametrize("seed", range(50))
def test_the_truth_lies_within_the_bounds_of_every_version(seed: int) -> None:
    dice = random.Random(seed)
    moments, now = dict[int, int](), 0
    for version in range(1001, 1400):
        now += dice.choice([1, 30, 500, 4_000])
        moments[version] = now
    outage = Outage(since=0, until=now + 1, first=1000, last=1400, current=frozenset(), missing=())
    times = RevisionTimes(outage)
    for version in dice.sample(sorted(moments), 40):
        stamped = (moments[version] - dice.randrange(WRITE_MS)) // 1000 * 1000
        if dice.random() < 0.7:
            times.add_write(version, stamped)
        else:
            times.add_stamp(version, stamped)
        some = dice.choice(sorted(moments))
        assert times.compute(some).earliest <= moments[some] <= times.compute(some).latest


def test_the_number_of_lists_follows_from_the_number_of_pages() -> None:
    assert [count_lists(pages, 100) for pages in (1, 7, 20, 99, 100, 1000)] == [11, 11, 4, 1, 0, 0]


def test_a_leases_last_write_is_what_the_api_server_stamped_it_with() -> None:
    def lease(version: object, *times: object) -> dict[str, Any]:
        return {"metadata": {"resourceVersion": version, "managedFields": [{"time": time} for time in times]}}

    noon = "2026-11-28T12:00:00Z"
    assert list_writes([lease("7", "2026-11-28T11:59:00Z", noon)]) == [(7, 1_795_867_200_000)]
    odd: list[Any] = [
        {},
        {"metadata": {}},
        lease("7"),
        lease("x", noon),
        lease("7", "noon"),
        lease("7", "0001-01-01T00:00:00Z"),
    ]
    assert list_writes([*odd, {"metadata": {"managedFields": [None]}}]) == []
