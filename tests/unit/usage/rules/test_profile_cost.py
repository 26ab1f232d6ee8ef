"""What a profile's status says of its cost, and how often it is written for that."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from monopod.usage.rules.profile_cost import (
    LEAST_SECONDS,
    REFRESH_SECONDS,
    STALE_SECONDS,
    InvalidAnswer,
    ProfileCost,
    ProfileCosts,
    decide_usage,
    read_costs,
)

NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)


def said(age: float = 0.0, hourly: str = "0.0123", month: str = "1.5000", currency: str = "USD") -> dict[str, Any]:
    """What a status says since so many seconds."""
    moment = (NOON - timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"costPerHour": hourly, "costThisMonth": month, "currency": currency, "observedAt": moment}


def answered(hourly: str = "0.0123425", month: str = "1.5", age: float = 0.0) -> ProfileCosts:
    cost = ProfileCost(hourly=Decimal(hourly), month=Decimal(month))
    return ProfileCosts(NOON - timedelta(seconds=age), "USD", {"web": cost})


def test_amounts_are_rounded_to_the_hundredth_of_a_cent() -> None:
    assert decide_usage("web", None, answered("0.00005", "1234567.89125"), NOON) == said(0, "0.0000", "1234567.8912")


def test_a_profile_without_pods_this_month_has_cost_nothing() -> None:
    assert decide_usage("idle", None, answered(), NOON) == said(0, "0.0000", "0.0000")


WRITTEN = {
    "other amounts, long after the last": (said(300, month="1.4990"), True),
    "other amounts, shortly after the last": (said(LEAST_SECONDS - 1, month="1.4990"), False),
    "the same amounts": (said(300), False),
    "the same amounts, before they look stale": (said(REFRESH_SECONDS), True),
    "another currency": (said(300, currency="EUR"), True),
    "what a broken clock wrote": ({**said(), "observedAt": "2036-01-01T00:00:00Z"}, True),
    "what somebody wrote": ({**said(300), "observedAt": "yesterday"}, True),
    "what somebody wrote in part": ({"costPerHour": "0.0123"}, True),
}


@pytest.mark.parametrize(("current", "is_written"), WRITTEN.values(), ids=WRITTEN)
def test_a_status_is_written_for_news_and_before_it_looks_stale(current: dict[str, Any], is_written: bool) -> None:
    assert decide_usage("web", current, answered(), NOON) == (said() if is_written else current)


@pytest.mark.parametrize("costs", [None, answered(age=STALE_SECONDS + 1)], ids=["not asked yet", "no answer for long"])
@pytest.mark.parametrize(("age", "is_kept"), [(STALE_SECONDS - 1, True), (STALE_SECONDS + 1, False)])
def test_what_can_not_be_refreshed_stays_for_an_hour(costs: ProfileCosts | None, age: float, is_kept: bool) -> None:
    assert decide_usage("web", said(age), costs, NOON) == (said(age) if is_kept else None)


def test_without_an_answer_nothing_is_said() -> None:
    assert decide_usage("web", None, None, NOON) is None


def test_an_idle_profile_never_looks_stale_and_is_written_twice_an_hour() -> None:
    current, written = decide_usage("web", None, answered(), NOON), 0
    for minutes in range(5, 24 * 60, 5):
        moment = NOON + timedelta(minutes=minutes)
        costs = ProfileCosts(moment, "USD", answered().profiles)
        wanted = decide_usage("web", current, costs, moment)
        written += wanted != current
        current = wanted
        assert current is not None
        assert moment - datetime.fromisoformat(current["observedAt"]) < timedelta(seconds=REFRESH_SECONDS)
    assert written == 47


def test_an_answer_of_a_newer_ledger_may_say_more() -> None:
    answer = {"currency": "EUR", "new": 1, "profiles": {"web": {"hourly": "0.5", "month": "7", "new": []}}}
    assert read_costs(answer, NOON) == ProfileCosts(
        NOON, "EUR", {"web": ProfileCost(hourly=Decimal("0.5"), month=Decimal(7))}
    )


def of_web(**cost: object) -> object:
    return {"currency": "USD", "profiles": {"web": cost}}


NONSENSE: dict[str, object] = {
    "a list": [],
    "another shape": {"profiles": []},
    "no currency": {"profiles": {}},
    "a made-up currency": {"currency": "<script>", "profiles": {}},
    "a negative amount": of_web(hourly="-1"),
    "no number": of_web(hourly="NaN"),
    "without end": of_web(month="Infinity"),
    "a float without end": of_web(month=float("inf")),
    "beyond all money": of_web(month="1E+999999"),
    "a fraction without end": of_web(month="1E-999999"),
    "names that are none": {"currency": "USD", "profiles": {7: {}}},
}


@pytest.mark.parametrize("answer", NONSENSE.values(), ids=NONSENSE)
def test_what_is_no_answer_is_refused_in_a_sentence(answer: object) -> None:
    with pytest.raises(InvalidAnswer, match="its answer isn't understood"):
        read_costs(answer, NOON)
