"""Whose turn it is of the notices that wait."""

from monopod.notices.rules.notice import Notice, compute_id
from monopod.notices.rules.turns import Waiting, find_next
from tests.unit.notices.builders import BEGAN, a_task, an_interruption


def a_queue(*notices: Notice) -> dict[str, Waiting]:
    return {compute_id(notice): Waiting(notice, BEGAN) for notice in notices}


def test_the_oldest_comes_first() -> None:
    waiting = a_queue(an_interruption("web-2"), an_interruption("web-1"))
    assert find_next(waiting, 0) == compute_id(an_interruption("web-2"))
    assert find_next({}, 0) is None


def test_one_that_failed_comes_after_those_that_failed_less_often() -> None:
    waiting = a_queue(*map(an_interruption, "abc"))
    for name, failures in (("a", 2), ("b", 1), ("c", 1)):
        waiting[compute_id(an_interruption(name))].failures = failures
    assert find_next(waiting, 0) == compute_id(an_interruption("b"))


def test_one_that_pauses_is_passed_over_until_its_time() -> None:
    waiting = a_queue(an_interruption("a"))
    waiting[compute_id(an_interruption("a"))].due = 10
    assert find_next(waiting, 9.9) is None
    assert find_next(waiting, 10) == compute_id(an_interruption("a"))


def test_what_is_about_the_same_waits_for_what_came_before() -> None:
    waiting = a_queue(a_task(1), a_task(2), an_interruption())
    waiting[compute_id(a_task(1))].failures = 1
    assert find_next(waiting, 0) == compute_id(an_interruption())
    del waiting[compute_id(an_interruption())]
    assert find_next(waiting, 0) == compute_id(a_task(1))
