"""What a model demands beyond types: members that must be there, lengths, ranges, enums, patterns; in AWS's words.

botocore checks the first three, on the client's side. AWS checks all, and says all that is wrong in one message.
"""

import functools
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import re2

from monopod.aws.wire.call import Params
from monopod.aws.wire.codec.problems import join
from monopod.aws.wire.models import Shape

MOST: Final = 20
"""Violations that are told at once."""

LONGEST_VALUE: Final = 256
"""Of a value that is quoted."""

NO_LIMIT: Final = float("inf")


class Violation(NamedTuple):
    """A value that breaks a constraint."""

    path: str
    value: str
    constraint: str

    def __str__(self) -> str:
        return f"Value {self.value} at '{self.path}' failed to satisfy constraint: Member must {self.constraint}"


def describe(violations: list[Violation]) -> str:
    """All of them in a sentence, as AWS has it."""
    noun = "validation error" if len(violations) == 1 else "validation errors"
    return f"{len(violations)} {noun} detected: {'; '.join(map(str, violations))}"


def list_violations(shape: Shape, params: Params) -> list[Violation]:
    """What is wrong with an operation's input, the first MOST of it."""
    found = []
    for violation in _check_structure(shape, params, ""):
        found.append(violation)
        if len(found) == MOST:
            break
    return found


def _check(shape: Shape, value: Any, path: str) -> Iterator[Violation]:
    match shape.type_name:
        case "structure" if not shape.is_document_type:
            yield from _check_structure(shape, value, path)
        case "list":
            yield from _check_length(shape, len(value), value, path)
            for index, each in enumerate(value, start=1):
                yield from _check(shape.member, each, f"{path}.{index}.member")
        case "map":
            yield from _check_length(shape, len(value), value, path)
            for key, each in value.items():
                yield from _check(shape.key, key, f"{path}.key")
                yield from _check(shape.value, each, f"{path}.{key[:LONGEST_VALUE]}.member")
        case "string":
            yield from _check_string(shape, value, path)
        case "blob":
            yield from _check_length(shape, len(value), "(bytes)", path)
        case "integer" | "long" | "float" | "double":
            yield from _check_range(shape, value, path)
        case _:  # a boolean, a timestamp, a document: its type says all
            pass


def _check_structure(shape: Shape, params: Params, path: str) -> Iterator[Violation]:
    for name in shape.required_members:
        if name not in params:
            yield Violation(join(path, name), "null", "not be null")
    if shape.metadata.get("union") and len(params) != 1:
        yield Violation(path, _quote(sorted(params)), "have exactly one of its members set")
    for name, value in params.items():
        yield from _check(shape.members[name], value, join(path, name))


def _check_string(shape: Shape, value: str, path: str) -> Iterator[Violation]:
    yield from _check_length(shape, len(value), value, path)
    if shape.enum and value not in shape.enum:
        yield Violation(path, _quote(value), f"satisfy enum value set: [{', '.join(shape.enum)}]")
    pattern = shape.metadata.get("pattern")
    if pattern and not _compile(pattern).fullmatch(value):
        yield Violation(path, _quote(value), f"satisfy regular expression pattern: {pattern}")


def _check_length(shape: Shape, length: int, value: Any, path: str) -> Iterator[Violation]:
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max", NO_LIMIT)
    if length < least:
        yield Violation(path, _quote(value), f"have length greater than or equal to {least}")
    if length > most:
        yield Violation(path, _quote(value), f"have length less than or equal to {most}")


def _check_range(shape: Shape, value: float, path: str) -> Iterator[Violation]:
    least, most = shape.metadata.get("min", -NO_LIMIT), shape.metadata.get("max", NO_LIMIT)
    if value < least:
        yield Violation(path, _quote(value), f"have value greater than or equal to {least}")
    if value > most:
        yield Violation(path, _quote(value), f"have value less than or equal to {most}")


def _quote(value: Any) -> str:
    return f"'{str(value)[:LONGEST_VALUE]}'"


@functools.cache
def _compile(pattern: str) -> Any:
    """A pattern of a model; those are Java's, and match the whole value. RE2 takes linear time, whatever is sent."""
    return re2.compile(_JAVA_SIGN.sub(r"\\x{\1}", pattern))


_JAVA_SIGN: Final = re2.compile(r"\\u([0-9A-Fa-f]{4})")
