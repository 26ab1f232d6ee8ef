"""What `cost` writes: a table, JSON or CSV. The fields of the latter two only grow."""

from collections.abc import Iterator
from typing import Any

from rich.table import Table
from rich.text import Text

from monopod.cli.output.amounts import build_footer, describe_cost, describe_hours
from monopod.cli.output.rows import write_csv, write_json
from monopod.cli.output.terminal import print_lines

Json = dict[str, Any]

_USAGE = ("seconds", "milliVcpuSeconds", "mibSeconds", "storageGibSeconds")


def write(answer: Json, output: str) -> None:
    """Writes the answer to stdout."""
    match output:
        case "json":
            write_json(answer)
        case "csv":
            rows = list(_flatten(answer))
            names = list(answer["rows"][0]["key"]) if answer["rows"] else []
            columns = [*names, *_USAGE, "cost", "costLeast", "costMost", "currency", "coveragePercent"]
            write_csv(rows, columns)
        case _:
            print_lines(*_build_lines(answer))


def _flatten(answer: Json) -> Iterator[Json]:
    for row in answer["rows"]:
        cost = row["cost"]
        yield {
            **row["key"],
            **{name: row[name] for name in _USAGE},
            "cost": cost["billed"],
            "costLeast": cost["least"],
            "costMost": cost["most"],
            "currency": answer["currency"],
            "coveragePercent": answer["coverage"]["percent"],
        }


def _build_lines(answer: Json) -> Iterator[Any]:
    rows = answer["rows"]
    if rows:
        yield _build_table(answer)
    else:
        yield "No pod was billed for any of this time."
    yield ""
    yield from build_footer(answer)


def _build_table(answer: Json) -> Table:
    label = answer["by"].removeprefix("label=")
    names = [label if name == "value" else name.upper() for name in answer["rows"][0]["key"]]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in names:
        table.add_column(name, overflow="fold")
    for name in ("POD HOURS", "VCPU HOURS", "GB HOURS", f"COST ({answer['currency']})"):
        table.add_column(name, justify="right")
    for row in answer["rows"]:
        table.add_row(*(value or "(none)" for value in row["key"].values()), *_describe(row))
    table.add_row(*(Text(each, "bold") for each in ("total", *[""] * (len(names) - 1), *_describe(answer["total"]))))
    return table


def _describe(row: Json) -> tuple[str, str, str, str]:
    return (
        describe_hours(row["seconds"]),
        describe_hours(row["milliVcpuSeconds"], 1000),
        describe_hours(row["mibSeconds"], 1024),
        describe_cost(row["cost"]),
    )
