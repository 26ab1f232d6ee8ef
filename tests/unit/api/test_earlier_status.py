"""A profile's status as the version before wrote it: what it kept in conditions is read into the fields of today."""

from typing import Any

import pytest

from monopod.api.earlier_status import complete_status

BEFORE = "2026-01-01T00:00:00Z"


def a_condition(kind: str, reason: str, status: str = "True") -> dict[str, Any]:
    told = {"status": status, "reason": reason, "message": "because", "lastTransitionTime": BEFORE}
    return {"type": kind, "observedGeneration": 3, **told}


def complete(*conditions: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return complete_status({"phase": "ACTIVE", "conditions": list(conditions), **fields})


@pytest.mark.parametrize(
    ("reason", "published"),
    {
        "SelectorsPublished": True,
        "SelectorsKept": True,
        "PublishFailed": True,
        "SpecInvalid": True,
        "WaitsForDeletion": False,
        "ProfileQuotaExceeded": False,
        "SelectorsTooLarge": False,
        "RowsTooLarge": False,
    }.items(),
)
def test_a_profile_counts_as_published_unless_its_condition_says_what_it_waits_for(
    reason: str, published: bool
) -> None:
    assert complete(a_condition("Published", reason))["published"] is published


def test_a_profile_without_a_status_was_never_published() -> None:
    assert complete_status(None) == {"published": False}
    assert complete_status({}) == {"published": False}


def test_it_is_enforced_since_its_condition_ready_became_true() -> None:
    assert complete(a_condition("Ready", "Active"))["enforcedSince"] == BEFORE
    assert "enforcedSince" not in complete(a_condition("Ready", "PolicyChanged", "False"))


@pytest.mark.parametrize("called", ["Probe", "DryRun"])
@pytest.mark.parametrize("result", ["Sandboxed", "NotSandboxed", "Refused", "Impossible"])
def test_what_the_last_dry_run_said_is_read_with_the_generation_that_it_was_about(result: str, called: str) -> None:
    found = complete(a_condition("Enforced", f"{called}{result}"))["dryRun"]
    assert found == {"result": result, "message": "because", "observedGeneration": 3}


@pytest.mark.parametrize("reason", ["DryRunPending", "NoDryRun", "ProbePending", "NotProbed"])
def test_a_dry_run_that_said_nothing_leaves_nothing(reason: str) -> None:
    assert "dryRun" not in complete(a_condition("Enforced", reason, "Unknown"))


def test_a_round_of_moves_ended_when_its_condition_said_so() -> None:
    round_ = {"startedAt": "2025-12-31T00:00:00Z", "pods": 2}
    over = complete(a_condition("Rescheduled", "AllMoved"), rescheduling=round_)
    assert over["rescheduling"] == {**round_, "endedAt": BEFORE}
    open_ = complete(a_condition("Rescheduled", "Moving", "False"), rescheduling=round_)
    assert open_["rescheduling"] == round_


def test_a_status_of_this_version_is_taken_as_it_is() -> None:
    status = {
        "published": False,
        "conditions": [a_condition("Published", "SelectorsPublished"), a_condition("Ready", "x")],
    }
    assert complete_status(status) == status
