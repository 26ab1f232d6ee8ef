"""Single values as text: in paths, query strings, headers and forms; and what texts of JSON stand for."""

import base64
import binascii
import datetime
import email.utils
import math
import re
from typing import Any, Final

from monopod.aws.wire.codec.problems import MalformedRequest
from monopod.aws.wire.models import Shape

_INTEGER: Final = re.compile(r"-?[0-9]{1,19}", re.ASCII)
_BITS: Final = {"integer": 31, "long": 63}
_NOT_FINITE: Final = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_TIMESTAMP_LENGTH: Final = 64


def read_text(shape: Shape, text: str, path: str) -> Any:
    """What a text stands for, by its shape.

    Raises:
        MalformedRequest: it is no value of this type.
    """
    match shape.type_name:
        case "string" | "character":
            return check_string(text, path)
        case "boolean" if text in ("true", "false"):
            return text == "true"
        case "integer" | "long" if _INTEGER.fullmatch(text):
            return check_integer(shape, int(text), path)
        case "float" | "double":
            return read_float(text, path)
        case "timestamp":
            return read_timestamp(text, path)
        case "blob":
            return read_blob(text, path)
        case kind:
            raise MalformedRequest(f"{path}: {text[:100]!r} is no {kind}.")


def check_string(text: str, path: str) -> str:
    """The text, if it can be written anywhere.

    Raises:
        MalformedRequest: it has half of a character.
    """
    if not text.isascii() and any("\ud800" <= sign <= "\udfff" for sign in text):
        raise MalformedRequest(f"{path}: the text has a surrogate without its other half.")
    return text


def check_integer(shape: Shape, number: int, path: str) -> int:
    """The number, if it is in its type's range.

    Raises:
        MalformedRequest: it isn't.
    """
    bound = 1 << _BITS[shape.type_name]
    if not -bound <= number < bound:
        raise MalformedRequest(f"{path}: {str(number)[:40]} is no {shape.type_name}.")
    return number


def read_float(value: str | float, path: str) -> float:
    """A number, or one of the words for those that JSON doesn't have.

    Raises:
        MalformedRequest: it is neither.
    """
    if isinstance(value, str) and value in _NOT_FINITE:
        return _NOT_FINITE[value]
    try:
        number = float(value)
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise MalformedRequest(f"{path}: {str(value)[:40]!r} is no number.")
    return number


def write_float(number: float) -> str | float:
    """A number as JSON has it, or the word for it."""
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def read_timestamp(value: str | float, path: str) -> datetime.datetime:
    """A time: seconds since 1970, ISO 8601 or as in HTTP's headers.

    Raises:
        MalformedRequest: it is none of them, or in no year that there is.
    """
    try:
        if isinstance(value, str) and len(value) <= _TIMESTAMP_LENGTH:
            return _read_date(value)
        return datetime.datetime.fromtimestamp(float(value), datetime.UTC)
    except (ValueError, OverflowError, OSError):
        raise MalformedRequest(f"{path}: {str(value)[:40]!r} is no timestamp.") from None


def _read_date(text: str) -> datetime.datetime:
    try:
        return datetime.datetime.fromtimestamp(float(text), datetime.UTC)
    except ValueError:
        pass
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        found = email.utils.parsedate_to_datetime(text)
    return found.astimezone(datetime.UTC) if found.tzinfo else found.replace(tzinfo=datetime.UTC)


def write_timestamp(moment: datetime.datetime) -> int | float:
    """Seconds since 1970."""
    seconds = moment.timestamp()
    return int(seconds) if seconds.is_integer() else seconds


def write_iso_timestamp(moment: datetime.datetime) -> str:
    """ISO 8601, as XML has it."""
    text = moment.astimezone(datetime.UTC).isoformat(timespec="microseconds" if moment.microsecond else "seconds")
    return text.replace("+00:00", "Z")


def read_blob(text: str, path: str) -> bytes:
    """Bytes in base64.

    Raises:
        MalformedRequest: it isn't base64.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise MalformedRequest(f"{path}: the blob isn't base64.") from None


def write_blob(content: bytes) -> str:
    """Bytes in base64."""
    return base64.b64encode(content).decode()
