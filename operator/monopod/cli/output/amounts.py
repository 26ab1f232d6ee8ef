"""Amounts, ranges, spans and coverage as people read them; programs get the ledger's own texts."""

from collections.abc import Iterator, Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final

from rich.text import Text

Json = Mapping[str, Any]

HOUR: Final = 3600
_PLACES: Final = Decimal("0.0001")
_MOST_GAPS: Final = 5


def round_money(text: str) -> Decimal:
    """An amount to the hundredth of a cent."""
    return Decimal(text).quantize(_PLACES, ROUND_HALF_EVEN)


def describe_cost(cost: Json) -> str:
    """What is billed, and the bounds between which it may be where an end wasn't seen."""
    billed, least, most = (round_money(cost[name]) for name in ("billed", "least", "most"))
    return f"{billed}" if least == most else f"{billed} ({least}–{most})"


def describe_hours(seconds: int, divisor: int = 1) -> str:
    """Seconds of something as hours of it."""
    hours = (Decimal(seconds) / divisor / HOUR).quantize(Decimal("0.01"), ROUND_HALF_EVEN)
    return f"{hours}"


def describe_size(pod: Json) -> str:
    """A pod's size, as AWS writes it."""
    size = f"{_trim(Decimal(pod['cpuMillis']) / 1000)}vCPU {_trim(Decimal(pod['memoryMib']) / 1024)}GB"
    return size if pod["storageGib"] <= 20 else f"{size} {pod['storageGib']}GB disk"


def describe_span(answer: Json) -> str:
    """From when until when."""
    return f"{_to_minute(answer['since'])} to {_to_minute(answer['until'])} UTC"


def describe_prices(answer: Json) -> str:
    """Which prices it goes by."""
    book = answer["book"]
    versions = ", ".join(version["effective"] for version in book["versions"])
    return f"prices of {book['name']} since {versions}, in {book['currency']}"


def build_footer(answer: Json) -> Iterator[Text]:
    """The lines below a table: the span, the prices, and what wasn't watched."""
    yield Text(f"{describe_span(answer)}; {describe_prices(answer)}", "dim")
    yield describe_coverage(answer["coverage"])


def describe_coverage(coverage: Json) -> Text:
    """How much of the span was watched."""
    gaps = coverage["gaps"]
    if not gaps:
        return Text("coverage 100 %: all of it was watched", "green")
    unseen = Decimal(coverage["unseenSeconds"]).quantize(Decimal(1))
    where = "; ".join(f"{_to_second(gap['since'])} to {_to_second(gap['until'])}" for gap in gaps[-_MOST_GAPS:])
    more = f" and {len(gaps) - _MOST_GAPS} earlier ones" if len(gaps) > _MOST_GAPS else ""
    return Text(f"coverage {coverage['percent']} %: nobody watched for {unseen} s: {where}{more}", "yellow")


def _to_minute(time: str) -> str:
    return time[:16].replace("T", " ")


def _to_second(time: str) -> str:
    return time[:19].replace("T", " ")


def _trim(number: Decimal) -> str:
    return format(number.normalize(), "f")
