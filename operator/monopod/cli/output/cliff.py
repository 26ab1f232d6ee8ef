"""A smaller size that a pod misses by a little, and what is wasted, as text and as JSON."""

from decimal import ROUND_DOWN, Decimal
from fractions import Fraction
from math import ceil
from typing import Any, Final

from monopod.pods.rules.size import format_capacity
from monopod.usage.rules.cliff import Cliff

_SYMBOLS: Final = {"USD": "$", "EUR": "€"}
_CENT: Final = Decimal("0.01")


def describe_cliff(cliff: Cliff, currency: str, whose: str = "") -> str:
    """Such as `12 MiB over 1vCPU 8GB: −$32.79 a month per replica, if it asks for at most 7936Mi of memory`.

    Args:
        cliff: the smaller size.
        currency: of the prices.
        whose: ` per replica`, if there may be several of the pod.
    """
    over, most = cliff.over, cliff.at_most
    named = [
        (f"{over.cpu_millis}m of CPU", f"{most.cpu_millis}m of CPU", over.cpu_millis),
        (f"{over.memory_mib} MiB", f"{most.memory_mib}Mi of memory", over.memory_mib),
    ]
    beyond = " and ".join(text for text, _, amount in named if amount)
    bounds = " and ".join(text for _, text, amount in named if amount)
    money = format_money(cliff.monthly, currency)
    return f"{beyond} over {format_capacity(cliff.size)}: −{money} a month{whose}, if it asks for at most {bounds}"


def format_money(amount: Decimal, currency: str) -> str:
    """An amount such as `$32.79`, rounded down to cents."""
    return f"{_SYMBOLS.get(currency, f'{currency} ')}{amount.quantize(_CENT, ROUND_DOWN)}"


def build_cliff(cliff: Cliff | None) -> dict[str, Any] | None:
    """The object for JSON."""
    if cliff is None:
        return None
    return {
        "capacity": format_capacity(cliff.size),
        "over": {"cpuMillis": cliff.over.cpu_millis, "memoryMiB": cliff.over.memory_mib},
        "atMost": {"cpuMillis": cliff.at_most.cpu_millis, "memoryMiB": cliff.at_most.memory_mib},
        "hourlySaving": float(round(cliff.hourly, 8)),
        "monthlySaving": float(cliff.monthly.quantize(_CENT, ROUND_DOWN)),
    }


def compute_percent(share: Fraction) -> float:
    """A share in percent with one decimal, rounded up, so that what is beyond a bound is never told as the bound."""
    return ceil(share * 1000) / 10
