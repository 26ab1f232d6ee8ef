"""Whether a pod that goes is replaced by one in a sandbox: asked before any pod goes, for whatever reason."""

from collections.abc import Mapping
from typing import Any

from monopod.selectors.compile import pick_selectors_of
from monopod.selectors.publication import NamespaceView


def is_enforced(profile: Mapping[str, Any]) -> bool:
    """Whether new pods of a profile are sandboxed, by the last dry run; of one that is being deleted they aren't."""
    status = profile.get("status") or {}
    is_sandboxed = (status.get("dryRun") or {}).get("result") == "Sandboxed"
    return is_sandboxed and status.get("phase") == "ACTIVE" and "deletionTimestamp" not in profile["metadata"]


def is_reached(namespace: NamespaceView | None, profile: str) -> bool:
    """Whether a namespace takes new pods, and says that the profile reaches it."""
    if namespace is None or namespace.terminating:
        return False
    return bool(pick_selectors_of(namespace.compiled or "", profile))
