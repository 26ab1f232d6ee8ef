"""Answers about spans in which prices change, and about pods that nobody saw run."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from monopod.ledger.server.answers import Ledger, build_export_rows
from monopod.ledger.server.rules.question import Question, Span
from monopod.ledger.store.store import Store
from monopod.usage.books import parse_book
from monopod.usage.rules.bill import BilledUntil, Terms
from monopod.usage.rules.charge_period import Granularity
from monopod.usage.rules.focus import Account
from monopod.usage.rules.lifetime import Watched
from tests.unit.ledger.server.ledgers import a_lifetime

BOOK = b"""
name: test
region: ""
currency: EUR
versions:
- effective: "2026-01-01"
  source: made up
  checked: "2026-01-01"
  rates: {FARGATE: {x86: {vcpuHour: "0.04", gbHour: "0.004"}}}
- effective: "2026-11-18"
  source: made up, dearer
  checked: "2026-11-18"
  rates: {FARGATE: {x86: {vcpuHour: "0.08", gbHour: "0.008"}}}
"""
HOUR = Decimal("0.012")
"""0.25 × 0.04 + 0.5 × 0.004"""


def at(day: int, hour: int, minute: int = 0) -> int:
    return int(datetime(2026, 11, day, hour, minute, tzinfo=UTC).timestamp() * 1000)


NOW = at(18, 2)
OVERNIGHT = a_lifetime(
    "night", "shop", "Job/night", "00:00:00", pull_started=at(17, 23, 30), acknowledged=at(17, 23, 30),
    container_started=at(17, 23, 31), created=at(17, 23, 29), alive=at(18, 0, 30), gone=frozenset({at(18, 0, 30)}),
)  # fmt: skip
"""Half an hour on either side of the change."""
UNSEEN = a_lifetime(
    "unseen", "shop", "Job/unseen", "00:00:00", pull_started=None, acknowledged=None, container_started=None,
    created=at(18, 0, 50), alive=at(18, 1), gone=frozenset({at(18, 1, 10)}), evidence=frozenset(),
)  # fmt: skip
"""It waited when it was last seen, and was gone ten minutes later."""
DAY = Question(Span(at(17, 0), NOW))


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    path: Path = tmp_path_factory.mktemp("answers") / "ledger.db"
    store = Store.open(f"sqlite:///{path}", Terms())
    store.join(
        (OVERNIGHT, UNSEEN),
        watched=[Watched("ledger-0", at(17, 0), at(18, 1)), Watched("ledger-0", at(18, 1, 10), NOW)],
    )
    yield Ledger(store, parse_book(BOOK, "test.yaml"), Terms(), Account("c1"))
    store.close()


def test_each_second_has_the_price_that_it_had(ledger: Ledger) -> None:
    answer = ledger.answer_cost(DAY, frozenset({"shop"}), NOW)

    assert Decimal(answer["total"]["cost"]["billed"]) == HOUR / 2 + HOUR
    assert answer["total"]["seconds"] == 3600
    assert [version["effective"] for version in answer["book"]["versions"]] == ["2026-01-01", "2026-11-18"]
    assert answer["currency"] == "EUR"


def test_rows_do_not_cross_a_change_of_prices(ledger: Ledger) -> None:
    rows = list(build_export_rows(OVERNIGHT, ledger, DAY.span, Granularity.LIFETIME, NOW))

    assert [(row["periodEnd"], row["prices"]) for row in rows] == [
        ("2026-11-18T00:00:00Z", "test@2026-01-01"),
        ("2026-11-18T00:30:00Z", "test@2026-11-18"),
    ]
    assert [Decimal(row["cost"]) for row in rows] == [HOUR / 2, HOUR]


def test_a_receipt_has_a_line_for_each_price(ledger: Ledger) -> None:
    question = Question(Span(0, NOW), namespaces=frozenset({"shop"}), name="night")
    (receipt,) = ledger.answer_receipt(question, NOW)["receipts"]

    assert [(line["resource"], line["seconds"], line["prices"]) for line in receipt["lines"]] == [
        ("vCPU", 1800, "test@2026-01-01"),
        ("memory", 1800, "test@2026-01-01"),
        ("vCPU", 1800, "test@2026-11-18"),
        ("memory", 1800, "test@2026-11-18"),
    ]
    assert sum(Decimal(line["cost"]) for line in receipt["lines"]) == Decimal(receipt["cost"]["billed"])


def test_what_nobody_saw_run_costs_nothing_at_least(ledger: Ledger) -> None:
    question = Question(Span(0, NOW), namespaces=frozenset({"shop"}), name="unseen")
    (receipt,) = ledger.answer_receipt(question, NOW)["receipts"]
    cost = ledger.answer_cost(DAY, None, NOW)["total"]["cost"]

    assert (receipt["cost"]["least"], receipt["cost"]["billed"]) == ("0", "0")
    assert Decimal(receipt["cost"]["most"]) == 2 * HOUR / 6
    assert Decimal(cost["most"]) - Decimal(cost["least"]) == 2 * HOUR / 6
    assert "No recorder saw it start" in receipt["explanation"][0]


def test_a_tenants_namespace_that_is_not_there_is_empty(ledger: Ledger) -> None:
    assert ledger.answer_cost(DAY, frozenset({"other"}), NOW)["rows"] == []
    assert ledger.answer_running(frozenset({"other"}), NOW)["pods"] == []


@pytest.mark.parametrize(
    ("until", "pods"), [(BilledUntil.POD_DELETED, ["done", "runs"]), (BilledUntil.POD_TERMINATED, ["runs"])]
)
def test_a_completed_pod_costs_something_an_hour_as_long_as_it_is_billed(
    tmp_path: Path, until: BilledUntil, pods: list[str]
) -> None:
    terms = Terms(until)
    store = Store.open(f"sqlite:///{tmp_path / 'ledger.db'}", terms)
    runs = a_lifetime("runs", "shop", "Job/a", "01:00:00")
    waits = a_lifetime(
        "waits", "shop", "Job/a", "01:00:00", pull_started=None, acknowledged=None, container_started=None
    )
    done = a_lifetime("done", "shop", "Job/a", "01:00:00", finished=at(18, 1, 10))
    store.join((runs, waits, done), watched=[Watched("ledger-0", at(17, 0), NOW)])
    ledger = Ledger(store, parse_book(BOOK, "test.yaml"), terms, Account("c1"))

    running, profiles = ledger.answer_running(None, NOW), ledger.answer_profiles(NOW)
    assert sorted(pod["uid"] for pod in running["pods"]) == pods
    assert Decimal(running["hourly"]) == Decimal(profiles["profiles"]["web"]["hourly"]) == 2 * HOUR * len(pods)
    assert Decimal(profiles["profiles"]["web"]["month"]) == Decimal(running["monthToDate"]["cost"]["billed"])
    store.close()
