"""The status subresource of kinds that the operator owns."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

RESOURCES_LISTED: Final = 20
"""Of an issue: a list for people."""


def build_status_patch(current: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> dict[str, Any] | None:
    """The merge patch for the status subresource; None if nothing differs. Fields that no one wants are removed."""
    if current is not None and dict(current) == dict(wanted):
        return None
    return {"status": _with_removals(current or {}, wanted)}


def _with_removals(current: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What is wanted, with null for what isn't any more, at any depth, where a merge patch would let it be."""
    patch: dict[str, Any] = dict.fromkeys(sorted(set(current) - set(wanted)))
    for key, value in wanted.items():
        before = current.get(key)
        nested = isinstance(value, Mapping) and isinstance(before, Mapping)
        patch[key] = _with_removals(before, value) if nested else value  # type: ignore[arg-type]  # `nested` says so
    return patch


def build_issue(code: str, message: str, resources: Sequence[str]) -> dict[str, Any]:
    """An issue in a status, and the objects that it is about."""
    return {"code": str(code), "message": message, "resourceIds": list(resources[:RESOURCES_LISTED])}
