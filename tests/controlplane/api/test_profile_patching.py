"""What a real API server accepts as a FargateProfile's `spec.patching`, and what it refuses."""

import json
from typing import Any

import pytest

from tests.controlplane.builders import a_profile, create, refusals

WINDOW = {"schedule": "0 2 * * SAT", "duration": "4h", "timeZone": "Europe/Berlin"}


def a_window(**change: str) -> dict[str, Any]:
    return a_profile(patching={"windows": [{**WINDOW, **change}]})


REFUSED = {
    "a wait of 15 days": (a_profile(patching={"wait": "15d"}), "spec.patching.wait: Invalid value:"),
    "a wait in weeks": (a_profile(patching={"wait": "1w"}), "spec.patching.wait: Invalid value:"),
    "an age of minutes": (a_profile(patching={"maxPodAge": "5m"}), "spec.patching.maxPodAge: Invalid value:"),
    "a short window": (a_window(duration="10m"), "spec.patching.windows[0].duration: Invalid value:"),
    "four fields": (a_window(schedule="0 2 * *"), "spec.patching.windows[0].schedule: Invalid value:"),
    "hour 24": (a_window(schedule="0 24 * * *"), "spec.patching.windows[0].schedule: Invalid value:"),
    "a day of no week": (a_window(schedule="0 2 * * CAT"), "spec.patching.windows[0].schedule: Invalid value:"),
    "a zone of another planet": (a_window(timeZone="Mars/Phobos"), "spec.patching.windows[0].timeZone: Invalid value:"),
    "eleven windows": (a_profile(patching={"windows": [WINDOW] * 11}), "spec.patching.windows: Too many: 11"),
    "another end": (a_profile(patching={"overdue": "Force"}), "spec.patching.overdue: Unsupported value"),
}

ACCEPTED = {
    "everything": {
        "wait": "0m",
        "windows": [WINDOW, {"schedule": "*/15 0-5,22 1,15 JAN-MAR/2 0-7", "duration": "7d", "timeZone": "UTC"}],
        "maxPodAge": "720h",
        "onNodeMaintenance": "Move",
        "overdue": "Delete",
    },
    "a word for a schedule": {
        "wait": "14d",
        "windows": [{"schedule": "@Daily", "duration": "90m", "timeZone": "America/Argentina/Buenos_Aires"}],
        "onNodeMaintenance": "Ignore",
        "overdue": "Keep",
    },
}


@pytest.mark.parametrize(("profile", "reason"), REFUSED.values(), ids=REFUSED)
def test_patching_is_refused_for_one_reason_that_names_the_field(
    installed: Any, profile: dict[str, Any], reason: str
) -> None:
    answer = create(installed, profile, "--dry-run=server")
    assert answer.returncode != 0
    assert refusals(answer.stderr)[0].startswith(reason), answer.stderr


@pytest.mark.parametrize("patching", ACCEPTED.values(), ids=ACCEPTED)
def test_patching_is_accepted_as_it_is(installed: Any, patching: dict[str, Any]) -> None:
    answer = create(installed, a_profile(patching=patching), "--dry-run=server", "-o", "json")
    assert answer.stderr == ""
    assert json.loads(answer.stdout)["spec"]["patching"] == patching
