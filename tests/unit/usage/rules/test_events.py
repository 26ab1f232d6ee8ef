"""What Events tell of a pod, whatever they are written like."""

from typing import Any

import pytest

from monopod.usage.rules.events import PodEvent, group_by_pod, read_pod_event
from monopod.usage.rules.lifetime import Evidence

NOON = 1_795_867_200_000
ALWAYS = 10**13


def an_event(reason: str = "Pulling", **fields: Any) -> dict[str, Any]:
    return {
        "involvedObject": {"kind": "Pod", "namespace": "web", "name": "x", "uid": "u-1"},
        "reason": reason,
        "reportingComponent": "kubelet",
        "firstTimestamp": "2026-11-28T12:00:00Z",
        **fields,
    }


def tell(*told: tuple[str, int], until: int = ALWAYS) -> Any:
    events = [PodEvent("u-1", "web", "x", reason, NOON + at, NOON + at, "") for reason, at in told]
    return group_by_pod(events, until).get(("web", "u-1"))


def test_an_event_of_the_kubelet() -> None:
    event = an_event(lastTimestamp="2026-11-28T12:01:00Z", count=7)
    assert read_pod_event(event) == PodEvent("u-1", "web", "x", "Pulling", NOON, NOON + 60_000, "")


def test_an_event_of_a_scheduler_is_cut_to_the_second_and_names_the_node() -> None:
    event = an_event(
        "Scheduled",
        firstTimestamp=None,
        eventTime="2026-11-28T12:00:00.987654Z",
        reportingComponent="my-scheduler",
        message="Successfully assigned web/x to node-1.example",
    )
    assert read_pod_event(event) == PodEvent("u-1", "web", "x", "Scheduled", NOON, NOON, "node-1.example")


def test_a_series_lasts_until_it_was_last_seen() -> None:
    event = an_event(series={"count": 3, "lastObservedTime": "2026-11-28T12:02:00.5Z"})
    read = read_pod_event(event)
    assert read is not None
    assert (read.first, read.last) == (NOON, NOON + 120_000)


@pytest.mark.parametrize(
    ("written", "last"),
    [
        (("2026-11-28T12:00:00Z", "2026-11-28T12:01:30Z"), 90_000),
        (("2026-11-28T12:07:00Z",), 120_000),
        ((None,), 120_000),
        ((), 120_000),
    ],
)
def test_a_clock_that_is_ahead_tells_of_nothing_after_the_event_was_written(
    written: tuple[str | None, ...], last: int
) -> None:
    metadata = {"managedFields": [{"manager": "kubelet", "time": each} for each in written]}
    read = read_pod_event(an_event(lastTimestamp="2026-11-28T12:02:00Z", metadata=metadata))
    assert read is not None
    assert (read.first, read.last) == (NOON, NOON + last)


def test_older_kubelets_are_named_as_the_source() -> None:
    assert read_pod_event(an_event(reportingComponent="", source={"component": "kubelet"}))


@pytest.mark.parametrize(
    "event",
    [
        pytest.param({}, id="empty"),
        pytest.param(an_event(reportingComponent="hpa"), id="of somebody else"),
        pytest.param(an_event(involvedObject={"kind": "Node", "name": "n", "uid": "u"}), id="about a node"),
        pytest.param(an_event(firstTimestamp=None), id="without a time"),
        pytest.param(an_event(firstTimestamp="noon"), id="with no time"),
        pytest.param(an_event(firstTimestamp="0001-01-01T00:00:00Z"), id="of the year 1"),
        pytest.param(an_event(firstTimestamp="2026-11-28T12:00:00"), id="without a zone"),
        pytest.param(an_event(involvedObject="x"), id="about a text"),
        pytest.param(an_event(series="x"), id="an odd series"),
        pytest.param(an_event(metadata={"managedFields": ["x"]}), id="odd managed fields"),
        pytest.param(an_event(source=[1], reportingComponent=""), id="an odd source"),
        pytest.param(
            an_event(involvedObject={"kind": "Pod", "namespace": "web", "name": "x", "uid": "\x1b[2J"}), id="odd uid"
        ),
        pytest.param(
            an_event(involvedObject={"kind": "Pod", "namespace": "web", "name": "X" * 9, "uid": "u"}), id="odd name"
        ),
    ],
)
def test_what_tells_nothing_is_skipped(event: dict[str, Any]) -> None:
    assert read_pod_event(event) is None


def test_all_events_of_a_pod_tell_its_life() -> None:
    told = tell(("Scheduled", 0), ("Pulling", 1_000), ("Pulled", 9_000), ("Started", 10_000), ("Killing", 70_000))
    assert (told.scheduled, told.pull_started, told.container_started) == (NOON, NOON + 1_000, NOON + 10_000)
    assert (told.alive, told.latest) == (NOON + 70_000, Evidence.KILLING_EVENT)


def test_an_image_that_was_there_starts_the_bill_too() -> None:
    assert tell(("Scheduled", 0), ("Pulled", 2_000), ("Created", 2_000)).pull_started == NOON + 2_000


def test_what_is_killed_and_goes_on_is_known_from_its_last_event() -> None:
    assert tell(("Killing", 5_000), ("Started", 8_000)).latest is Evidence.KUBELET_EVENT
    assert tell(("Scheduled", 0)).latest is Evidence.SCHEDULED_EVENT


def test_what_another_namespace_says_of_a_uid_is_not_of_that_pod() -> None:
    told = [PodEvent("u-1", each, "x", "Pulling", NOON + at, NOON + at, "") for each, at in (("web", 0), ("theirs", 9))]
    assert {pod: each.alive for pod, each in group_by_pod(told, ALWAYS).items()} == {
        ("web", "u-1"): NOON,
        ("theirs", "u-1"): NOON + 9,
    }


def test_events_after_the_moment_that_matters_do_not_count() -> None:
    assert tell(("Killing", 5_000), until=NOON) is None
    repeated = PodEvent("u-1", "web", "x", "BackOff", NOON, NOON + 90_000, "")
    assert group_by_pod([repeated], NOON + 60_000)["web", "u-1"].alive == NOON
