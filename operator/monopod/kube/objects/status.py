"""The status subresource of kinds that the operator owns."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

RESOURCES_LISTED: Final = 20
"""Of an issue: a list for people."""


def build_status_patch(current: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> dict[str, Any] | None:
    """The merge patch for the status subresource; None if nothing differs. Fields that no one wants are removed."""
    if current is not None and dict(current) == dict(wanted):
        return None
    return {"status": {**dict.fromkeys(sorted(set(current or {}) - set(wanted))), **wanted}}


def build_issue(code: str, message: str, resources: Sequence[str]) -> dict[str, Any]:
    """An issue in a status, and the objects that it is about."""
    return {"code": str(code), "message": message, "resourceIds": list(resources[:RESOURCES_LISTED])}
