"""What `receipt` writes: a text, JSON or CSV. The fields of the latter two only grow."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from rich.text import Text

from monopod.cli.output.amounts import build_footer, describe_cost, describe_size
from monopod.cli.output.rows import write_csv, write_json
from monopod.cli.output.terminal import build_grid, print_lines

Json = dict[str, Any]

_COLUMNS: Final = ("namespace", "pod", "uid", "resource", "since", "seconds", "amount", "unitPrice", "prices", "cost")
_UNITS: Final = {"vCPU": "vCPU", "memory": "GB", "storage": "GB above 20"}


def write(answer: Json, output: str) -> None:
    """Writes the answer to stdout."""
    match output:
        case "json":
            write_json(answer)
        case "csv":
            write_csv(_flatten(answer), _COLUMNS)
        case _:
            print_lines(*_build_lines(answer))


def _flatten(answer: Json) -> Iterator[Json]:
    for receipt in answer["receipts"]:
        described = receipt["facts"]["description"]
        for line in receipt["lines"]:
            yield {
                "namespace": described["namespace"], "pod": described["name"], "uid": receipt["facts"]["uid"], **line,
            }  # fmt: skip


def _build_lines(answer: Json) -> Iterator[Any]:
    for receipt in answer["receipts"]:
        yield from _build_receipt(receipt, answer["currency"])
        yield ""
    if len(answer["receipts"]) > 1:
        yield Text(f"{len(answer['receipts'])} pods: {describe_cost(answer['total'])} {answer['currency']}", "bold")
    yield from build_footer(answer)


def _build_receipt(receipt: Json, currency: str) -> Iterator[Any]:
    described, bill = receipt["facts"]["description"], receipt["bill"]
    yield Text.assemble((f"{described['namespace']}/{described['name']}", "bold"), f"  {receipt['facts']['uid']}")
    price = "Spot" if described["capacity"] == "FARGATE_SPOT" else "on demand"
    node = f", node {described['node']}" if described["node"] else ""
    yield (
        f"  {described['workload']}, profile {described['profile']}, {describe_size(described)}, "
        f"{described['architecture']}, {price}{node}"
    )
    if bill is not None:
        yield f"  billed {_describe_end(bill)}: {bill['seconds']} s"
        yield _build_sums(receipt, currency)
    for sentence in receipt["explanation"]:
        yield f"  {sentence}"
    yield Text(f"  evidence: {', '.join(receipt['facts'].get('evidence', ())) or 'none'}", "dim")


def _describe_end(bill: Json) -> str:
    if bill["isOpen"]:
        return f"from {bill['start']}, running"
    if bill["endNotBefore"] == bill["endNotAfter"]:
        return f"from {bill['start']} to {bill['end']}"
    return f"from {bill['start']} to {bill['end']} (not before {bill['endNotBefore']}, not after {bill['endNotAfter']})"


def _build_sums(receipt: Json, currency: str) -> Any:
    table = build_grid(5)
    for line in receipt["lines"]:
        each = f"{Decimal(line['amount'])} {_UNITS[line['resource']]}"
        price = f"{line['unitPrice']} {currency} an hour"
        table.add_row(f"    {each}", f"× {line['seconds']} s", f"× {price}", f"= {line['cost']}", line["prices"])
    cost = receipt["cost"]
    total = cost["billed"] if cost["least"] == cost["most"] else f"{cost['billed']} ({cost['least']}–{cost['most']})"
    table.add_row("", "", "", Text(f"= {total}", "bold"), currency)
    return table
