"""`hack/prices` adds a version to a price book from AWS's offer file, and never changes an older one."""

import datetime
from decimal import Decimal

import pytest

from monopod.usage.books import list_books, load_book, parse_book
from price_offer import BOOKS, InvalidOffer, read_offer, render, update

TODAY = datetime.date(2027, 2, 3)
HEAD = '"SKU","OfferTermCode","TermType","EffectiveDate","StartingRange","Unit","PricePerUnit","Currency","usageType"'


def an_offer(*rows: tuple[str, str], term: str = "OnDemand", effective: str = "2027-02-01") -> list[str]:
    """A made-up offer file: as AWS's, it begins with lines about itself, and has far more columns and rows."""
    table = [
        f'"A{n}","J","{term}","{effective}","0","h","{price}","USD","{usage}"' for n, (usage, price) in enumerate(rows)
    ]
    return ['"FormatVersion","v1.0"', '"OfferCode","AmazonECS"', HEAD, *table]


USUAL = (
    ("EUC1-Fargate-vCPU-Hours:perCPU", "0.0470000000"),
    ("EUC1-Fargate-GB-Hours", "0.0052000000"),
    ("EUC1-Fargate-ARM-vCPU-Hours:perCPU", "0.0376000000"),
    ("EUC1-Fargate-ARM-GB-Hours", "0.0041600000"),
    ("EUC1-Fargate-Windows-vCPU-Hours:perCPU", "0.1"),
    ("EUC1-Fargate-EphemeralStorage-GB-Hours", "0.0001290000"),
    ("EUC1-Fargate-EphemeralStorage-GB-Hours", "0.0000000000"),
    ("EUC1-ECS-Anywhere-Instance-hours", "0.01025"),
)


def test_an_offer_becomes_the_last_version_of_the_book() -> None:
    book = load_book("eu-central-1")
    updated = update(book, read_offer(an_offer(*USUAL)), TODAY)
    first, last = updated.versions
    assert first == book.versions[0]
    assert (str(last.effective), last.checked, last.storage_gb_hour) == ("2027-02-01", TODAY, Decimal("0.000129"))
    assert {key: (str(rate.vcpu_hour), str(rate.gb_hour)) for key, rate in last.rates.items()} == {
        ("FARGATE", "x86"): ("0.047", "0.0052"),
        ("FARGATE", "arm"): ("0.0376", "0.00416"),
    }
    assert parse_book(render(updated).encode(), "") == updated


def test_the_same_prices_change_nothing() -> None:
    book = update(load_book("eu-central-1"), read_offer(an_offer(*USUAL)), TODAY)
    assert update(book, read_offer(an_offer(*USUAL, effective="2027-05-01")), TODAY) == book


def test_spot_prices_are_carried_over() -> None:
    book = load_book("us-east-1")
    updated = update(book, read_offer(an_offer(*USUAL)), TODAY)
    assert updated.versions[-1].rates["FARGATE_SPOT", "x86"] == book.versions[0].rates["FARGATE_SPOT", "x86"]


def test_usage_types_of_the_first_region_may_have_no_prefix() -> None:
    offer = read_offer(an_offer(("Fargate-vCPU-Hours:perCPU", "0.05"), ("Fargate-GB-Hours", "0.006")))
    assert len(update(load_book("us-east-1"), offer, TODAY).versions) == 2


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        pytest.param([], "no line that begins with SKU", id="empty"),
        pytest.param(["<html>"], "no line that begins with SKU", id="a web page"),
        pytest.param(['"SKU","TermType"'], "no column currency, effectivedate", id="another table"),
        pytest.param(an_offer(*USUAL[1:]), "no prices for vCPU and memory on x86", id="no vCPU"),
        pytest.param(an_offer(*USUAL, term="Reserved"), "no prices for vCPU and memory on x86", id="not on demand"),
        pytest.param(
            an_offer(*USUAL, ("EUC1-Fargate-GB-Hours", "9")), "EUC1-Fargate-GB-Hours has two prices", id="two"
        ),
        pytest.param(
            an_offer(*USUAL, effective="2026-07-07"), "last version from 2026-07-07", id="older than the book"
        ),
    ],
)
def test_a_file_that_is_no_offer_is_refused(lines: list[str], problem: str) -> None:
    with pytest.raises(InvalidOffer, match=problem):
        update(load_book("eu-central-1"), read_offer(lines), TODAY)


@pytest.mark.parametrize("name", [name for name in list_books() if load_book(name).region])
def test_the_books_are_written_as_the_tool_writes_them(name: str) -> None:
    assert render(load_book(name)) == (BOOKS / f"{name}.yaml").read_text(encoding="utf-8")
