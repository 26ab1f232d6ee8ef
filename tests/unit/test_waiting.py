"""A wait of the tests that fails says what it saw last."""

from tests.waiting import describe_check


def test_both_sides_of_a_comparison_are_shown() -> None:
    seen = {"phase": "CREATING"}
    assert describe_check(lambda: seen["phase"] == "ACTIVE").splitlines()[1:] == ["seen['phase'] is 'CREATING'"]


def test_every_part_of_a_longer_condition_is_shown() -> None:
    pods, ready = ["a"], 0
    assert describe_check(lambda: len(pods) == 1 and not ready).splitlines()[1:] == ["len(pods) is 1", "ready is 0"]


def test_of_two_checks_on_a_line_the_right_one_is_shown() -> None:
    first, second = (lambda: 1 > 2), (lambda: [] == [3])
    assert describe_check(first).splitlines()[0] == "1 > 2"
    assert describe_check(second).splitlines() == ["[] == [3]", "[] is []", "[3] is [3]"]


def test_a_part_that_fails_is_told_and_hides_nothing() -> None:
    found: list[int] = []
    assert "found[0] is an error: IndexError" in describe_check(lambda: found[0] == 1)


def test_of_a_function_the_result_is_shown() -> None:
    def look() -> list[str]:
        return []

    assert describe_check(look).endswith("look() is []")
