"""Where notices may go, and what an answer means."""

import datetime

import pytest

from monopod.notices.rules.answer import LONGEST_WISH, Answer, find_target_problem, read_answer, read_retry_after


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (200, Answer.TAKEN), (204, Answer.TAKEN),
        (400, Answer.REFUSED), (410, Answer.REFUSED), (413, Answer.REFUSED), (415, Answer.REFUSED),
        (422, Answer.REFUSED),
        (302, Answer.TROUBLED), (401, Answer.TROUBLED), (404, Answer.TROUBLED), (429, Answer.TROUBLED),
        (503, Answer.TROUBLED),
    ],
)  # fmt: skip
def test_what_a_status_means(status: int, answer: Answer) -> None:
    assert read_answer(status) is answer


NOW = datetime.datetime(2026, 3, 1, 12, 0, 0, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", 0), ("120", 120), ("Sun, 01 Mar 2026 12:00:30 GMT", 30), ("Sun, 01 Mar 2026 12:00:30 -0000", 30),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0), ("soon", 0), ("-5", 0), ("1.5", 0), ("²", 0),
        (f"Sun, 01 Mar {'9' * 20} 12:00:00 GMT", 0), (f"Sun, 01 Mar 2026 12:00:00 +{'9' * 20}", 0),
        ("9" * 5000, LONGEST_WISH), ("Sun, 01 Mar 2126 12:00:00 GMT", LONGEST_WISH),
    ],
    ids=str,
)  # fmt: skip
def test_how_long_a_receiver_wishes_to_be_left_alone(header: str, seconds: float) -> None:
    assert read_retry_after(header, NOW) == seconds


@pytest.mark.parametrize(
    ("url", "has_token", "is_fine"),
    [
        ("https://hooks.example.com/a", True, True),
        ("http://hooks.shop.svc/a", False, True),
        ("http://hooks.shop.svc/a", True, False),
        ("file:///etc/passwd", False, False),
        ("https://", False, False),
        ("https://[", False, False),
        ("", False, False),
    ],
)
def test_a_token_goes_by_tls_only_and_nothing_but_http_is_spoken(url: str, has_token: bool, is_fine: bool) -> None:
    problem = find_target_problem(url, has_token=has_token)
    assert (problem == "") is is_fine
    assert "example" not in problem
    assert "shop" not in problem
