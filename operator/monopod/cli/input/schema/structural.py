"""A value against a structural schema, in the words of the API server's apiextensions and field validation.

A schema is a dict as in a CRD (`type`, `properties`, `maxItems`, …); `$ref` names another of the `definitions`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Schema = Mapping[str, Any]

PRESERVED: Final = "x-kubernetes-preserve-unknown-fields"
INT_OR_STRING: Final = "x-kubernetes-int-or-string"

_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """Why the API server would refuse an object: the field's path as kubectl writes it, and what is wrong there."""

    path: str
    problem: str

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}" if self.path else self.problem


@dataclass(frozen=True, slots=True)
class Checker:
    """Checks values against schemas that may refer to each other."""

    definitions: Mapping[str, Schema] = field(default_factory=dict)

    def find_unknown(self, value: object, schema: Schema, path: str = "") -> Iterator[str]:
        """The paths of fields that the schema doesn't know."""
        schema = self._resolve(schema)
        if isinstance(value, dict) and not schema.get(PRESERVED):
            named, others = schema.get("properties", {}), schema.get("additionalProperties")
            for key, inner in value.items():
                if key in named:
                    yield from self.find_unknown(inner, named[key], join(path, key))
                elif isinstance(others, Mapping):
                    yield from self.find_unknown(inner, others, join(path, key))
                elif named:
                    yield join(path, key)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                yield from self.find_unknown(item, schema.get("items", {}), f"{path}[{index}]")

    def compute_faults(self, value: object, schema: Schema, path: str = "") -> Iterator[Fault]:
        """Wrong types, missing fields and broken bounds. Unknown fields are `find_unknown`'s."""
        schema = self._resolve(schema)
        if wanted := _compute_wanted_type(value, schema):
            yield self.describe_wrong_type(value, wanted, path)
            return
        yield from _compute_broken_bounds(value, schema, path)
        if isinstance(value, dict):
            named, others = schema.get("properties", {}), schema.get("additionalProperties")
            yield from (
                Fault(join(path, key), "Required value") for key in schema.get("required", ()) if key not in value
            )
            for key, inner in value.items():
                if key in named or isinstance(others, Mapping):
                    yield from self.compute_faults(inner, named.get(key, others), join(path, str(key)))
        elif isinstance(value, list) and "items" in schema:
            for index, item in enumerate(value):
                yield from self.compute_faults(item, schema["items"], f"{path}[{index}]")

    def describe_wrong_type(self, value: object, wanted: str, path: str) -> Fault:
        """The fault of a value of another type than the wanted one."""
        given = json.dumps(describe_type(value))
        return Fault(path, f"Invalid value: {given}: {path} in body must be of type {wanted}: {given}")

    def _resolve(self, schema: Schema) -> Schema:
        return self.definitions[schema["$ref"]] if "$ref" in schema else schema


def join(path: str, key: str) -> str:
    """The path of a field within what stands at a path."""
    return f"{path}.{key}" if path else key


def fill_in(value: Any, schema: Schema) -> Any:
    """The value as the API server reads it: without nulls, and with the schema's defaults."""
    if isinstance(value, dict):
        named, others = schema.get("properties", {}), schema.get("additionalProperties")
        filled = {
            key: fill_in(inner, named.get(key, others) or {}) for key, inner in value.items() if inner is not None
        }
        for key, inner in named.items():
            if key not in filled and "default" in inner:
                filled[key] = inner["default"]
        return filled
    if isinstance(value, list):
        return [fill_in(item, schema.get("items", {})) for item in value]
    return value


def describe_type(value: object) -> str:
    """A value's type in OpenAPI's words."""
    if isinstance(value, bool):
        return "boolean"
    return next((name for name, types in _TYPES.items() if isinstance(value, types)), "null")


def _compute_wanted_type(value: object, schema: Schema) -> str:
    """The type that the value should be of; "" if it is of that type."""
    wanted = "integer,string" if schema.get(INT_OR_STRING) else str(schema.get("type", ""))
    types = tuple(each for name in wanted.split(",") if name for each in _TYPES[name])
    fits = not types or (isinstance(value, types) and (bool in types or not isinstance(value, bool)))
    return "" if fits else wanted


def _compute_broken_bounds(value: object, schema: Schema, path: str) -> Iterator[Fault]:
    if "enum" in schema and value not in schema["enum"]:
        listed = ", ".join(json.dumps(each) for each in schema["enum"])
        yield Fault(path, f"Unsupported value: {json.dumps(value)}: supported values: {listed}")
    if isinstance(value, str):
        yield from _compute_broken_text(value, schema, path)
    elif isinstance(value, list | dict):
        most = schema.get("maxItems" if isinstance(value, list) else "maxProperties", len(value))
        if len(value) > most:
            yield Fault(path, f"Too many: {len(value)}: must have at most {most} items")
    elif isinstance(value, int | float):
        for bound, words, broken in (
            ("minimum", "greater", value < schema.get("minimum", value)),
            ("maximum", "less", value > schema.get("maximum", value)),
        ):
            if broken:
                text = f"{path} in body should be {words} than or equal to {schema[bound]}"
                yield Fault(path, f"Invalid value: {value}: {text}")


def _compute_broken_text(value: str, schema: Schema, path: str) -> Iterator[Fault]:
    if len(value) > schema.get("maxLength", len(value)):
        yield Fault(path, f"Too long: may not be more than {schema['maxLength']} bytes")
    if len(value) < schema.get("minLength", 0):
        least = schema["minLength"]
        yield Fault(path, f"Invalid value: {json.dumps(value)}: {path} in body should be at least {least} chars long")
    if "pattern" in schema and not re.search(schema["pattern"], value):
        pattern = schema["pattern"]
        yield Fault(path, f"Invalid value: {json.dumps(value)}: {path} in body should match '{pattern}'")
