"""An upgrade: the operator finds statuses as the version before wrote them, with conditions for a memory."""

import json

from tests.controlplane.operating.conftest import StartOperator
from tests.controlplane.operating.lab import SANDBOX, Json, Lab, eventually

FIELDS = ("published", "dryRun", "enforcedSince")
BEFORE = "2026-01-01T00:00:00Z"
ROUND = {"pods": 2, "moved": 2, "waiting": 0, "blocked": 0, "left": 0, "progress": "2/2", "blockers": []}


def write_as_before(lab: Lab, name: str) -> None:
    """Writes the profile's status as the version before would have, on the first of January."""
    status = lab.status(name)
    conditions = [{**one, "lastTransitionTime": BEFORE} for one in status["conditions"]]
    for one in conditions:
        one["reason"] = one["reason"].replace("DryRun", "Probe").replace("Selectors", "Rows")
    patch: Json = {"conditions": conditions, **dict.fromkeys(FIELDS)}
    if status["phase"] == "ACTIVE":
        patch["rescheduling"] = {**ROUND, "startedAt": "2025-12-31T00:00:00Z"}
    command = ("patch", "fargateprofile", name, "--subresource=status", "--type=merge", "-p")
    assert lab.kubectl(*command, json.dumps({"status": patch})).returncode == 0


def test_statuses_of_the_version_before_are_understood_and_nothing_begins_again(lab: Lab, start: StartOperator) -> None:
    lab.create_namespace("earlier")
    first = start("--no-leader-elect")
    for name in ("a", "b"):
        lab.create_profile(name, "earlier")
        lab.becomes_active(name)
    first.kill()
    lab.create_profile("c", "earlier")
    limited = ("--no-leader-elect", "--profile-quota", "1")
    second = start(*limited)
    eventually(lambda: lab.phase("c") == "CREATE_FAILED")
    eventually(lambda: lab.condition("b", "Rescheduled")["reason"] == "AllMoved")
    second.becomes_quiet()
    second.kill()
    for name in ("a", "b", "c"):
        write_as_before(lab, name)
    before = {name: lab.status(name) for name in ("a", "b", "c")}
    events = len(lab.events("default", "b"))
    third = start(*limited)
    third.passes_happen(3)
    third.becomes_quiet()
    for name in ("a", "b"):
        status = lab.status(name)
        assert (status["phase"], status["published"], status["enforcedSince"]) == ("ACTIVE", True, BEFORE)
        assert status["dryRun"]["result"] == "Sandboxed"
        assert status["rescheduling"] == {**before[name]["rescheduling"], "endedAt": BEFORE}
        assert {one["lastTransitionTime"] for one in status["conditions"]} == {BEFORE}
    held_back = lab.status("c")
    assert (held_back["phase"], held_back["published"]) == ("CREATE_FAILED", False)
    assert lab.condition("c", "Published")["lastTransitionTime"] == BEFORE
    assert lab.namespace_marks("earlier") == ("true", f"a|{SANDBOX}|Pend||\nb|{SANDBOX}|Pend||")
    assert len(lab.events("default", "b")) == events
