"""What of a document that others wrote can be answered: what its shape has, and nothing else.

A document in an object may have been written by anyone who may write the object. An answer must come of it all the
same, so what doesn't fit is left out.
"""

import datetime
from typing import Any, Final

from monopod.aws.wire.models import Shape

_BITS: Final = {"integer": 31, "long": 63}


def fit_members(shape: Shape, content: dict[str, Any]) -> dict[str, Any]:
    """The members of a structure that are as the shape says. Times may be texts, as Kubernetes has them."""
    fitted = ((name, fit(shape.members[name], value)) for name, value in content.items() if name in shape.members)
    return {name: value for name, value in fitted if value is not None}


def fit(shape: Shape, value: Any) -> Any:
    """A value, as far as it is as its shape says; None if it isn't at all."""
    match shape.type_name, value:
        case "structure", dict():
            return fit_members(shape, value)
        case "list", list():
            return [each for each in (fit(shape.member, each) for each in value) if each is not None]
        case "map", dict():
            fitted = ((key, fit(shape.value, each)) for key, each in value.items() if isinstance(key, str))
            return {key: each for key, each in fitted if each is not None}
        case _, bool():
            return value if shape.type_name == "boolean" else None
        case "string", str():
            return value
        case (("integer" | "long"), int()):
            bound = 1 << _BITS[shape.type_name]
            return value if -bound <= value < bound else None
        case (("float" | "double"), (int() | float())):
            return value
        case "timestamp", datetime.datetime():
            return value
        case "timestamp", str():
            return _read_time(value)
        case _:
            return None


def _read_time(text: str) -> datetime.datetime | None:
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)
