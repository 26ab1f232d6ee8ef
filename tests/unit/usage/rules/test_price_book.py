"""Price books: errors name the field, and what was used keeps the price that it had."""

import datetime
from typing import Any

import pytest

from monopod.usage.rules.price_book import InvalidPrices, PriceBook

Json = dict[str, Any]


def a_version(effective: Any, vcpu: str = "0.04", **more: Any) -> Json:
    rates = {"FARGATE": {"x86": {"vcpuHour": vcpu, "gbHour": "0.004"}}}
    return {"effective": effective, "source": "a test", "checked": "2026-01-02", "rates": rates, **more}


def a_book(*versions: Json, **more: Any) -> Json:
    return {"name": "test", "currency": "USD", "versions": list(versions) or [a_version("2026-01-01")], **more}


def second(text: str) -> int:
    return int(datetime.datetime.fromisoformat(text).timestamp())


@pytest.mark.parametrize(
    ("moment", "vcpu"),
    [
        pytest.param("2020-01-01T00:00:00Z", "0.04", id="before the first"),
        pytest.param("2026-06-30T23:59:59Z", "0.04", id="the last second of the first"),
        pytest.param("2026-07-01T00:00:00Z", "0.05", id="the first second of the second"),
        pytest.param("2030-01-01T00:00:00Z", "0.06", id="long after"),
    ],
)
def test_a_price_holds_from_midnight_in_utc(moment: str, vcpu: str) -> None:
    book = PriceBook.from_resource(
        a_book(a_version("2026-01-01"), a_version(datetime.date(2026, 7, 1), "0.05"), a_version("2027-01-01", "0.06"))
    )
    prices = book.get_prices(second(moment))
    assert str(prices.rates["FARGATE", "x86"].vcpu_hour) == vcpu


def test_a_period_is_cut_where_prices_change() -> None:
    book = PriceBook.from_resource(a_book(a_version("2026-01-01"), a_version("2026-07-01"), a_version("2027-01-01")))
    change = second("2026-07-01T00:00:00Z")
    spans = list(book.split(change - 5, change + 7))
    assert [(span.since - change, span.until - change) for span in spans] == [(-5, 0), (0, 7)]
    assert [span.prices.effective.month for span in spans] == [1, 7]
    assert [(span.since, span.until) for span in book.split(change, change + 7)] == [(change, change + 7)]
    assert list(book.split(change, change)) == []


def change(book: Json, path: str, value: Any) -> Json:
    """The book with another value, or without the field if the value is `...`."""
    place: Any = book
    *way, last = (int(step) if step.isdigit() else step for step in path.split("."))
    for step in way:
        place = place[step]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return book


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("name", ..., "name: must be a name"),
        ("name", "My Rack", "name: must be a name"),
        ("currency", "dollars", "currency: must be a currency such as USD, not 'dollars'"),
        ("region", 5, "region: must be a string, not a number"),
        ("prices", {}, "prices: isn't known"),
        ("versions", ..., "versions: must hold at least one"),
        ("versions", {}, "versions: must be a list"),
        ("versions.0.effective", "soon", "versions[0].effective: must be a date such as 2026-01-31, not 'soon'"),
        ("versions.0.effective", ..., "versions[0].effective: must be a date"),
        ("versions.0.effective", datetime.datetime(2026, 1, 1, 12), "versions[0].effective: must be a date"),
        ("versions.0.checked", ..., "versions[0].checked: must be a date"),
        ("versions.0.source", "", "versions[0].source: must say where the prices come from"),
        ("versions.0.until", "2027-01-01", "versions[0].until: isn't known"),
        ("versions.0.rates.FARGATE.x86", ..., "versions[0].rates.FARGATE.x86: is missing"),
        ("versions.0.rates.SPOT", {}, "versions[0].rates.SPOT: isn't known"),
        ("versions.0.rates.FARGATE.arm64", {}, "versions[0].rates.FARGATE.arm64: isn't known"),
        ("versions.0.rates.FARGATE.x86.hour", "1", "versions[0].rates.FARGATE.x86.hour: isn't known"),
        ("versions.0.storageGbHour", 0.000111, "versions[0].storageGbHour: must be a string, not a number"),
    ],
)
def test_a_book_that_is_wrong_is_refused_with_the_field(path: str, value: Any, problem: str) -> None:
    with pytest.raises(InvalidPrices) as raised:
        PriceBook.from_resource(change(a_book(), path, value))
    assert str(raised.value).startswith(problem)


@pytest.mark.parametrize("price", [..., None, "", "cheap", "-1", "NaN", "Infinity", "1e7", 0.04, "0.000000001"])
def test_a_price_that_is_none_is_refused_with_the_field(price: Any) -> None:
    with pytest.raises(InvalidPrices, match=r"^versions\[0\]\.rates\.FARGATE\.x86\.gbHour: must "):
        PriceBook.from_resource(change(a_book(), "versions.0.rates.FARGATE.x86.gbHour", price))


@pytest.mark.parametrize("second_date", ["2026-01-01", "2025-12-31"])
def test_versions_are_in_the_order_of_their_dates(second_date: str) -> None:
    with pytest.raises(InvalidPrices, match=r"^versions\[1\]\.effective: must be later than 2026-01-01"):
        PriceBook.from_resource(a_book(a_version("2026-01-01"), a_version(second_date)))


def test_zero_is_a_price() -> None:
    book = PriceBook.from_resource(a_book(a_version("2026-01-01", "0", storageGbHour="0")))
    assert not book.versions[0].storage_gb_hour
