"""Which pods wait for room on Spot."""

from typing import Any

import pytest

from monopod.spot.rules.waiting import lacks_room, read_waiting
from tests.unit.spot.waiting import OWNER, a_waiting_pod

MESSAGES = {
    "0/3 nodes are available: 3 Insufficient cpu.": True,
    "0/3 nodes are available: 1 Too many pods, 2 node(s) didn't match Pod's node affinity/selector.": True,
    "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.": True,
    "0/2 nodes are available: 2 node(s) had untolerated taint(s).": True,
    "no nodes available to schedule pods": True,
    "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had volume node affinity conflict.": True,
    "0/2 nodes are available: 2 node(s) had volume node affinity conflict.": False,
    "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims.": False,
    'persistentvolumeclaim "data" not found': False,
    "0/2 nodes are available: 2 node(s) didn't match pod topology spread constraints.": False,
}


@pytest.mark.parametrize(("message", "lacking"), MESSAGES.items(), ids=range(len(MESSAGES)))
def test_only_what_on_demand_would_help_lacks_room(message: str, lacking: bool) -> None:
    assert lacks_room(message) is lacking


OTHERS: dict[str, dict[str, Any]] = {
    "behind a gate": {"reason": "SchedulingGated"},
    "with a node": {"spec": {"nodeName": "node"}},
    "that has started": {"status": {"startTime": "2026-03-01T12:00:00Z"}},
    "that has been running": {"status": {"phase": "Running"}},
    "for whom others make room": {"status": {"nominatedNodeName": "node"}},
    "that waits for a volume": {"message": "pod has unbound immediate PersistentVolumeClaims"},
}


@pytest.mark.parametrize("changes", OTHERS.values(), ids=OTHERS)
def test_no_other_pod_waits_for_room(changes: dict[str, Any]) -> None:
    assert read_waiting(a_waiting_pod(**changes)) is None


def test_a_pod_that_goes_does_not_wait() -> None:
    pod = a_waiting_pod()
    pod["metadata"]["deletionTimestamp"] = "2026-03-01T12:00:00Z"
    assert read_waiting(pod) is None


def test_a_pod_that_waits_is_read_with_what_would_replace_it() -> None:
    waiting = read_waiting(a_waiting_pod())
    assert waiting is not None
    assert (waiting.profile, waiting.version) == ("web", "7")
    assert waiting.owner is not None
    assert waiting.owner.uid == OWNER
    for owner in ("web/x=y", f"{OWNER} x", "1"):
        other = read_waiting(a_waiting_pod(owner=owner))
        assert other is not None
        assert other.owner is None, "no uid of the API server's, which could say anything where it is written"
