"""Kubernetes resource quantities, exactly: `250m`, `1.5Gi`, `1e3`, `100n`.

The rules are those of apimachinery's `resource.ParseQuantity`: decimal suffixes n u m k M G T P E, binary suffixes
Ki Mi Gi Ti Pi Ei, a decimal exponent, at most nine decimal places (finer amounts are rounded up, away from zero),
and binary amounts capped at the largest 64-bit integer.
"""

import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from math import ceil
from typing import Final

_QUANTITY: Final = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?(?:([eE][+-]?[0-9]+)|([KMGTPE]i|[numkMGTPE]?))")
_DECIMAL: Final[Mapping[str, int]] = {
    "n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18,
}  # fmt: skip
_BINARY: Final[Mapping[str, int]] = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}

_NANOS: Final = 10**9
_LARGEST_BINARY: Final = 2**63 - 1
_FAR: Final = 1000
"""Exponents are cut off here, and more digits are refused: 10**1000 is beyond every limit, and a file that says
1e999999999 mustn't eat memory."""


class InvalidQuantity(ValueError):
    """The value isn't a resource quantity."""


def parse_quantity(value: object) -> Fraction:
    """The amount in the resource's base unit (cores for cpu, bytes for memory).

    Manifests may write plain numbers without quotes; null counts as zero, as it does in the API server.

    Raises:
        InvalidQuantity: the value isn't a quantity.
    """
    if value is None:
        return Fraction(0)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InvalidQuantity(f"must be a quantity such as 250m or 1Gi, not {value!r}")
    text = _write_number(value)
    match = _QUANTITY.fullmatch(text)
    if not match or not text:
        raise InvalidQuantity(f"must be a quantity such as 250m or 1Gi, not {value!r}")
    sign, whole, decimals, exponent, suffix = match.groups(default="")
    amount = _compute_amount(whole, decimals, exponent, suffix)
    return -amount if sign == "-" else amount


@lru_cache(maxsize=1 << 10)
def _compute_amount(whole: str, decimals: str, exponent: str, suffix: str) -> Fraction:
    """What the parts of a quantity without its sign amount to; pods by the thousand have the same few."""
    if max(len(whole), len(decimals)) > _FAR:
        raise InvalidQuantity(f"must be a quantity of at most {_FAR} digits")
    digits = Fraction(int(whole + decimals or "0"), 10 ** len(decimals))
    if suffix in _BINARY:
        return min(_round_up_to_nano(digits * 2 ** _BINARY[suffix]), Fraction(_LARGEST_BINARY))
    power = int(exponent[1:]) if exponent else _DECIMAL[suffix]
    return _round_up_to_nano(digits * Fraction(10) ** max(-_FAR, min(_FAR, power)))


def _write_number(value: str | int | float) -> str:
    if isinstance(value, str):
        return value.strip()
    return format(Decimal(repr(value)), "f") if isinstance(value, float) else str(value)


def _round_up_to_nano(amount: Fraction) -> Fraction:
    return Fraction(ceil(amount * _NANOS), _NANOS)
