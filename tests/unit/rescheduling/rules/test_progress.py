"""How far a profile's pods are moved, from pass to pass."""

from typing import Any

import pytest

from monopod.api.reasons import Reason
from monopod.eviction.rules.order import Candidate, Obstacle
from monopod.kube.objects.conditions import merge_conditions
from monopod.rescheduling.rules.plans import WorkloadPlan
from monopod.rescheduling.rules.progress import (
    BLOCKERS,
    Kept,
    Moves,
    NotListed,
    Tally,
    build_tally,
    compute_unwritten,
    contribute_progress,
    decide_rescheduling,
    judge_progress,
)
from monopod.workloads.rules.replacement import Workload

ENDED, SOON, LATER = "2026-01-01T12:00:00Z", "2026-01-01T12:10:00Z", "2026-01-01T12:10:01Z"
WEB = Workload("prod", "Deployment", "web", "uid")
BUDGET = Obstacle(Reason.BUDGET_EXHAUSTED, "PodDisruptionBudget prod/web doesn't allow it", ("prod/a",))
NOT_RECREATED = Obstacle(Reason.RECREATION_OFF, "not here", ("prod/c",))


def pods(*names: str) -> tuple[Candidate, ...]:
    return tuple(Candidate("prod", name, name) for name in names)


def count(tally: Tally, before: dict[str, Any] | None = None, now: str = "later") -> tuple[str, str, int]:
    """When the round began, how far it is, and how many wait."""
    status = decide_rescheduling(tally, before, now) or {}
    return status["startedAt"], status["progress"], status["waiting"]


def test_pods_are_counted_once_each() -> None:
    left = {Reason.BARE_PODS_LEFT: pods("d")}
    plan = WorkloadPlan(WEB, "web", pods("a"), pods("b", "c"), replacing=2, left=left, waiting_for="1 of 4")
    tally = build_tally([plan], [BUDGET], ["prod/gone"])
    assert (tally.waiting, tally.blocked, tally.left, tally.waiting_for) == (2 + 1 + 2, 1, 1, "1 of 4")
    assert [obstacle.reason for obstacle in tally.obstacles] == [Reason.BUDGET_EXHAUSTED, Reason.BARE_PODS_LEFT]


def test_a_round_counts_what_it_began_with() -> None:
    begun = decide_rescheduling(Tally(waiting=5), None, "first") or {}
    assert (begun["startedAt"], begun["progress"]) == ("first", "0/5")
    assert count(Tally(waiting=3), begun) == ("first", "2/5", 3)
    assert count(Tally(), begun) == ("first", "5/5", 0)


def test_pods_that_come_in_meanwhile_are_added() -> None:
    before = decide_rescheduling(Tally(waiting=3), decide_rescheduling(Tally(waiting=5), None, "first"), "x")
    assert count(Tally(waiting=6), before) == ("first", "2/8", 6)


def test_after_a_restart_it_goes_on_where_it_was() -> None:
    before = decide_rescheduling(Tally(waiting=3), decide_rescheduling(Tally(waiting=5), None, "first"), "x")
    assert decide_rescheduling(NotListed(), before, "later") == before
    assert count(Tally(waiting=3), before) == ("first", "2/5", 3)


def test_a_new_round_begins_after_the_last_one_has_ended_whatever_was_left() -> None:
    over = decide_rescheduling(Tally(left=1), decide_rescheduling(Tally(waiting=4, left=1), None, "first"), ENDED) or {}
    assert over["progress"] == "4/5"
    assert count(Tally(waiting=2, left=1), over, LATER) == (LATER, "0/3", 2)


def test_a_round_goes_on_if_pods_are_to_be_moved_again_soon_after_its_end() -> None:
    """A controller may take a while to replace a pod. If each replacement began a round there'd be no end of it."""
    over = decide_rescheduling(Tally(), decide_rescheduling(Tally(waiting=1), None, "first"), ENDED) or {}
    again = decide_rescheduling(Tally(waiting=1), over, SOON) or {}
    assert (again["startedAt"], again["progress"]) == ("first", "1/2")
    new = decide_rescheduling(Tally(waiting=1), over, LATER) or {}
    assert (new["startedAt"], new["progress"]) == (LATER, "0/1")


@pytest.mark.parametrize("last", [Tally(), Tally(left=1, obstacles=(NOT_RECREATED,))], ids=["moved", "not recreated"])
def test_a_round_ends_when_no_pod_waits_any_more_and_that_is_remembered(last: Tally) -> None:
    begun = decide_rescheduling(Tally(waiting=2), None, "first") or {}
    over = decide_rescheduling(last, begun, ENDED) or {}
    assert ("endedAt" in begun, over["endedAt"]) == (False, ENDED)
    assert (decide_rescheduling(last, over, SOON) or {})["endedAt"] == ENDED
    assert (decide_rescheduling(NotListed(), over, SOON) or {})["endedAt"] == ENDED
    assert "endedAt" not in (decide_rescheduling(Tally(waiting=1), over, SOON) or {})


@pytest.mark.parametrize(
    "tally",
    [Tally(unseen=("prod",)), Tally(obstacles=(compute_unwritten(["prod"], "no"),))],
    ids=["unseen", "unwritten"],
)
def test_a_round_has_not_ended_while_pods_of_a_namespace_are_not_known(tally: Tally) -> None:
    begun = decide_rescheduling(Tally(waiting=2), None, "first") or {}
    assert "endedAt" not in (decide_rescheduling(tally, begun, ENDED) or {})


def test_what_never_was_is_not_mentioned() -> None:
    assert decide_rescheduling(Tally(), None, "now") is None
    assert decide_rescheduling(Kept(), None, "now") is None


def test_no_more_blockers_are_listed_than_anyone_reads() -> None:
    many = tuple(Obstacle(Reason.BUDGET_EXHAUSTED, f"budget {n}", (f"prod/{n}",)) for n in range(BLOCKERS + 5))
    status = decide_rescheduling(Tally(blocked=len(many), obstacles=many), None, "now") or {}
    assert len(status["blockers"]) == BLOCKERS


VERDICTS: dict[str, tuple[Moves, bool | None, Reason]] = {
    "moving": (Tally(waiting=1, blocked=1), False, Reason.MOVING),
    "blocked": (Tally(blocked=1, obstacles=(BUDGET,)), False, Reason.BLOCKED),
    "paused": (Tally(waiting=1, paused=True), False, Reason.PAUSED),
    "paused with nothing to move": (Tally(paused=True), True, Reason.ALL_MOVED),
    "some left alone": (Tally(left=3), True, Reason.ALL_MOVED),
    "not recreated here": (Tally(left=3, obstacles=(NOT_RECREATED,)), False, Reason.RECREATION_OFF),
    "the same while others move": (Tally(waiting=1, left=3, obstacles=(NOT_RECREATED,)), False, Reason.MOVING),
    "a namespace that can't be looked at": (Tally(unseen=("prod",)), None, Reason.PODS_NOT_LISTED),
    "one that can't be looked at while others move": (Tally(waiting=1, unseen=("prod",)), False, Reason.MOVING),
    "kept": (Kept(), True, Reason.EXISTING_PODS_KEPT),
    "not known": (NotListed(), None, Reason.PODS_NOT_LISTED),
}


@pytest.mark.parametrize(("moves", "holds", "reason"), VERDICTS.values(), ids=VERDICTS)
def test_what_the_condition_says(moves: Moves, holds: bool | None, reason: Reason) -> None:
    verdict = judge_progress(moves, decide_rescheduling(moves, None, "now"))
    assert (verdict.holds, verdict.reason) == (holds, reason)


def test_the_message_names_what_blocks_or_what_the_next_pod_waits_for() -> None:
    blocked, waiting = Tally(3, 1, obstacles=(BUDGET,)), Tally(2, waiting_for="1 of 4 pods aren't Ready")
    assert judge_progress(blocked, {"progress": "1/5"}).message == (
        "pods: 1/5 moved, 3 waiting, 1 blocked: PodDisruptionBudget prod/web doesn't allow it"
    )
    assert judge_progress(waiting, {"progress": "1/3"}).message.endswith("1 of 4 pods aren't Ready")


def test_what_was_said_holds_until_the_pods_have_been_looked_at() -> None:
    said = {"type": "Rescheduled", "status": "False", "reason": "Blocked", "message": "why", "observedGeneration": 1}
    status = {"conditions": [said]}
    assert merge_conditions(contribute_progress(NotListed(), status, "now").findings, status, 1, "now") == [said]
    kept = contribute_progress(NotListed(), status, "now", was_kept=True)
    (other,) = merge_conditions(kept.findings, status, 1, "now")
    assert (other["status"], other["reason"]) == ("Unknown", "PodsNotListed")
