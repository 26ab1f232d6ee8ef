"""Rows as Parquet: exact decimals, times with a zone, and nothing where there is nothing."""

import datetime
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from arro3.io import read_parquet

from monopod.cli.failure import UnreadableInput
from monopod.cli.usage.command import LIFETIME_COLUMNS
from monopod.cli.usage.parquet import write_parquet
from monopod.usage.rules.focus_columns import COLUMNS, FocusVersion

ROW = {
    "namespace": "shop", "pod": "web-0", "seconds": 3600, "cost": "0.002057083333",
    "periodStart": "2026-11-18T10:00:00Z", "endNotAfter": "",
}  # fmt: skip


def read(path: Path) -> dict[str, list[Any]]:
    table: Any = read_parquet(str(path)).read_all()  # its stubs call an iterator an iterable
    return {name: [each.as_py() for each in table.column(name)] for name in table.column_names}


def test_lifetimes_keep_their_types_and_every_decimal(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"

    assert write_parquet(iter([ROW, ROW]), LIFETIME_COLUMNS, path, is_focus=False) == 2

    found = read(path)
    assert list(found) == list(LIFETIME_COLUMNS)
    assert found["cost"] == [Decimal("0.002057083333")] * 2
    assert found["seconds"] == [3600, 3600]
    assert found["periodStart"][0] == datetime.datetime(2026, 11, 18, 10, tzinfo=datetime.UTC)
    assert found["endNotAfter"] == [None, None]


def test_rows_of_focus_keep_exact_products(tmp_path: Path) -> None:
    columns, path = COLUMNS[FocusVersion.V1_4], tmp_path / "focus.parquet"
    row = {**dict.fromkeys(columns), "BilledCost": "0.00017147777777328", "Tags": "{}"}

    write_parquet(iter([row]), columns, path, is_focus=True)

    found = read(path)
    assert found["BilledCost"] == [Decimal("0.00017147777777328")]
    assert found["Tags"] == ["{}"]


def test_no_row_is_lost_between_batches(tmp_path: Path) -> None:
    path, rows = tmp_path / "many.parquet", ({"seconds": number} for number in range(100_002))

    assert write_parquet(rows, ("seconds",), path, is_focus=False) == 100_002
    assert read(path)["seconds"] == list(range(100_002))


def test_no_rows_are_a_file_with_columns(tmp_path: Path) -> None:
    path = tmp_path / "none.parquet"

    assert write_parquet(iter(()), LIFETIME_COLUMNS, path, is_focus=False) == 0
    assert set(read(path)) == set(LIFETIME_COLUMNS)


def test_an_export_that_breaks_off_leaves_no_file(tmp_path: Path) -> None:
    def break_off() -> Any:
        yield ROW
        raise UnreadableInput("broke off")

    with pytest.raises(Exception, match="broke off"):
        write_parquet(break_off(), LIFETIME_COLUMNS, tmp_path / "part.parquet", is_focus=False)

    assert list(tmp_path.iterdir()) == []


def test_without_the_extra_it_is_said_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "arro3.core", None)

    with pytest.raises(UnreadableInput, match=r"pip install '\.\[parquet\]'"):
        write_parquet(iter([ROW]), LIFETIME_COLUMNS, tmp_path / "x", is_focus=False)
