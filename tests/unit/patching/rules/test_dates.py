"""When RuntimeClasses were patched, and which pods may be from before that."""

import datetime

from monopod.kube.objects.views import RuntimeClassView
from monopod.patching.rules.dates import PatchDates
from monopod.patching.rules.settings import Memory
from monopod.patching.rules.staleness import Patch

DATE = datetime.datetime(2026, 3, 20, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
DATES = PatchDates.from_views(
    RuntimeClassView(name, name, "runsc", patched=patched)
    for name, patched in (("new", "2026-03-20T00:00:00.5Z"), ("never", ""), ("odd", "yesterday"))
)


def test_a_class_has_a_date_in_whole_seconds_a_fault_or_neither() -> None:
    assert DATES.known == {"new": DATE}
    assert DATES.find_fault(("never", "new")) == ""
    assert DATES.find_fault(("never", "odd")).startswith("RuntimeClass/odd: the annotation monopod.dev/patched must be")


def test_a_patch_is_noticed_if_the_notice_is_of_its_date() -> None:
    noticed = Patch("new", DATE, DATE + DAY)
    assert DATES.find_patch("new", Memory({"new": noticed})) == noticed
    for notices in {}, {"new": Patch("new", DATE - DAY, DATE)}, {"other": noticed}:
        assert DATES.find_patch("new", Memory(notices)) == Patch("new", DATE)
    assert DATES.find_patch("never", Memory({"never": noticed})) is None


def test_a_pod_may_be_from_before_the_patch_of_its_own_class_or_of_any_if_that_isnt_known() -> None:
    old, young, now = DATE - DAY, DATE + DAY, DATE + 2 * DAY
    known = PatchDates(DATES.known)
    assert known.may_precede(old, "new", now)
    assert known.may_precede(old, None, now)
    assert not known.may_precede(old, "never", now)
    assert known.may_precede(DATE, "new", now), "in the same second"
    assert not known.may_precede(young, None, now)
    assert not known.may_precede(old, "new", DATE - DAY / 2), "it is of tomorrow"
    assert DATES.may_precede(young, "odd", now), "no one knows"
    assert DATES.may_precede(young, None, now)
    assert not DATES.may_precede(young, "new", now)
