"""XML, written by a shape: the answers of the query protocol."""

import html
import re
from typing import Any, Final

from monopod.aws.wire.call import Params
from monopod.aws.wire.codec.scalars import write_blob, write_iso_timestamp
from monopod.aws.wire.models import Shape

_NO_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Signs that XML has no way to write."""


def write_text(value: str) -> str:
    """Text, so that it stays text."""
    return html.escape(_NO_XML.sub("\ufffd", value), quote=False).replace("\r", "&#13;")


def write_element(name: str, content: str) -> str:
    """An element around what is XML already."""
    return f"<{name}>{content}</{name}>"


def write_members(shape: Shape, params: Params) -> str:
    """The members of a structure, an element each.

    Raises:
        KeyError: the shape has no such member.
    """
    return "".join(
        _write(shape.members[name], shape.members[name].serialization.get("name", name), value)
        for name, value in params.items()
        if value is not None
    )


def _write(shape: Shape, name: str, value: Any) -> str:
    is_flat = shape.serialization.get("flattened")
    match shape.type_name:
        case "structure":
            return write_element(name, write_members(shape, value))
        case "list":
            item = shape.member.serialization.get("name", name if is_flat else "member")
            items = "".join(_write(shape.member, item, each) for each in value)
            return items if is_flat else write_element(name, items)
        case "map":
            key_name = shape.key.serialization.get("name", "key")
            value_name = shape.value.serialization.get("name", "value")
            entries = "".join(
                write_element(
                    name if is_flat else "entry",
                    write_element(key_name, write_text(key)) + _write(shape.value, value_name, each),
                )
                for key, each in value.items()
            )
            return entries if is_flat else write_element(name, entries)
        case _:
            return write_element(name, write_text(_write_scalar(shape, value)))


def _write_scalar(shape: Shape, value: Any) -> str:
    match shape.type_name:
        case "timestamp":
            return write_iso_timestamp(value)
        case "blob":
            return write_blob(value)
        case "boolean":
            return "true" if value else "false"
        case _:
            return str(value)
