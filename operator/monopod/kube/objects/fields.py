"""Typed reading of the dicts that pods and profiles are, with errors that name the field.

Pods never go through a typed model: a model drops the fields that it doesn't know. What the API server has stored
always reads without an error; a file that a user hands to `kubectl fargate explain` may hold anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from monopod.kube.objects.quantity import InvalidQuantity, parse_quantity


class InvalidManifest(ValueError):
    """A field holds what the API server would never store; the message begins with the field's path."""


class InvalidPod(InvalidManifest):
    """A pod that the API server would refuse before any policy sees it."""


class InvalidProfile(InvalidManifest):
    """A FargateProfile that the API server would refuse."""


class InvalidGroup(InvalidManifest):
    """A SecurityGroup that the API server would refuse."""


class InvalidGroupPolicy(InvalidManifest):
    """A SecurityGroupPolicy that the API server would refuse; with AWS's CRD instead of ours it may let it pass."""


@dataclass(frozen=True, slots=True)
class Part:
    """One mapping inside a manifest and where it stands there; an absent or null field reads as empty.

    Whatever reads a field raises `error` where the field holds something of another type.
    """

    fields: Mapping[str, object]
    path: str = ""
    error: type[InvalidManifest] = InvalidPod

    def fail(self, key: str, problem: str) -> InvalidManifest:
        """The error to raise for the field `key`."""
        return self.error(f"{self.path_of(key)}: {problem}")

    def path_of(self, key: str) -> str:
        """The field's path as kubectl writes it, such as `spec.containers[0].ports`."""
        return f"{self.path}.{key}" if self.path else key

    def refuse_unknown(self, *known: str) -> None:
        """Raises the error if there are other fields than the known: for kinds where ignoring one could open a pod."""
        for key in self.fields:
            if key not in known:
                raise self.fail(str(key), "isn't known")

    def child(self, key: str) -> "Part":
        """The mapping under `key`."""
        value = self.fields.get(key)
        if value is None:
            value = {}
        if not isinstance(value, Mapping):
            raise self.fail(key, f"must be a mapping, not {_kind_of(value)}")
        return Part(value, self.path_of(key), self.error)

    def children(self, key: str) -> tuple["Part", ...]:
        """The mappings in the list under `key`."""
        found = []
        for index, item in enumerate(self._items(key)):
            place = f"{key}[{index}]"
            if not isinstance(item, Mapping):
                raise self.fail(place, f"must be a mapping, not {_kind_of(item)}")
            found.append(Part(item, self.path_of(place), self.error))
        return tuple(found)

    def texts(self, key: str) -> tuple[str, ...]:
        """The strings in the list under `key`."""
        items = self._items(key)
        return tuple(self._as_text(f"{key}[{index}]", item) for index, item in enumerate(items))

    def text(self, key: str) -> str:
        """The string under `key`, or an empty one."""
        value = self.fields.get(key)
        return "" if value is None else self._as_text(key, value)

    def flag(self, key: str) -> bool:
        """The boolean under `key`, or false."""
        value = self.fields.get(key)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise self.fail(key, f"must be true or false, not {_kind_of(value)}")
        return value

    def number(self, key: str) -> int:
        """The whole number under `key`, or 0."""
        value = self.fields.get(key)
        if value is None:
            return 0
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.fail(key, f"must be a whole number, not {_kind_of(value)}")
        return value

    def text_map(self, key: str) -> dict[str, str]:
        """The strings under `key`, such as labels; a null value reads as the API server reads it, as empty."""
        part = self.child(key)
        return {part._as_key(name): part.text(name) for name in part.fields}

    def quantities(self, key: str) -> dict[str, Fraction]:
        """The resource quantities under `key`, such as requests, in the base unit of each (cores, bytes)."""
        part = self.child(key)
        return {part._as_key(name): part._as_quantity(name, value) for name, value in part.fields.items()}

    def _items(self, key: str) -> list[object]:
        value = self.fields.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.fail(key, f"must be a list, not {_kind_of(value)}")
        return value

    def _as_text(self, key: str, value: object) -> str:
        if not isinstance(value, str):
            raise self.fail(key, f"must be a string, not {_kind_of(value)}")
        return value

    def _as_key(self, name: object) -> str:
        if not isinstance(name, str):
            raise self.error(f"{self.path}: the key {name!r} must be a string, not {_kind_of(name)}")
        return name

    def _as_quantity(self, key: str, value: object) -> Fraction:
        try:
            amount = parse_quantity(value)
        except InvalidQuantity as problem:
            raise self.fail(key, str(problem)) from None
        if amount < 0:
            raise self.fail(key, "must not be negative")
        return amount


_KINDS: Mapping[type, str] = {bool: "a boolean", int: "a number", float: "a number", str: "a string", list: "a list"}


def _kind_of(value: object) -> str:
    if value is None:
        return "null"
    return _KINDS.get(type(value), "a mapping" if isinstance(value, Mapping) else f"a {type(value).__name__}")
