"""Conditions of a status, from what was found out: what a part of the operator contributes, and how it is merged.

A contributor knows neither the others nor what the status said before; a condition's time is kept here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any


class Severity(IntEnum):
    """What it means for an object that a condition is False."""

    REMARK = 0
    """Worth knowing, and no fault."""
    PARTIAL = 1
    """A fault of a part of it: it is Ready for the rest."""
    FAULT = 2
    """It isn't Ready, but what worked goes on."""
    FAILURE = 3
    """It has failed. An unknown status counts as not working either."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One condition, before it is dated.

    Attributes:
        condition: its type.
        holds: its status; None where it can't be told.
        resources: the objects that it is about, such as `RuntimeClass/kata`.
        keeps: whether nothing new is known, so that what the condition says already still holds, if it says anything.
    """

    condition: str
    holds: bool | None
    reason: str
    message: str
    resources: tuple[str, ...] = ()
    severity: Severity = Severity.FAILURE
    keeps: bool = False

    @property
    def is_fault(self) -> bool:
        """Whether something is wrong."""
        return self.holds is False and self.severity > Severity.REMARK


@dataclass(frozen=True, slots=True)
class Contribution:
    """What a part of the operator says of an object: conditions, and other fields of the status."""

    findings: tuple[Finding, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)


def merge_conditions(
    findings: Iterable[Finding], before: Mapping[str, Any] | None, generation: int, now: str
) -> list[dict[str, Any]]:
    """The conditions that a status should have.

    Args:
        findings: one for each condition, in order.
        before: the status that it has.
        generation: the object's metadata.generation.
        now: an RFC 3339 time, for those whose status is another than before.
    """
    known = {condition.get("type"): condition for condition in (before or {}).get("conditions") or ()}
    return [_date(finding, known.get(finding.condition) or {}, generation, now) for finding in findings]


def _date(finding: Finding, before: Mapping[str, Any], generation: int, now: str) -> dict[str, Any]:
    if finding.keeps and before:
        return {**before, "observedGeneration": generation}
    status = {True: "True", False: "False", None: "Unknown"}[finding.holds]
    return {
        "type": str(finding.condition),
        "status": status,
        "observedGeneration": generation,
        "lastTransitionTime": before["lastTransitionTime"] if before.get("status") == status else now,
        "reason": str(finding.reason),
        "message": finding.message,
    }
