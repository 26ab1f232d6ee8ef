"""REST: members in the path, in the query string and in headers."""

import re
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from monopod.aws.wire.call import Params
from monopod.aws.wire.codec.problems import MalformedRequest, UnknownMember
from monopod.aws.wire.codec.scalars import read_text
from monopod.aws.wire.codec.tree import Members, get_members
from monopod.aws.wire.message import HttpRequest
from monopod.aws.wire.models import Operation, Shape

MOST_FIELDS: Final = 2000
_LABEL: Final = re.compile(r"\{([^}]+)\}")


def get_label(segment: str) -> str:
    """The name of a template's label; "" if the segment is none."""
    match = _LABEL.fullmatch(segment)
    return match[1] if match else ""


def read_locations(operation: Operation, request: HttpRequest) -> Params:
    """All members that aren't in the body.

    Raises:
        MalformedRequest: one of them is no value of its type.
        UnknownMember: the query string has a member of another name.
    """
    if operation.input is None:
        members: dict[str, Shape] = {}
    else:
        members = operation.input.members
    labels = _read_labels(operation, request.path)
    query = _read_query(request.query)
    found: Params = {}
    for name, shape in members.items():
        key = shape.serialization.get("name", name)
        match shape.serialization.get("location"):
            case "uri":
                found[name] = read_text(shape, labels[key], name)
            case "querystring" if key in query:
                found[name] = _read_values(shape, query.pop(key), name)
            case "header" if value := request.get_header(key.lower()):
                found[name] = read_text(shape, value, name)
            case _:  # in the body, or not sent
                pass
    if query:
        raise UnknownMember(next(iter(query)))
    return found


def get_body_members(operation: Operation) -> Members:
    """The members that are in the body."""
    if operation.input is None:
        return {}
    members = get_members(operation.input).items()
    return {key: (name, shape) for key, (name, shape) in members if "location" not in shape.serialization}


def _read_labels(operation: Operation, path: str) -> dict[str, str]:
    segments = zip(operation.uri.split("/"), path.split("/"), strict=True)
    return {label: decode_segment(given) for template, given in segments if (label := get_label(template))}


def decode_segment(segment: str) -> str:
    """What a segment of a path says.

    Raises:
        MalformedRequest: it isn't UTF-8.
    """
    try:
        return unquote(segment, errors="strict")
    except UnicodeDecodeError:
        raise MalformedRequest("The path isn't UTF-8.") from None


def _read_query(text: str) -> dict[str, list[str]]:
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise MalformedRequest(f"The query string can't be read: {str(error)[:200]}.") from None
    found: dict[str, list[str]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found


def _read_values(shape: Shape, values: list[str], name: str) -> Any:
    if shape.type_name == "list":
        return [read_text(shape.member, value, name) for value in values]
    if len(values) > 1:
        raise MalformedRequest(f"{name}: it is there twice.")
    return read_text(shape, values[0], name)
