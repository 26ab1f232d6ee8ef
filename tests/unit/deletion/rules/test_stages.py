"""Whose turn a deletion is, how far it is, and what waits for it."""

from typing import Any

import pytest

from monopod.api.reasons import Reason
from monopod.deletion.rules.stages import (
    DeletionDeadline,
    Evicting,
    Failed,
    Queued,
    Released,
    Request,
    compute_stage,
    describe_stage,
    find_blocker,
    find_turn,
)
from monopod.eviction.rules.order import Obstacle

PATIENCE = DeletionDeadline(timeout=60, per_minute=60)
BEGAN, LATER, NOW = "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z", "2026-01-01T00:02:00Z"
EARLY, SOON = "2025-12-31T23:59:50Z", "2026-01-01T00:00:05Z"


def a_resource(**status: Any) -> dict[str, Any]:
    metadata = {"name": "web", "deletionTimestamp": BEGAN, "finalizers": ["monopod.dev/profile"]}
    return {"metadata": metadata, "status": status}


def test_a_profile_that_nobody_has_deleted_is_no_request() -> None:
    assert Request.from_resource({"metadata": {"name": "web"}}) is None


def test_what_the_status_says_of_a_deletion_survives_restarts() -> None:
    resource = a_resource(phase="DELETE_FAILED", deletion={"startedAt": LATER, "pods": 4})
    assert Request.from_resource(resource) == Request("web", BEGAN, LATER, 4, failed=True)
    resource = a_resource(phase="DELETING", pods=3, deletion={"startedAt": BEGAN, "pods": 4, "progressedAt": LATER})
    assert Request.from_resource(resource) == Request("web", BEGAN, BEGAN, 4, left=3, progressed=LATER)


@pytest.mark.parametrize(
    ("requests", "turn"),
    [
        pytest.param([], None, id="none"),
        pytest.param([Request("b", BEGAN), Request("a", LATER)], "b", id="the first that was deleted"),
        pytest.param([Request("b", BEGAN), Request("a", BEGAN)], "a", id="in the same second, by name"),
        pytest.param([Request("b", BEGAN, BEGAN), Request("a", BEGAN)], "b", id="the one that has begun"),
        pytest.param([Request("b", BEGAN, BEGAN, 1, failed=True), Request("a", LATER)], "a", id="failed gives way"),
        pytest.param([Request("b", BEGAN, keepers=("x",)), Request("a", LATER)], "a", id="held by others"),
        pytest.param([Request("b", BEGAN, EARLY, 2), Request("a", LATER)], "a", id="stalled gives way"),
        pytest.param([Request("b", BEGAN, EARLY, 2, progressed=BEGAN), Request("a", LATER)], "b", id="pods go"),
    ],
)
def test_one_profile_has_its_turn(requests: list[Request], turn: str | None) -> None:
    assert find_turn(requests, PATIENCE, SOON) == turn


@pytest.mark.parametrize(
    ("request_", "turn", "left", "stage"),
    [
        pytest.param(Request("web", BEGAN), "old", 3, Queued("old", 3), id="queued"),
        pytest.param(Request("web", BEGAN), "web", 3, Evicting(NOW, 3, 3, progressed=NOW), id="its turn begins"),
        pytest.param(
            Request("web", BEGAN, LATER, 40, left=13), "web", 12, Evicting(LATER, 12, 40, (), NOW), id="under way"
        ),
        pytest.param(
            Request("web", BEGAN, LATER, 40, left=12),
            "web",
            12,
            Evicting(LATER, 12, 40, (), LATER, stalled=True),
            id="no pod goes",
        ),
        pytest.param(
            Request("web", BEGAN, LATER, 40, left=12), "next", 11, Evicting(LATER, 11, 40, (), NOW), id="it goes on"
        ),
        pytest.param(Request("web", BEGAN, BEGAN, 4), "web", 1, Failed(BEGAN, 1, 4), id="too late"),
        pytest.param(
            Request("web", BEGAN, BEGAN, 4), "web", 0, Evicting(BEGAN, 0, 4, (), BEGAN), id="late, but nothing is left"
        ),
        pytest.param(
            Request("web", BEGAN, BEGAN, 90, left=2), "web", 1, Evicting(BEGAN, 1, 90, (), NOW), id="many take long"
        ),
        pytest.param(Request("web", BEGAN, LATER, 4, failed=True), "old", 1, Failed(LATER, 1, 4), id="stays failed"),
        pytest.param(Request("web", BEGAN, keepers=("x",)), None, 0, Released(("x",)), id="held by others"),
    ],
)
def test_the_stage_follows_from_request_turn_and_time(request_: Request, turn: str, left: int, stage: object) -> None:
    assert compute_stage(request_, turn, left, (), PATIENCE, NOW) == stage


@pytest.mark.parametrize(
    ("created", "request_", "blocker"),
    [
        pytest.param(BEGAN, Request("old", LATER), None, id="created before"),
        pytest.param(LATER, Request("old", LATER), "old", id="in the same second"),
        pytest.param(NOW, Request("old", LATER), "old", id="created since"),
    ],
)
def test_a_deletion_holds_up_what_is_created_since(created: str, request_: Request, blocker: str | None) -> None:
    assert find_blocker(created, [request_]) == blocker


HOLDING = {
    "queued": (Request("old", BEGAN), True),
    "just begun": (Request("old", BEGAN, NOW, 3), True),
    "failed": (Request("old", BEGAN, BEGAN, 3, failed=True), False),
    "kept by others": (Request("old", BEGAN, keepers=("x",)), False),
    "stalled": (Request("old", BEGAN, LATER, 3), False),
    "a pod went lately": (Request("old", BEGAN, BEGAN, 3, progressed=NOW), True),
}


@pytest.mark.parametrize(("request_", "holds"), HOLDING.values(), ids=HOLDING)
def test_others_wait_for_a_deletion_as_long_as_its_pods_go(request_: Request, holds: bool) -> None:
    assert request_.holds(PATIENCE, NOW) is holds


def test_progress_and_what_blocks_it_are_told() -> None:
    blocked = Obstacle(Reason.BUDGET_EXHAUSTED, "PodDisruptionBudget prod/web doesn't allow it", ("prod/a",))
    assert describe_stage(Evicting(BEGAN, 12, 40)) == "pods: 12/40 left"
    assert describe_stage(Failed(BEGAN, 1, 4, (blocked,))).endswith("slowly: " + blocked.message)
