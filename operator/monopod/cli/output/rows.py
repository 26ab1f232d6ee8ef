"""Rows of answers as CSV for spreadsheets and JSON for programs."""

import csv
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any

import click

Row = Mapping[str, Any]


def write_json(answer: Row) -> None:
    """Writes one JSON object to stdout."""
    click.echo(json.dumps(answer, indent=2, ensure_ascii=False))


def write_csv(rows: Iterable[Row], columns: Sequence[str], file: IO[str] | None = None) -> int:
    """Writes rows with a head, to stdout or a file; returns how many there were."""
    writer = csv.DictWriter(file or sys.stdout, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    count = 0
    for row in rows:
        writer.writerow(row)
        count += 1
    return count
