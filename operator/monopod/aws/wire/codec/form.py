"""Forms of the query protocol: members by dotted names, lists by number."""

import re
from typing import Any, Final
from urllib.parse import parse_qsl

from monopod.aws.wire.call import Params
from monopod.aws.wire.codec.problems import MalformedRequest, UnknownMember, join
from monopod.aws.wire.codec.scalars import check_string, read_text
from monopod.aws.wire.models import Shape

MOST_FIELDS: Final = 2000
DEEPEST: Final = 32
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,4}", re.ASCII)

Form = dict[str, str]
Tree = dict[str, Any]
"""Fields by the parts of their names: a text, or a tree in turn."""


def parse_form(text: str) -> Form:
    """The fields of a form or a query string.

    Raises:
        MalformedRequest: it is none, or has a field twice.
    """
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError as error:  # too many fields, or no UTF-8
        raise MalformedRequest(f"The form can't be read: {str(error)[:200]}.") from None
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedRequest("A field is there twice.")
    return found


def read_form(shape: Shape, form: Form) -> Params:
    """An operation's input.

    Raises:
        MalformedRequest: a value is of another type than its shape.
        UnknownMember: there is a member of another name.
    """
    tree: Tree = {}
    for name, value in form.items():
        _put(tree, name, value)
    members = {} if shape is None else shape.members
    return _read_members(members, tree, "")


def _put(tree: Tree, name: str, value: str) -> None:
    *parents, last = name.split(".")
    if len(parents) > DEEPEST:
        raise MalformedRequest("A field's name is nested too deeply.")
    for part in parents:
        tree = tree.setdefault(part, {})
        if not isinstance(tree, dict):
            raise MalformedRequest(f"{name[:100]}: it is a value, and has members too.")
    if last in tree:
        raise MalformedRequest(f"{name[:100]}: it is a value, and has members too.")
    tree[last] = value


def _read_members(members: dict[str, Shape], tree: Tree, path: str) -> Params:
    names = {_get_name(shape, name): name for name, shape in members.items()}
    found: Params = {}
    for key, node in tree.items():
        if key not in names:
            raise UnknownMember(join(path, check_string(key, path)))
        name = names[key]
        found[name] = _read_node(members[name], node, join(path, name))
    return found


def _get_name(shape: Shape, name: str) -> str:
    if shape.type_name == "list" and shape.serialization.get("flattened"):
        name = shape.member.serialization.get("name", name)
    return str(shape.serialization.get("name", name))


def _read_node(shape: Shape, node: Any, path: str) -> Any:
    match shape.type_name, node:
        case "structure", dict():
            return _read_members(shape.members, node, path)
        case "list" | "map", "":
            return {} if shape.type_name == "map" else []
        case "list", dict():
            if not shape.serialization.get("flattened"):
                node = _take(node, shape.member.serialization.get("name", "member"), path)
            return [_read_node(shape.member, each, f"{path}[{index}]") for index, each in enumerate(_order(node, path))]
        case "map", dict():
            entries = node if shape.serialization.get("flattened") else _take(node, "entry", path)
            pairs = [_read_entry(shape, each, path) for each in _order(entries, path)]
            if len(found := dict(pairs)) != len(pairs):
                raise MalformedRequest(f"{path}: a key is there twice.")
            return found
        case (("structure" | "list" | "map"), _):
            raise MalformedRequest(f"{path}: it is a {shape.type_name}, and was sent as a value.")
        case _, str():
            return read_text(shape, node, path)
        case _:
            raise MalformedRequest(f"{path}: it is a value, and was sent with members.")


def _read_entry(shape: Shape, entry: Any, path: str) -> tuple[str, Any]:
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    if not isinstance(entry, dict) or set(entry) != {key_name, value_name} or not isinstance(entry[key_name], str):
        raise MalformedRequest(f"{path}: an entry of a map has a {key_name} and a {value_name}.")
    return entry[key_name], _read_node(shape.value, entry[value_name], path)


def _take(node: Tree, name: str, path: str) -> Any:
    if set(node) != {name}:
        raise UnknownMember(join(path, next(key for key in node if key != name)))
    return node[name]


def _order(node: Any, path: str) -> list[Any]:
    """The items of a list by their numbers, which begin with 1 and leave none out."""
    if not isinstance(node, dict) or not all(map(_NUMBER.fullmatch, node)):
        raise MalformedRequest(f"{path}: items of a list are numbered from 1.")
    numbers = sorted(node, key=int)
    if int(numbers[-1]) != len(numbers):
        raise MalformedRequest(f"{path}: an item of the list is missing.")
    return [node[number] for number in numbers]
