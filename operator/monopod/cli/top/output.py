"""What `top` writes: a table, JSON or CSV. The fields of the latter two only grow."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from rich.table import Table

from monopod.cli.output.amounts import build_footer, describe_cost, describe_size, round_money
from monopod.cli.output.rows import write_csv, write_json
from monopod.cli.output.terminal import print_lines
from monopod.cli.top.summary import KEYS, Running, sum_running

Json = dict[str, Any]

_COLUMNS = (
    "namespace", "pod", "uid", "profile", "workload", "cpuMillis", "memoryMib", "storageGib", "capacity",
    "architecture", "node", "since", "hourly", "currency",
)  # fmt: skip
_MONTH_HOURS = 730


def write(answer: Json, by: str, limit: int, output: str) -> None:
    """Writes the answer to stdout; `limit` is how many rows a table has at most, 0 for all."""
    match output:
        case "json":
            write_json(answer)
        case "csv":
            write_csv(({**pod, "currency": answer["currency"]} for pod in answer["pods"]), _COLUMNS)
        case _:
            print_lines(*_build_lines(answer, by, limit))


def _build_lines(answer: Json, by: str, limit: int) -> Iterator[Any]:
    found = sum_running(answer["pods"], by)
    shown = found[:limit] if limit else found
    if shown:
        yield _build_table(shown, by, answer["currency"])
    if len(found) > len(shown):
        yield f"… and {len(found) - len(shown)} more; --limit 0 shows all."
    pods = "1 pod runs" if len(answer["pods"]) == 1 else f"{len(answer['pods'])} pods run"
    yield ""
    yield f"{pods}: {round_money(answer['hourly'])} {answer['currency']} an hour."
    spent, projected = describe_cost(answer["monthToDate"]["cost"]), round_money(answer["projectedMonth"])
    yield f"This month: {spent} so far, {projected} at its end if nothing changes."
    yield from build_footer(answer)


def _build_table(rows: list[Running], by: str, currency: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in KEYS[by]:
        table.add_column(name.upper(), overflow="fold")
    for name in ("PODS", "SIZE", f"{currency}/HOUR", f"{currency}/MONTH"):
        table.add_column(name, justify="right")
    for row in rows:
        size = describe_size({"cpuMillis": row.cpu_millis, "memoryMib": row.memory_mib, "storageGib": 0})
        month = row.hourly * Decimal(_MONTH_HOURS)
        table.add_row(*row.key, str(row.pods), size, str(round_money(str(row.hourly))), str(round_money(str(month))))
    return table
