"""The price books that come with Monopod can be read, and a cluster's own stand beside them."""

from pathlib import Path

import pytest

from monopod.usage.books import UnknownBook, list_books, load_book
from monopod.usage.rules.price_book import InvalidPrices

REGIONS = {
    "us-east-1", "us-east-2", "us-west-2", "eu-west-1", "eu-central-1", "eu-west-2",
    "ap-southeast-1", "ap-northeast-1", "sa-east-1",
}  # fmt: skip

OWN = """
name: %s
currency: EUR
versions:
- {effective: 2026-01-01, source: us, checked: 2026-01-01, rates: {FARGATE: {x86: {vcpuHour: "1", gbHour: "2"}}}}
"""


def test_nine_regions_and_an_example_come_along() -> None:
    assert set(list_books()) == {*REGIONS, "my-rack"}


@pytest.mark.parametrize("name", list_books())
def test_every_book_can_be_read(name: str) -> None:
    book = load_book(name)
    assert book.region == (name if name in REGIONS else "")
    assert book.currency == ("USD" if name in REGIONS else "EUR")
    assert all(version.source and version.checked >= version.effective for version in book.versions)


@pytest.mark.parametrize("name", ["nowhere", "../price_books/us-east-1", ""])
def test_an_unknown_book_names_the_known_ones(name: str) -> None:
    with pytest.raises(UnknownBook, match=r"only .*my-rack.*us-east-1"):
        load_book(name)


def test_a_book_of_ones_own_stands_beside_ours_or_in_place_of_one(tmp_path: Path) -> None:
    for name in ("cellar", "us-east-1"):
        (tmp_path / f"{name}.yaml").write_text(OWN % name, encoding="utf-8")
    assert "cellar" in list_books([tmp_path])
    assert load_book("us-east-1", [tmp_path]).currency == "EUR"
    assert load_book("us-east-2", [tmp_path, tmp_path / "missing"]).currency == "USD"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param("[", "cellar.yaml: ", id="no YAML"),
        pytest.param("5", "cellar.yaml: must be a mapping", id="no mapping"),
        pytest.param("\x00", "cellar.yaml: ", id="no text"),
        pytest.param(OWN % "attic", "cellar.yaml: name: must be 'cellar', like the file", id="another name"),
        pytest.param("currency: EUR", "cellar.yaml: name: must be a name", id="a field"),
    ],
)
def test_a_book_that_cannot_be_read_is_named(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "cellar.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidPrices) as raised:
        load_book("cellar", [tmp_path])
    assert str(raised.value).startswith(problem)
