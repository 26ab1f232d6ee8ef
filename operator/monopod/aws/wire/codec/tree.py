"""JSON, read and written by a shape: of what is sent nothing is lost, and nothing is answered that the model hasn't."""

import functools
import json
from collections import Counter
from typing import Any, Final, NoReturn

from monopod.aws.wire.call import Params
from monopod.aws.wire.codec.problems import MalformedRequest, UnknownMember, join
from monopod.aws.wire.codec.scalars import (
    check_integer,
    check_string,
    read_blob,
    read_float,
    read_timestamp,
    write_blob,
    write_float,
    write_timestamp,
)
from monopod.aws.wire.models import Shape

DEEPEST: Final = 64
"""Of values that have no shape. Those that have one are as deep as their shapes."""

Members = dict[str, tuple[str, Shape]]
"""Of a structure: by the name that is sent, the name that the model has, and the shape."""


def parse_object(body: bytes) -> dict[str, Any]:
    """The object that a body has; nothing is an empty one.

    Raises:
        MalformedRequest: it has another one, or none.
    """
    if not body.strip():
        return {}
    try:
        found = json.loads(body.decode(), object_pairs_hook=_build_object, parse_constant=_refuse_constant)
    except RecursionError:
        raise MalformedRequest("The body is nested too deeply.") from None
    except ValueError as error:  # no UTF-8, no JSON, a number of a thousand digits
        raise MalformedRequest(f"The body isn't JSON: {str(error)[:200]}.") from None
    if not isinstance(found, dict):
        raise MalformedRequest("The body isn't a JSON object.")
    return found


def _build_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):  # which of them was meant? Python would take the last, others the first
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise MalformedRequest(f"{twice[:100]!r} is there twice in one object.")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedRequest(f"{name} is no JSON.")


@functools.cache
def get_members(shape: Shape) -> Members:
    """The members of a structure."""
    return {member.serialization.get("name", name): (name, member) for name, member in shape.members.items()}


def read_members(members: Members, content: dict[str, Any], path: str = "") -> Params:
    """The members of a structure that were sent; null is as good as absent.

    Raises:
        MalformedRequest: a value is of another type than its shape.
        UnknownMember: there is a member of another name.
    """
    found: Params = {}
    for key, value in content.items():
        if key not in members:
            raise UnknownMember(join(path, check_string(key, path)))
        if value is None:
            continue
        name, shape = members[key]
        found[name] = read_value(shape, value, join(path, name))
    return found


def read_value(shape: Shape, value: Any, path: str) -> Any:
    """A value as its shape says.

    Raises:
        MalformedRequest: it is of another type, or something in it is.
        UnknownMember: a structure in it has a member of another name.
    """
    if value is None:
        raise MalformedRequest(f"{path}: null can't be in a list or a map.")
    if shape.type_name == "structure" and shape.is_document_type:
        return _read_document(value, path)
    match shape.type_name, value:
        case "structure", dict():
            return read_members(get_members(shape), value, path)
        case "list", list():
            return [read_value(shape.member, each, f"{path}[{index}]") for index, each in enumerate(value)]
        case "map", dict():
            return {
                check_string(key, path): read_value(shape.value, each, f"{path}[{key[:100]!r}]")
                for key, each in value.items()
            }
        case _:
            return _read_scalar(shape, value, path)


def _read_scalar(shape: Shape, value: Any, path: str) -> Any:
    """A value that has no others in it."""
    kind = shape.type_name
    match kind, value:
        case "boolean", bool():
            return value
        case _, bool():  # to Python it is an integer
            pass
        case (("string" | "character"), str()):
            return check_string(value, path)
        case (("integer" | "long"), int()):
            return check_integer(shape, value, path)
        case (("float" | "double"), (int() | float() | str())):
            return read_float(value, path)
        case "timestamp", (int() | float() | str()):
            return read_timestamp(value, path)
        case "blob", str():
            return read_blob(value, path)
        case _:
            pass
    raise MalformedRequest(f"{path}: {_describe(value)} can't be converted to {_WORDS.get(kind, kind)}.")


def _read_document(value: Any, path: str, depth: int = 0) -> Any:
    """A value without a shape, if it can be kept."""
    if depth > DEEPEST:
        raise MalformedRequest(f"{path}: nested too deeply.")
    if isinstance(value, str):
        return check_string(value, path)
    if isinstance(value, dict):
        return {check_string(key, path): _read_document(each, path, depth + 1) for key, each in value.items()}
    if isinstance(value, list):
        return [_read_document(each, path, depth + 1) for each in value]
    return read_float(value, path) if isinstance(value, float) else value


_WORDS: Final = {"structure": "a structure", "list": "a list", "map": "a map", "string": "a String"}


def _describe(value: Any) -> str:
    match value:
        case bool():
            return "TRUE_VALUE" if value else "FALSE_VALUE"
        case str():
            return "STRING_VALUE"
        case int() | float():
            return "NUMBER_VALUE"
        case list():
            return "START_ARRAY"
        case _:
            return "START_OBJECT"


def write_value(shape: Shape, value: Any) -> Any:
    """A value of an answer, as JSON has it.

    Raises:
        KeyError: the shape has no such member: what would be sent, no client could read.
    """
    match shape.type_name:
        case "structure":
            return value if shape.is_document_type else write_members(shape, value)
        case "list":
            return [write_value(shape.member, each) for each in value]
        case "map":
            return {key: write_value(shape.value, each) for key, each in value.items()}
        case "timestamp":
            return write_timestamp(value)
        case "blob":
            return write_blob(value)
        case "float" | "double":
            return write_float(value)
        case _:
            return value


def write_members(shape: Shape, params: Params) -> dict[str, Any]:
    """The members of a structure; None is as good as absent.

    Raises:
        KeyError: the shape has no such member.
    """
    return {
        shape.members[name].serialization.get("name", name): write_value(shape.members[name], value)
        for name, value in params.items()
        if value is not None
    }


def dump(content: Any) -> bytes:
    """JSON as it is sent."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
