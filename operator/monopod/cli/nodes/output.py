"""What `nodes` writes: a table, JSON or CSV. The fields of the latter two only grow."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from rich.table import Table

from monopod.cli.nodes.listing import SandboxedPod
from monopod.cli.output.amounts import round_money
from monopod.cli.output.rows import write_csv, write_json
from monopod.cli.output.terminal import print_lines
from monopod.pods.rules.size import DEFAULT_STORAGE_GIB, format_capacity
from monopod.usage.rules.price import PriceList

Json = dict[str, Any]

_COLUMNS = (
    "namespace", "pod", "profile", "capacity", "cpuMillis", "memoryMib", "storageGib", "architecture",
    "runtimeClassName", "node", "waiting", "ageSeconds", "hourly", "currency",
)  # fmt: skip
_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60))


def write(pods: Sequence[SandboxedPod], prices: PriceList, output: str) -> None:
    """Writes the pods to stdout, as `table`, `json` or `csv`."""
    rows = [_build_row(pod, prices) for pod in pods]
    match output:
        case "json":
            book = {"name": prices.book, "effective": prices.effective.isoformat(), "currency": prices.currency}
            write_json({"pods": rows, "hourly": str(_sum(pods)), "book": book})
        case "csv":
            write_csv(rows, _COLUMNS)
        case _:
            print_lines(*_build_lines(pods, prices))


def _build_row(pod: SandboxedPod, prices: PriceList) -> Json:
    return {
        "namespace": pod.namespace,
        "pod": pod.name,
        "profile": pod.profile,
        "capacity": format_capacity(pod.size) if pod.size else None,
        "cpuMillis": pod.size.cpu_millis if pod.size else None,
        "memoryMib": pod.size.memory_mib if pod.size else None,
        "storageGib": pod.storage_gib if pod.size else None,
        "architecture": pod.architecture or None,
        "runtimeClassName": pod.sandbox or None,
        "node": pod.host or None,
        "waiting": pod.waiting or None,
        "ageSeconds": pod.age_seconds,
        "hourly": None if pod.hourly is None else str(pod.hourly),
        "currency": prices.currency,
    }


def _build_lines(pods: Sequence[SandboxedPod], prices: PriceList) -> Iterator[Any]:
    if not pods:
        yield "No pod runs by a profile here."
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("NAMESPACE", "POD", "SIZE", "SANDBOX", "NODE"):
        table.add_column(name, overflow="fold")
    for name in ("AGE", f"{prices.currency}/HOUR"):
        table.add_column(name, justify="right")
    for pod in pods:
        price = "" if pod.hourly is None else str(round_money(str(pod.hourly)))
        table.add_row(
            pod.namespace, pod.name, _describe_size(pod), pod.sandbox, pod.host or f"({pod.waiting})",
            describe_age(pod.age_seconds), price,
        )  # fmt: skip
    yield table
    yield ""
    hosts = len({pod.host for pod in pods if pod.host})
    yield (
        f"{_count(len(pods), 'pod')} on {_count(hosts, 'node')}: {round_money(str(_sum(pods)))} {prices.currency} an "
        f"hour at the prices of {prices.book} since {prices.effective}."
    )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _sum(pods: Sequence[SandboxedPod]) -> Decimal:
    return sum((pod.hourly for pod in pods if pod.hourly is not None), Decimal())


def _describe_size(pod: SandboxedPod) -> str:
    if pod.size is None:
        return "(unreadable)"
    size = format_capacity(pod.size)
    return size if pod.storage_gib <= DEFAULT_STORAGE_GIB else f"{size} {pod.storage_gib}GB disk"


def describe_age(seconds: int) -> str:
    """An age in its two largest units, as kubectl writes it, such as `3d4h`, `5m` or `12s`."""
    for index, (unit, length) in enumerate(_UNITS):
        if seconds >= length:
            rest = (seconds % length) // _UNITS[index + 1][1] if index + 1 < len(_UNITS) else 0
            return f"{seconds // length}{unit}" + (f"{rest}{_UNITS[index + 1][0]}" if rest else "")
    return f"{seconds}s"
