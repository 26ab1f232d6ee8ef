"""When a replacement that isn't Ready is late."""

from collections.abc import Callable

import pytest

from monopod.eviction.rules.order import Candidate
from monopod.rescheduling.precaution import Precaution
from monopod.rescheduling.rules.plans import WorkloadPlan
from monopod.workloads.rules.replacement import Workload
from tests.unit.fake_clock import FakeClock

WAITING = (Candidate("prod", "pod", "uid"),)


def test_the_first_replacement_that_is_late_stops_the_others_after_the_deadline_that_is_set() -> None:
    clock = FakeClock()
    precaution = Precaution(clock, deadline=30.0)
    first = WorkloadPlan(Workload("prod", "Deployment", "first", "1", 2), "web", replacing=1, desired=2)
    second = WorkloadPlan(Workload("prod", "Deployment", "second", "2", 2), "web", now=WAITING, desired=2)
    precaution.observe("prod", (), (first, second))
    clock.step(29.0)
    assert [each.obstacles for each in precaution.limit((first, second), ())] == [(), ()]
    clock.step(1.0)
    (_, stopped) = precaution.limit((first, second), ())
    assert [each.reason for each in stopped.obstacles] == ["ReplacementsNotReady"]


def observe_nothing(precaution: Precaution) -> None:
    for _ in range(2):
        precaution.observe("prod", (), ())


FORGET: dict[str, Callable[[Precaution], None]] = {
    "its profile is another": lambda precaution: precaution.forget(["web"]),
    "its namespace isn't reached": lambda precaution: precaution.retain(()),
    "it has nothing to move": observe_nothing,
}


@pytest.mark.parametrize("forget", FORGET.values(), ids=FORGET)
def test_a_workload_that_comes_back_has_its_whole_deadline(forget: Callable[[Precaution], None]) -> None:
    clock = FakeClock()
    precaution = Precaution(clock, deadline=30.0)
    moving = WorkloadPlan(Workload("prod", "Deployment", "first", "1", 2), "web", WAITING, replacing=1, desired=2)
    precaution.observe("prod", (), (moving,))
    forget(precaution)
    clock.step(60.0)
    precaution.observe("prod", (), (moving,))
    assert [each.obstacles for each in precaution.limit((moving,), ())] == [()]


def test_nothing_is_kept_of_workloads_that_are_gone() -> None:
    """As of a namespace whose jobs come and go."""
    precaution = Precaution(FakeClock(), deadline=30.0)
    for number in range(10):
        workload = Workload("prod", "ReplicaSet", "web", f"uid-{number}", 2)
        scan = (WorkloadPlan(workload, "web", WAITING, replacing=1, desired=2, is_broken=True),)
        precaution.observe("prod", (), scan)
        precaution.limit(scan, ())
    kept = (precaution._since, precaution._broken, precaution._chosen)
    assert max(map(len, kept)) <= 2


def test_one_whose_only_pod_is_gone_for_a_moment_is_known_still() -> None:
    clock = FakeClock()
    precaution = Precaution(clock, deadline=30.0)
    broken = WorkloadPlan(Workload("prod", "Owner", "first", "1", None), "web", WAITING, is_broken=True)
    moving = WorkloadPlan(broken.workload, "web", replacing=1)
    other = WorkloadPlan(Workload("prod", "Deployment", "second", "2", 2), "web", WAITING, desired=2)
    for scan in ((broken, other), (other,), (moving, other)):
        precaution.observe("prod", (), scan)
    clock.step(60.0)
    assert [each.obstacles for each in precaution.limit((moving, other), ())] == [(), ()], "it proves nothing"
