"""What `nodes` writes: a table, JSON or CSV. The fields of the latter two only grow."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from rich.table import Table

from monopod.api.names import FARGATE_SPOT
from monopod.cli.nodes.listing import SandboxedPod
from monopod.cli.output.amounts import round_money
from monopod.cli.output.rows import write_csv, write_json
from monopod.cli.output.terminal import print_lines
from monopod.pods.rules.size import DEFAULT_STORAGE_GIB, format_capacity
from monopod.usage.rules.lifetime import ARM
from monopod.usage.rules.price import PriceList

Json = dict[str, Any]

_COLUMNS = (
    "namespace", "pod", "profile", "capacity", "cpuMillis", "memoryMib", "storageGib", "architecture",
    "capacityProvider", "runtimeClassName", "node", "waiting", "ageSeconds", "hourly", "currency",
)  # fmt: skip
_UNITS = (("d", 86_400), ("h", 3_600), ("m", 60))


def write(pods: Sequence[SandboxedPod], prices: PriceList, output: str, namespace: str | None = None) -> None:
    """Writes the pods, of one namespace or of all, to stdout, as `table`, `json` or `csv`."""
    rows = [_build_row(pod, prices) for pod in pods]
    match output:
        case "json":
            book = {"name": prices.book, "effective": prices.effective.isoformat(), "currency": prices.currency}
            write_json({"pods": rows, "hourly": str(_sum(pods)), "book": book})
        case "csv":
            write_csv(rows, _COLUMNS)
        case _:
            print_lines(*_build_lines(pods, prices, namespace))


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
        "capacityProvider": pod.capacity_provider or None,
        "runtimeClassName": pod.sandbox or None,
        "node": pod.host or None,
        "waiting": pod.waiting or None,
        "ageSeconds": pod.age_seconds,
        "hourly": None if pod.hourly is None else str(pod.hourly),
        "currency": prices.currency,
    }


def _build_lines(pods: Sequence[SandboxedPod], prices: PriceList, namespace: str | None) -> Iterator[Any]:
    if not pods:
        yield f"No FargateProfile has a pod in {f'namespace {namespace}' if namespace else 'any namespace'}."
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
    yield from _sum_up(pods, prices)


def _sum_up(pods: Sequence[SandboxedPod], prices: PriceList) -> Iterator[str]:
    placed = [pod for pod in pods if pod.host]
    if placed:
        yield (
            f"{_count(len(placed), 'pod')} on {_count(len({pod.host for pod in placed}), 'node')}: "
            f"{round_money(str(_sum(pods)))} {prices.currency} an hour at the prices of {prices.book} since "
            f"{prices.effective}."
        )
    if waiting := len(pods) - len(placed):
        yield (
            f"{_count(waiting, 'pod')} without a node, which cost{'s' if waiting == 1 else ''} nothing yet; "
            "`kubectl describe pod` says what is missing."
        )


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _sum(pods: Sequence[SandboxedPod]) -> Decimal:
    """What pods cost in an hour. One without a node isn't charged."""
    return sum((pod.hourly for pod in pods if pod.host and pod.hourly is not None), Decimal())


def _describe_size(pod: SandboxedPod) -> str:
    """The size, and what else its price depends on."""
    if pod.size is None:
        return "(unreadable)"
    words = [format_capacity(pod.size)]
    if pod.storage_gib > DEFAULT_STORAGE_GIB:
        words.append(f"{pod.storage_gib}GB disk")
    words += ["ARM"] if pod.architecture == ARM else []
    words += ["Spot"] if pod.capacity_provider == FARGATE_SPOT else []
    return ", ".join(words)


def describe_age(seconds: int) -> str:
    """An age in its two largest units, as kubectl writes it, such as `3d4h`, `5m` or `12s`."""
    for index, (unit, length) in enumerate(_UNITS):
        if seconds >= length:
            rest = (seconds % length) // _UNITS[index + 1][1] if index + 1 < len(_UNITS) else 0
            return f"{seconds // length}{unit}" + (f"{rest}{_UNITS[index + 1][0]}" if rest else "")
    return f"{seconds}s"
