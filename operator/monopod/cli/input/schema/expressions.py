"""The CEL rules of a CRD's schema (`x-kubernetes-validations`), run on an object as the API server runs them.

Rules that compare with the object before (`oldSelf`) say nothing of a manifest and are left out.
"""

import ipaddress
import json
from collections.abc import Iterator
from functools import cache
from typing import Any, Final

import celpy
import re2
from celpy import celtypes
from celpy.adapter import json_to_cel

from monopod.api.rules import VALIDATIONS
from monopod.cli.input.schema.structural import Fault, Schema, join

_PREFIXES: Final = {
    "FieldValueInvalid": "Invalid value",
    "FieldValueForbidden": "Forbidden",
    "FieldValueRequired": "Required value",
}


def compute_broken_rules(value: Any, schema: Schema, path: str = "") -> Iterator[Fault]:
    """The rules that a value breaks, its own before those of its parts; it must fit the schema otherwise."""
    for rule in schema.get(VALIDATIONS, ()):
        if "oldSelf" not in rule["rule"] and not _holds(rule["rule"], value):
            yield _build_fault(rule, value, path)
    if isinstance(value, dict):
        named, others = schema.get("properties", {}), schema.get("additionalProperties")
        for key, inner in value.items():
            if key in named:
                yield from compute_broken_rules(inner, named[key], join(path, key))
            elif isinstance(others, dict):
                yield from compute_broken_rules(inner, others, f"{path}[{key}]")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from compute_broken_rules(item, schema.get("items", {}), f"{path}[{index}]")


def _build_fault(rule: Schema, value: Any, path: str) -> Fault:
    place = f"{path}{rule['fieldPath']}".removeprefix(".") if "fieldPath" in rule else path
    shown = "" if isinstance(value, dict | list) or "fieldPath" in rule else f"{json.dumps(value)}: "
    prefix = _PREFIXES[rule["reason"]]
    return Fault(place, f"{prefix}: {shown if prefix == 'Invalid value' else ''}{rule['message']}")


def _holds(expression: str, value: Any) -> bool:
    return _evaluate(expression, json.dumps(value))


@cache  # some milliseconds each, and large security groups repeat themselves
def _evaluate(expression: str, value: str) -> bool:
    return bool(_compile(expression).evaluate({"self": json_to_cel(json.loads(value))}))


@cache
def _compile(expression: str) -> celpy.Runner:
    environment = celpy.Environment()
    return environment.program(environment.compile(expression), functions=_FUNCTIONS)


@cache
def _compile_pattern(pattern: str) -> Any:
    options = re2.Options()
    # Classes such as \p{L} are large; with its own bound re2 writes a complaint to stderr and takes a slower way.
    options.max_mem = 64 << 20
    options.log_errors = False
    return re2.compile(pattern, options)


def _matches(text: celtypes.StringType, pattern: celtypes.StringType) -> celtypes.BoolType:
    return celtypes.BoolType(_compile_pattern(str(pattern)).search(str(text)) is not None)


def _is_cidr(text: celtypes.StringType) -> celtypes.BoolType:
    return celtypes.BoolType(_read_cidr(str(text)) is not None)


def _cidr(text: celtypes.StringType) -> celtypes.StringType:
    found = _read_cidr(str(text))
    if found is None:
        raise ValueError(f"{text} is no CIDR")
    return celtypes.StringType(str(found))


def _masked(text: celtypes.StringType) -> celtypes.StringType:
    return celtypes.StringType(str(ipaddress.ip_interface(str(text)).network))


def _contains_cidr(outer: celtypes.StringType, inner: celtypes.StringType) -> celtypes.BoolType:
    larger, smaller = (ipaddress.ip_interface(str(each)).network for each in (outer, inner))
    return celtypes.BoolType(larger.version == smaller.version and smaller.subnet_of(larger))  # type: ignore[arg-type]  # of one version


def _read_cidr(text: str) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface | None:
    address, slash, prefix = text.partition("/")
    # Neither zones nor IPv4-mapped addresses nor masks in place of a prefix: as Go's netip and Kubernetes' library.
    if not slash or "%" in address or not (prefix.isascii() and prefix.isdigit()) or prefix != str(int(prefix)):
        return None
    try:
        found = ipaddress.ip_interface(text)
    except ValueError:
        return None
    return None if getattr(found.ip, "ipv4_mapped", None) else found


_FUNCTIONS: Final[Any] = {
    "matches": _matches,
    "isCIDR": _is_cidr,
    "cidr": _cidr,
    "masked": _masked,
    "containsCIDR": _contains_cidr,
}
"""Apart from CEL's own: re2 for `matches`, as in the API server, and of Kubernetes' libraries what our rules use."""
