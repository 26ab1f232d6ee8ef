"""Which pod is evicted next, whatever the API server answers."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from monopod.api.reasons import Reason
from monopod.eviction.rules.order import (
    LONGEST_PAUSE_SECONDS,
    LONGEST_WISH_SECONDS,
    PATIENT_PAUSE_SECONDS,
    Answer,
    Candidate,
    Evict,
    Evicted,
    EvictionQueue,
    Gone,
    OverBudget,
    Refused,
    SeveralBudgets,
    Unanswered,
    Wait,
)

NO = OverBudget(("web",), "The disruption budget web needs 2 healthy pods and has 2 currently")


def a_pod(name: str, created: str = "", workload: str = "", *, patient: bool = False) -> Candidate:
    return Candidate("prod", name, name, created, workload or name, patient)


def a_queue(*pods: Candidate, distance: float = 1.0) -> EvictionQueue:
    queue = EvictionQueue(distance, free_at=0.0)
    queue.update(pods)
    return queue


def run(queue: EvictionQueue, answers: Iterable[Answer], now: float = 0.0) -> list[tuple[float, str]]:
    """When which pod was asked for, with these answers one after the other."""
    asked: list[tuple[float, str]] = []
    for answer in answers:
        while isinstance(step := queue.decide(now), Wait):
            if step.until is None:
                return asked
            now = step.until
        asked.append((now, step.pod.name))
        queue.record_answer(step.pod, answer, now)
    return asked


def test_the_oldest_goes_first_and_evictions_keep_their_distance() -> None:
    queue = a_queue(a_pod("b", "2026-01-02"), a_pod("c", "2026-01-03"), a_pod("a", "2026-01-04"), distance=3)
    assert run(queue, [Evicted()] * 3) == [(0, "b"), (3, "c"), (6, "a")]


def test_a_deletion_comes_before_what_is_moved() -> None:
    moved = replace(a_pod("moved", "2026-01-01"), purpose="rescheduling")
    assert run(a_queue(moved, a_pod("deleted", "2026-02-01")), [Evicted()] * 2) == [(0, "deleted"), (1, "moved")]


def test_what_was_seen_too_long_ago_is_left_alone_until_it_is_seen_again() -> None:
    queue = a_queue(replace(a_pod("a"), known_until=15.0))
    assert queue.decide(14.9) == Evict(a_pod("a"))
    assert queue.decide(15.0) == Wait(None)
    assert queue.update([replace(a_pod("a"), known_until=30.0)])
    assert queue.decide(15.0) == Evict(a_pod("a"))


def test_budgets_count_as_obstacles_once_they_have_refused_for_some_pauses() -> None:
    pod = a_pod("a", patient=True)
    queue = a_queue(pod)
    for now in (0.0, 2.0):
        queue.record_answer(pod, NO, now)
        assert queue.compute_obstacles([pod], lasting=8.0) == ()
    queue.record_answer(pod, NO, 6.0)
    assert len(queue.compute_obstacles([pod], lasting=8.0)) == 1


def test_a_fresh_queue_begins_with_a_distance_so_that_restarts_make_no_storm() -> None:
    queue = EvictionQueue(5.0, free_at=105.0)
    queue.update([a_pod("a")])
    assert queue.decide(100.0) == Wait(105.0)
    assert queue.decide(105.0) == Evict(a_pod("a"))


def test_an_evicted_pod_is_not_asked_for_again_while_it_ends() -> None:
    queue = a_queue(a_pod("a"))
    assert run(queue, [Evicted()] * 2) == [(0, "a")]


@pytest.mark.parametrize("answer", [NO, SeveralBudgets()], ids=lambda one: type(one).__name__)
def test_after_a_budgets_refusal_its_workload_pauses_longer_each_time_and_others_go_on(answer: Answer) -> None:
    queue = a_queue(a_pod("a", "1", "web"), a_pod("b", "2", "web"), a_pod("c", "3"))
    assert run(queue, [answer, Evicted(), answer, answer]) == [(0, "a"), (0, "c"), (2, "b"), (6, "a")]


def test_a_pod_that_is_refused_for_another_reason_is_refused_alone_and_the_rest_go_on() -> None:
    pods = [a_pod("stuck", "1", "web"), a_pod("b", "2", "web"), a_pod("c", "3", "web")]
    queue, no = a_queue(*pods), Refused("a webhook says no")
    assert run(queue, [no, Evicted()]) == [(0, "stuck"), (2, "b")]
    assert queue.find_refused(pods) == {"stuck": no}
    assert [each.pods for each in queue.compute_obstacles(pods)] == [("prod/stuck",)]
    assert run(queue, [Evicted(), no, no, no], now=2) == [(3, "c"), (4, "stuck"), (8, "stuck"), (16, "stuck")]


def test_a_workload_of_which_all_pods_are_refused_is_asked_for_one_at_a_time() -> None:
    queue = a_queue(*(a_pod(f"p{number:02}", workload="web") for number in range(30)))
    asked = run(queue, [Refused("no")] * 30)
    assert [when for when, _ in asked] == [2 * number for number in range(30)]
    assert len(queue.compute_obstacles([a_pod("p00", workload="web")])) == 1


def test_a_budgets_answer_replaces_what_the_pod_was_refused_for_before() -> None:
    pods = [a_pod("a", "1", "web"), a_pod("b", "2", "web")]
    queue = a_queue(*pods)
    queue.record_answer(pods[0], Refused("no"), 0.0)
    queue.record_answer(pods[0], NO, 2.0)
    assert queue.find_refused(pods) == {"a": NO, "b": NO}


@pytest.mark.parametrize("answer", [NO, Refused("no")], ids=lambda one: type(one).__name__)
def test_pauses_have_an_end(answer: Answer) -> None:
    times = [when for when, _ in run(a_queue(a_pod("a")), [answer] * 20)]
    assert times[-1] - times[-2] == LONGEST_PAUSE_SECONDS


def test_patience_makes_longer_pauses() -> None:
    times = [when for when, _ in run(a_queue(a_pod("a", patient=True)), [NO] * 20)]
    assert times[-1] - times[-2] == PATIENT_PAUSE_SECONDS


def test_a_pod_that_is_never_granted_stops_no_other_of_its_workload() -> None:
    queue = a_queue(a_pod("stuck", "1", "web"), a_pod("free", "2", "web"))
    assert [name for _, name in run(queue, [NO, Evicted()])] == ["stuck", "free"]


def test_the_servers_wish_is_honoured() -> None:
    wishful = OverBudget(("web",), "being processed", retry_after=30)
    assert run(a_queue(a_pod("a")), [wishful, Evicted()]) == [(0, "a"), (30, "a")]


@pytest.mark.parametrize("answer", [replace(NO, retry_after=86400), Unanswered("maintenance", retry_after=86400)])
def test_a_wish_of_hours_is_a_proxys_and_stops_nothing_for_so_long(answer: Answer) -> None:
    assert [when for when, _ in run(a_queue(a_pod("a")), [answer, Evicted()])] == [0, LONGEST_WISH_SECONDS]


def test_a_grant_ends_the_pause_of_its_workload() -> None:
    queue = a_queue(a_pod("a", "1", "web"), a_pod("b", "2", "web"), a_pod("c", "3", "web"))
    assert [when for when, _ in run(queue, [NO, NO, Evicted(), NO, NO])] == [0, 2, 6, 7, 9]


def test_a_server_that_does_not_answer_is_left_alone_for_a_while_by_all() -> None:
    queue = a_queue(a_pod("a"), a_pod("b"))
    asked = run(queue, [Unanswered("away"), Unanswered("away"), Unanswered("busy", retry_after=60), Evicted()])
    assert [when for when, _ in asked] == [0, 2, 6, 66]


def test_a_namespace_in_which_nothing_answers_holds_up_no_other() -> None:
    pods = [a_pod(name, f"2026-01-0{number}") for number, name in enumerate("abc", start=1)]
    broken = [replace(pod, namespace="broken") for pod in pods[:2]]
    queue = a_queue(*broken, pods[2], replace(pods[2], name="d", uid="d", workload="d", purpose="patching"))
    lost = Unanswered("no answer of a webhook")
    asked = run(queue, [lost, lost, Evicted(), Evicted(), lost, Evicted(), Evicted()])
    assert asked == [(0, "a"), (2, "a"), (6, "c"), (7, "d"), (8, "a"), (10, "a"), (11, "b")]


def test_a_deletion_still_comes_first_after_a_single_request_without_an_answer() -> None:
    moved = replace(a_pod("moved"), namespace="other", purpose="rescheduling")
    queue = a_queue(a_pod("deleted"), moved)
    assert [name for _, name in run(queue, [Unanswered("away"), Evicted(), Evicted()])] == ["deleted"] * 2 + ["moved"]


def test_what_is_gone_counts_as_no_eviction() -> None:
    assert run(a_queue(a_pod("a"), a_pod("b"), distance=9), [Gone(), Evicted()]) == [(0, "a"), (0, "b")]


def test_pods_that_nobody_wants_moved_any_more_are_left_alone() -> None:
    queue = a_queue(a_pod("a"))
    assert queue.update([])
    assert queue.decide(1) == Wait(None)
    assert not queue.update([])


def test_any_minute_has_no_more_evictions_than_the_bound() -> None:
    queue = a_queue(*(a_pod(f"p{number}") for number in range(300)), distance=60 / 100)
    times = [when for when, _ in run(queue, [Evicted()] * 300)]
    assert max(sum(start < when <= start + 60 for when in times) for start in times) <= 100


def test_obstacles_name_the_pods_the_budget_and_the_reason() -> None:
    pods = [a_pod("a", "1", "web"), a_pod("b", "2", "web"), a_pod("c", "3")]
    queue = a_queue(*pods)
    run(queue, [NO, SeveralBudgets()])
    first, second = queue.compute_obstacles(pods)
    assert (first.reason, first.pods, first.budgets) == (
        Reason.BUDGET_EXHAUSTED,
        ("prod/a", "prod/b"),
        ("prod/web",),
    )
    assert "PodDisruptionBudget prod/web doesn't allow the eviction of prod/a, prod/b now" in first.message
    assert (second.reason, second.pods) == (Reason.SEVERAL_BUDGETS, ("prod/c",))
