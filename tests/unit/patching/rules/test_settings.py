"""On what terms a profile's sandboxes are replaced, and what its status remembers."""

import datetime
from typing import Any

import pytest

from monopod.patching.rules.settings import Memory, PatchingSettings
from monopod.patching.rules.staleness import Patch

DAY = datetime.timedelta(days=1)


def read(*, status: dict[str, Any] | None = None, **spec: Any) -> PatchingSettings:
    resource = {"metadata": {"name": "web"}, "spec": spec, "status": {"runtimeClassName": "gvisor", **(status or {})}}
    return PatchingSettings.from_resource(resource)


def test_a_profile_that_says_nothing_is_patched_gently() -> None:
    assert read() == PatchingSettings("web", "gvisor", wait=7 * DAY)
    assert not read().deletes_overdue
    assert not read().moves_on_maintenance


def test_its_words_are_read() -> None:
    window = {"schedule": "0 2 * * SAT", "duration": "4h", "timeZone": "Europe/Berlin"}
    words = {"wait": "0m", "maxPodAge": "720h", "onNodeMaintenance": "Move", "overdue": "Delete", "windows": [window]}
    found = read(patching=words, maxUnavailable=2, barePods="Recreate", runningJobs="Reschedule", paused=True)
    assert (found.wait, found.max_age) == (0 * DAY, 30 * DAY)
    assert (found.moves_on_maintenance, found.deletes_overdue, len(found.windows), found.fault) == (True, True, 1, "")
    assert (found.max_unavailable, found.recreates_bare_pods, found.moves_running_jobs, found.paused) == (
        2, True, True, True,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schedule": "0 0 30 2 *"}, "never comes"),
        ({"schedule": "50-10 * * * *"}, "isn't within"),
        ({"duration": "1m"}, "15 minutes to 7 days"),
        ({"timeZone": "Mars/Phobos"}, "there is no time zone 'Mars/Phobos'"),
        ({"timeZone": "../etc/passwd"}, "there is no time zone"),
    ],
)
def test_a_window_that_cannot_be_used_is_said_and_breaks_nothing(change: dict[str, str], said: str) -> None:
    good = {"schedule": "@daily", "duration": "1h"}
    found = read(patching={"windows": [good, {**good, **change}]})
    assert found.fault.startswith("spec.patching.windows[1]")
    assert said in found.fault
    assert len(found.windows) == 1


def test_the_status_is_its_memory_and_one_of_the_version_before_has_none() -> None:
    termination = {
        "namespace": "prod", "name": "a", "uid": "a", "refusedAt": "2026-01-01T00:00:00Z",
        "scheduledTerminationTime": "2026-01-04T00:00:00Z", "evictErrorMessage": "no", "announced": True,
    }  # fmt: skip
    notice = {
        "runtimeClassName": "kata", "patched": "2026-01-01T00:00:00Z", "noticedAt": "2026-01-02T00:00:00Z",
    }  # fmt: skip
    told = {"notices": [notice], "terminations": [termination]}
    memory = read(status={"patching": told}).memory
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    assert memory.notices == {"kata": Patch("kata", start, start + DAY)}
    each = memory.terminations["a"]
    assert (each.refused_at, each.at, each.message, each.announced) == (start, start + 3 * DAY, "no", True)
    assert read(status={"phase": "ACTIVE"}).memory == Memory()
