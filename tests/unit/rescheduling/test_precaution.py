"""When a replacement that isn't Ready is late."""

from monopod.eviction.rules.order import Candidate
from monopod.rescheduling.precaution import Precaution
from monopod.rescheduling.rules.turns import Outlook
from monopod.workloads.rules.replacement import Workload
from tests.unit.fake_clock import FakeClock


def test_the_first_replacement_that_is_late_stops_the_others_after_the_deadline_that_is_set() -> None:
    clock = FakeClock()
    precaution = Precaution(clock, deadline=30.0)
    first = Outlook(Workload("prod", "Deployment", "first", "1", 2), "web", replacing=1, desired=2)
    waiting = (Candidate("prod", "pod", "uid"),)
    second = Outlook(Workload("prod", "Deployment", "second", "2", 2), "web", now=waiting, desired=2)
    precaution.observe("prod", (), (first, second))
    clock.step(29.0)
    assert [each.obstacles for each in precaution.restrain((first, second), ())] == [(), ()]
    clock.step(1.0)
    (_, stopped) = precaution.restrain((first, second), ())
    assert [each.reason for each in stopped.obstacles] == ["ReplacementsNotReady"]
