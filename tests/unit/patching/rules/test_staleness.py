"""Which sandboxes are older than a patch, or too old altogether."""

import datetime
from typing import Any

import pytest

from monopod.api.names import PROFILE_LABEL
from monopod.patching.rules.staleness import Cause, InvalidDate, Patch, find_stale, read_date, read_sandbox_start

Json = dict[str, Any]

NOW = read_date("2026-03-10T00:00:00Z")
DATE = read_date("2026-03-05T00:00:00Z")
DAY = datetime.timedelta(days=1)
PATCH = Patch("gvisor", DATE, DATE + DAY)


def a_pod(start: str | None = "2026-03-01T00:00:00Z", ready: str | None = None, **metadata: Any) -> Json:
    status: Json = {"phase": "Running", **({"startTime": start} if start else {})}
    if ready:
        status["conditions"] = [
            {"type": "PodReadyToStartContainers", "status": "True", "lastTransitionTime": ready},
            {"type": "Ready", "status": "True", "lastTransitionTime": "2026-03-09T00:00:00Z"},
        ]
    labels = {PROFILE_LABEL: "web"}
    return {
        "metadata": {"namespace": "prod", "name": "web-1", "uid": "1", "labels": labels, **metadata},
        "spec": {"nodeName": "node-a", "containers": []},
        "status": status,
    }


def with_status(pod: Json, **status: Any) -> Json:
    return {**pod, "status": {**pod["status"], **status}}


STALE: dict[str, tuple[Json, bool]] = {
    "before the date": (a_pod("2026-03-04T23:59:59Z"), True),
    "in the same second": (a_pod("2026-03-05T00:00:00Z"), True),
    "a second later": (a_pod("2026-03-05T00:00:01Z"), False),
    "after the date": (a_pod("2026-03-06T00:00:00Z"), False),
    "before it, in another notation": (a_pod("2026-03-05T01:00:00+02:00"), True),
    "before it, and its sandbox was made again after its node had restarted": (
        a_pod("2026-03-01T00:00:00Z", ready="2026-03-06T00:00:00Z"),
        False,
    ),
    "before it, and so was its sandbox": (a_pod("2026-03-01T00:00:00Z", ready="2026-03-01T00:00:03Z"), True),
    "it has no sandbox yet": (a_pod(None), False),
    "it has ended": (with_status(a_pod(), phase="Succeeded"), False),
    "it is no profile's": (a_pod(labels={}), False),
}


@pytest.mark.parametrize(("pod", "stale"), STALE.values(), ids=STALE)
def test_a_sandbox_from_before_the_patch_is_stale(pod: Json, stale: bool) -> None:
    found = find_stale(pod, PATCH, 7 * DAY, None, NOW)
    assert (found is not None) is stale
    if found:
        assert (found.cause, found.eligible_from) == (Cause.PATCH, DATE + 8 * DAY)
        assert (str(found), found.node, found.profile, found.uid) == ("prod/web-1", "node-a", "web", "1")


def test_a_patch_of_tomorrow_makes_nothing_stale_yet() -> None:
    tomorrow = Patch("gvisor", NOW + DAY, NOW)
    assert find_stale(a_pod(), tomorrow, DAY, None, NOW) is None
    assert find_stale(a_pod(), tomorrow, DAY, None, NOW + DAY) is not None


def test_without_a_patch_only_age_counts_and_needs_no_notice() -> None:
    assert find_stale(a_pod(), None, 7 * DAY, None, NOW) is None
    assert find_stale(a_pod(), None, 7 * DAY, 10 * DAY, NOW) is None
    found = find_stale(a_pod(), None, 7 * DAY, 9 * DAY, NOW)
    assert found is not None
    assert (found.cause, found.eligible_from) == (Cause.AGE, NOW)


def test_of_patch_and_age_the_one_counts_by_which_it_may_go_first() -> None:
    first = find_stale(a_pod(), PATCH, 14 * DAY, 8 * DAY, NOW)
    assert first is not None
    assert (first.cause, first.eligible_from, first.precedes) == (Cause.AGE, NOW - DAY, PATCH)
    first = find_stale(a_pod(), PATCH, datetime.timedelta(), 8 * DAY, NOW)
    assert first is not None
    assert (first.cause, first.eligible_from) == (Cause.PATCH, DATE + DAY)


def test_a_pod_on_its_way_out_is_known() -> None:
    leaving = find_stale(a_pod(deletionTimestamp="2026-03-09T00:00:00Z"), PATCH, DAY, None, NOW)
    assert leaving is not None
    assert leaving.is_terminating
    assert leaving.ends == read_date("2026-03-09T00:00:00Z")


def test_a_pod_that_was_created_after_the_patch_is_exempt_though_the_clock_of_its_node_is_slow() -> None:
    pod = a_pod("2026-03-04T23:00:00Z", creationTimestamp="2026-03-05T00:00:01Z")
    assert find_stale(pod, PATCH, 7 * DAY, None, NOW) is None
    assert read_sandbox_start(a_pod(None, creationTimestamp="2026-03-05T00:00:01Z")) is None


def test_a_sandbox_that_isnt_ready_any_more_counts_by_the_pods_start() -> None:
    pod = a_pod(ready="2026-03-06T00:00:00Z")
    pod["status"]["conditions"][0]["status"] = "False"
    assert read_sandbox_start(pod) == read_date("2026-03-01T00:00:00Z")


@pytest.mark.parametrize("text", ["", "tomorrow", "2026-03-05", "2026-03-05T00:00:00", "2026-02-30T00:00:00Z"])
def test_a_date_says_its_moment(text: str) -> None:
    with pytest.raises(InvalidDate, match="must be a time such as"):
        read_date(text)
