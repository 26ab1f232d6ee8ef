"""Conditions as they are merged: dated by whether their status changed, and kept where nothing new is known."""

from dataclasses import replace
from typing import Any

import pytest

from monopod.kube.objects.conditions import Finding, Severity, merge_conditions

NOW, BEFORE = "2026-01-02T00:00:00Z", "2026-01-01T00:00:00Z"
FINDING = Finding("Usable", True, "AllIsWell", "nothing is wrong")
KNOWN = {
    "type": "Usable",
    "status": "True",
    "observedGeneration": 1,
    "lastTransitionTime": BEFORE,
    "reason": "Other",
    "message": "as it was",
}


def merge(finding: Finding, known: dict[str, Any] | None, generation: int = 1) -> dict[str, Any]:
    (condition,) = merge_conditions([finding], {"conditions": [known]} if known else None, generation, NOW)
    return condition


@pytest.mark.parametrize(
    ("known", "time"),
    [(None, NOW), (KNOWN, BEFORE), ({**KNOWN, "status": "Unknown"}, NOW)],
    ids=["new", "the same status", "another status"],
)
def test_a_condition_is_dated_by_its_status_alone(known: dict[str, Any] | None, time: str) -> None:
    assert merge(FINDING, known, 2) == {
        "type": "Usable",
        "status": "True",
        "observedGeneration": 2,
        "lastTransitionTime": time,
        "reason": "AllIsWell",
        "message": "nothing is wrong",
    }


def test_what_was_said_is_kept_while_nothing_new_is_known() -> None:
    finding = replace(FINDING, holds=None, keeps=True)
    assert merge(finding, KNOWN, 2) == {**KNOWN, "observedGeneration": 2}
    assert merge(finding, None)["status"] == "Unknown"


def test_a_condition_that_nobody_contributes_any_more_goes() -> None:
    assert merge_conditions([], {"conditions": [KNOWN]}, 1, NOW) == []


@pytest.mark.parametrize(
    ("holds", "severity", "is_fault"),
    [
        (False, Severity.REMARK, False),
        (False, Severity.PARTIAL, True),
        (False, Severity.FAILURE, True),
        (None, Severity.FAILURE, False),
        (True, Severity.FAILURE, False),
    ],
)
def test_only_what_is_false_and_no_remark_is_a_fault(holds: bool | None, severity: Severity, is_fault: bool) -> None:
    assert replace(FINDING, holds=holds, severity=severity).is_fault is is_fault
