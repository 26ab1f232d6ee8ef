"""What moves before replacements are known to become Ready, and what stops it."""

from dataclasses import replace
from typing import Any

from monopod.eviction.rules.order import Candidate
from monopod.rescheduling.rules.caution import Evidence, limit
from monopod.rescheduling.rules.plans import WorkloadPlan
from monopod.workloads.rules.replacement import Workload


def a_plan(name: str, namespace: str = "prod", pods: int = 2, desired: int = 2, **more: Any) -> WorkloadPlan:
    workload = Workload(namespace, "Deployment", name, f"uid-{name}", desired)
    now = tuple(Candidate(namespace, f"{name}-{number}", f"{name}-{number}", "2026") for number in range(pods))
    return WorkloadPlan(workload, "web", now, desired=desired, **more)


def moving(*plans: WorkloadPlan, **evidence: Any) -> list[str]:
    return [pod.name for each in limit(plans, Evidence(**evidence)) for pod in each.now]


def reasons(*plans: WorkloadPlan, **evidence: Any) -> set[str]:
    return {str(one.reason) for each in limit(plans, Evidence(**evidence)) for one in each.obstacles}


def test_one_pod_of_one_workload_goes_first_that_misses_it_least() -> None:
    one, many, broken = a_plan("one", desired=1), a_plan("many"), a_plan("broken", is_broken=True)
    assert moving(one, broken, many, a_plan("x", "other", desired=1)) == ["many-0"]
    assert moving(one, many, chosen={("web", "uid-one")}) == ["one-0"], "a better one that is seen later waits"
    assert moving(one) == ["one-0"], "if only such exist"


def test_then_one_in_each_namespace_and_then_all() -> None:
    workloads = a_plan("a"), a_plan("b", "other"), a_plan("c", "other", desired=1)
    assert moving(*workloads, proven={("web", "prod")}) == ["a-0", "a-1", "b-0"]
    both = {("web", "prod"), ("web", "other")}
    assert moving(*workloads, proven=both) == ["a-0", "a-1", "b-0", "b-1", "c-0", "c-1"]


def test_one_that_a_budget_refuses_keeps_no_other_waiting() -> None:
    first, other, third = a_plan("first"), a_plan("other", "elsewhere", desired=1), a_plan("third", "far")
    refused = {("web", "uid-first")}
    assert moving(first, other, refused=refused) == ["first-0", "other-0"]
    assert moving(first, replace(other, replacing=1), third, refused=refused) == [], "one on its way is enough"
    assert moving(first, refused=refused) == ["first-0"]


def test_while_the_first_is_on_its_way_the_others_wait_and_after_the_deadline_they_are_blocked() -> None:
    first, other = a_plan("first", replacing=1), a_plan("other")
    assert moving(first, other) == []
    assert reasons(first, other) == set()
    assert reasons(first, other, late={("web", "uid-first")}) == {"ReplacementsNotReady"}
    assert moving(first, other, late={("web", "uid-first")}, broken={("web", "uid-first")}) == ["other-0"]


def test_a_replacement_without_room_stops_all_namespaces_at_once() -> None:
    stuck, other = a_plan("stuck", pods=0, replacing=1, unschedulable=("prod/p",)), a_plan("b", "other")
    proven = {("web", "prod"), ("web", "other")}
    assert moving(stuck, other, proven=proven) == []
    assert reasons(stuck, other, proven=proven) == set(), "a node may be on its way"
    assert reasons(stuck, other, proven=proven, late={("web", "uid-stuck")}) == {"ReplacementsNotReady"}


def test_three_workloads_that_are_late_stop_the_profile_and_two_do_not() -> None:
    late = [a_plan(name, pods=0, replacing=1) for name in "abc"]
    other, proven, keys = a_plan("other"), {("web", "prod")}, {("web", f"uid-{name}") for name in "abc"}
    assert moving(*late[:2], other, proven=proven, late=keys) == ["other-0", "other-1"]
    assert moving(*late, other, proven=proven, late=keys) == []
    assert reasons(*late, other, proven=proven, late=keys) == {"ReplacementsNotReady"}
