"""Reads a profile's status as the version before wrote it, which inferred from conditions what has fields now.

All of it can go with the second release after the one that brought these fields: no one upgrades past a release. The
version before, for its part, finds in the conditions of this one what it infers from them, and removes the fields, so
that they are derived again afterwards. But it doesn't know the reasons that were renamed: a profile held back as
SelectorsTooLarge counts as published there, and Enforced is Unknown until its next dry run.
"""

from collections.abc import Mapping
from typing import Any

_NOT_PUBLISHED = ("WaitsForDeletion", "ProfileQuotaExceeded", "RowsTooLarge", "SelectorsTooLarge")
_RESULTS = {
    f"{called}{result}": result
    for called in ("Probe", "DryRun")
    for result in ("Sandboxed", "NotSandboxed", "Refused", "Impossible")
}
"""The reasons' old names, and those of today."""


def complete_status(status: Mapping[str, Any] | None) -> dict[str, Any]:
    """The status with the fields that it lacks. One that has `published` is of this version, and lacks none."""
    found = dict(status or {})
    if "published" in found:
        return found
    known = {condition.get("type"): condition for condition in found.get("conditions") or ()}
    ready, enforced, moved = (known.get(kind) or {} for kind in ("Ready", "Enforced", "Rescheduled"))
    found["published"] = "Published" in known and known["Published"].get("reason") not in _NOT_PUBLISHED
    if ready.get("status") == "True":
        found["enforcedSince"] = ready["lastTransitionTime"]
    if result := _RESULTS.get(str(enforced.get("reason"))):
        generation = enforced.get("observedGeneration") or 0
        found["dryRun"] = {"result": result, "message": enforced["message"], "observedGeneration": generation}
    if "rescheduling" in found and moved.get("reason") in ("AllMoved", "RecreationOff"):
        found["rescheduling"] = {**found["rescheduling"], "endedAt": moved["lastTransitionTime"]}
    return found
