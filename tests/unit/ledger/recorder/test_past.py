"""At which versions the past is listed."""

import pytest

from monopod.ledger.recorder.past import (
    MOST_LISTS,
    Outage,
    Plan,
    count_lists,
)
from monopod.ledger.recorder.revision_times import RevisionTimes

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
    listed = list_all(Plan(TWELVE_MINUTES, MOST_LISTS, RevisionTimes()))
    assert listed == [1000 + part * 600 for part in range(1, 12)]


def test_fewer_lists_cut_it_into_fewer_parts() -> None:
    assert list_all(Plan(TWELVE_MINUTES, 1, RevisionTimes())) == [4600]
    assert list_all(Plan(TWELVE_MINUTES, 3, RevisionTimes())) == [2800, 4600, 6400]
    assert list_all(Plan(TWELVE_MINUTES, 0, RevisionTimes())) == []


def test_where_most_was_written_in_a_short_time_lists_are_apart_in_time_not_in_versions() -> None:
    """Nine tenths of all versions were written in the last minute."""
    times = RevisionTimes()
    for version in range(1000, 8200, 20):
        moment = (version - 1000) * 660_000 // 720 if version < 1720 else 660_000 + (version - 1720) * 60_000 // 6480
        times.add_write(version, moment)
    listed = list_all(Plan(TWELVE_MINUTES, MOST_LISTS, times))
    assert sum(version < 1720 for version in listed) >= 7
    assert len(listed) <= MOST_LISTS


@pytest.mark.parametrize("forgotten", [1001, 2000, 5000, 8000, 8200])
def test_what_is_refused_is_not_asked_for_again_and_neither_is_what_was_before_it(forgotten: int) -> None:
    plan = Plan(TWELVE_MINUTES, MOST_LISTS, RevisionTimes())
    listed = list_all(plan, forgotten, most=25)
    assert all(version >= forgotten for version in listed)
    if forgotten <= 5000:
        assert len(listed) >= 9, "what is still there is cut as finely"


def test_lists_are_no_closer_than_stamps_can_tell_apart() -> None:
    short = Outage(since=0, until=7_000, first=1000, last=8200, current=frozenset(), missing=())
    assert len(list_all(Plan(short, MOST_LISTS, RevisionTimes()))) == 3


def test_versions_that_do_not_exist_are_not_listed() -> None:
    quiet = Outage(since=0, until=600_000, first=4000, last=4003, current=frozenset(), missing=())
    assert list_all(Plan(quiet, MOST_LISTS, RevisionTimes())) == [4001, 4002]


def test_the_number_of_lists_follows_from_the_number_of_pages() -> None:
    assert [count_lists(pages, 100) for pages in (1, 7, 20, 99, 100, 1000)] == [11, 11, 4, 0, 0, 0]
