"""A table of an object's fields, from its schema as pydantic writes it."""

import json
import re
from collections.abc import Iterator
from typing import Any

from monopod.api.crd import unwrap, without_null
from monopod.api.rules import VALIDATIONS

Schema = dict[str, Any]
Definitions = dict[str, Schema]

REFERENCE = "#/$defs/"
BOUNDS = (
    ("minLength", "maxLength", " characters"),
    ("minItems", "maxItems", " entries"),
    ("minProperties", "maxProperties", " entries"),
    ("minimum", "maximum", ""),
)


def render_table(schema: Schema, definitions: Definitions) -> str:
    """Returns the fields of an object as a table."""
    described = {name: _add_description(part, definitions) for name, part in schema["properties"].items()}
    rows = [_render_row(name, part, schema) for name, part in described.items()]
    return "| field | type | default | what it says | rules |\n|---|---|---|---|---|\n" + "".join(rows)


def render_rules(schema: Schema) -> str:
    """Returns the rules on an object as a whole, as sentences to follow its description."""
    messages = [rule["message"] for rule in schema.get(VALIDATIONS, []) if "fieldPath" not in rule]
    return "".join(f" Refused otherwise: {_quote(message)}." for message in messages)


def find_references(schema: Any) -> Iterator[str]:
    """The names of the objects that a schema is made of."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"].removeprefix(REFERENCE)
        for part in schema.values():
            yield from find_references(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from find_references(part)


def escape(text: str) -> str:
    """Returns text that neither ends a cell of a table nor becomes emphasis; what is between backticks is code."""
    parts = text.replace("|", "\\|").split("`")
    return "`".join(part if number % 2 else re.sub(r"([*_])", r"\\\1", part) for number, part in enumerate(parts))


def _quote(message: str) -> str:
    return f'"{escape(message)}"'


def _add_description(part: Schema, definitions: Definitions) -> Schema:
    """Returns the field with its description, which pydantic leaves out where it is that of the object in it."""
    descriptions = [definitions[name]["description"] for name in find_references(part)]
    return part if "description" in part else {**part, "description": descriptions[0]}


def _render_row(name: str, part: Schema, parent: Schema) -> str:
    field = _without_null(part)
    rules = [rule for rule in parent.get(VALIDATIONS, []) if rule.get("fieldPath", "").split(".")[1:2] == [name]]
    fixed = ["**can't be changed**"] if any("oldSelf" in rule["rule"] for rule in rules) else []
    messages = [rule["message"] for rule in rules if "oldSelf" not in rule["rule"]]
    # An empty default is there so that a rule can say more than the schema's "Required value".
    demanded = any(rule["reason"] == "FieldValueRequired" for rule in rules) and field.get("default") in ([], "")
    required = demanded or name in parent.get("required", [])
    cells = (
        f"`{name}`",
        _describe_type(field),
        _describe_default(field, required=required),
        escape(" ".join(unwrap(part["description"]).split())),
        ", ".join([*fixed, *_describe_bounds(field), *map(_quote, messages)]),
    )
    return f"| {' | '.join(cells)} |\n"


def _without_null(schema: Schema) -> Schema:
    return without_null(schema) if "anyOf" in schema else schema


def _describe_type(schema: Schema) -> str:
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(REFERENCE)
        return f"[{name}](#{name.lower()})"
    if "enum" in schema or "const" in schema:
        return " · ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if "x-kubernetes-int-or-string" in schema:
        return "integer or string"
    if schema["type"] == "array":
        return f"list of {_describe_type(_without_null(schema['items']))}"
    if isinstance(values := schema.get("additionalProperties"), dict):
        return f"map of string to {_describe_type(_without_null(values))}"
    return "time" if schema.get("format") == "date-time" else str(schema["type"])


def _describe_default(schema: Schema, *, required: bool) -> str:
    default = schema.get("default")
    if required and not default:
        return "required"
    return f"`{json.dumps(default)}`" if default not in (None, [], {}, "") else ""


def _describe_bounds(schema: Schema) -> list[str]:
    """What a value must keep to; of what is in a list or a map, too."""
    described = [text for low, high, unit in BOUNDS if (text := _describe_range(schema, low, high, unit))]
    if "pattern" in schema:
        described.append(f"matches `{escape(schema['pattern'])}`")
    described += [_quote(rule["message"]) for rule in schema.get(VALIDATIONS, [])]
    inner = schema.get("items", schema.get("additionalProperties"))
    if isinstance(inner, dict):
        described += [f"each: {text}" for text in _describe_bounds(_without_null(inner))]
    return described


def _describe_range(schema: Schema, low: str, high: str, unit: str) -> str:
    match schema.get(low), schema.get(high):
        case None, None:
            return ""
        case None, most:
            return f"at most {most}{unit}"
        case least, None:
            return f"at least {least}{unit}"
        case least, most:
            return f"{least} to {most}{unit}"
    raise AssertionError("a pair has one of these shapes")
