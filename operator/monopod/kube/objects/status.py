"""The status subresource of kinds that the operator owns."""

from collections.abc import Mapping
from typing import Any


def build_status_patch(current: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> dict[str, Any] | None:
    """The merge patch for the status subresource; None if nothing differs. Fields that nobody wants are removed."""
    if current is not None and dict(current) == dict(wanted):
        return None
    return {"status": {**dict.fromkeys(sorted(set(current or {}) - set(wanted))), **wanted}}
