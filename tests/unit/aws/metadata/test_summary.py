"""What is known of a container after one summary of its kubelet, and another."""

import datetime
import json

import pytest

from monopod.aws.metadata.rules.summary import PodKey, Use, follow, read_summary
from monopod.kube.client.api import Json
from tests.unit.aws.metadata.kubelet import POD_UID, a_container, a_pod, a_summary
from tests.unit.aws.metadata.tasks import ID, NAMESPACE

POD = PodKey(NAMESPACE, ID, POD_UID)
AT = "2026-11-29T08:00:10Z"


def moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text)


def read(*seen: tuple[Json, str]) -> Use:
    """What is known of the container `app` after it was seen, each time with when the summary arrived."""
    known: dict[PodKey, dict[str, Use]] = {}
    for container, arrived in seen:
        known = follow(known, read_summary(json.dumps(a_summary(a_pod(container))).encode(), moment(arrived)))
    return known[POD]["app"]


@pytest.mark.parametrize(
    ("arrived", "at"),
    [
        ("2026-11-29T08:00:10.400Z", "2026-11-29T08:00:10.400Z"),
        ("2026-11-29T08:00:25Z", "2026-11-29T08:00:10.999999Z"),
        ("2026-11-29T07:59:00Z", AT),
        ("0001-01-01T00:00:00Z", AT),
    ],
    ids=["at-once", "from-the-kubelets-memory", "our-clock-is-late", "no-clock"],
)
def test_when_a_summary_came_says_where_in_its_second_it_was_read(arrived: str, at: str) -> None:
    assert read((a_container("app", 1, AT), arrived)).now.at == moment(at)


def test_a_summary_that_says_it_more_exactly_is_believed() -> None:
    exact = "2026-11-29T08:00:10.123456Z"
    assert read((a_container("app", 1, exact), "2026-11-29T08:00:10.4Z")).now.at == moment(exact)


def test_the_reading_before_is_kept() -> None:
    use = read((a_container("app", 1, AT), AT), (a_container("app", 5, "2026-11-29T08:00:12Z"), AT))
    assert use.before
    assert (use.before.cpu, use.now.cpu) == (1, 5)


def test_what_the_kubelet_has_not_read_again_is_no_new_reading() -> None:
    first, second = (a_container("app", 1, AT), AT), (a_container("app", 5, "2026-11-29T08:00:20Z"), AT)
    again = (second[0], "2026-11-29T08:00:24Z")
    assert read(first, second, again, again) == read(first, second)


def test_a_container_that_was_started_again_has_no_reading_before() -> None:
    restarted = a_container("app", 1, "2026-11-29T08:00:20Z", startTime="2026-11-29T08:00:15Z")
    assert read((a_container("app", 100, AT), AT), (restarted, AT)).before is None


def test_a_clock_that_goes_back_leaves_the_reading_that_there_is() -> None:
    first = (a_container("app", 5, AT), AT)
    assert read(first, (a_container("app", 1, "2026-11-29T08:00:05Z"), AT)) == read(first)


@pytest.mark.parametrize("cpu", [None, {}, {"time": None, "usageCoreNanoSeconds": 1}, {"time": AT}], ids=str)
def test_a_container_whose_cpu_time_is_not_known_yet_is_not_known(cpu: Json | None) -> None:
    summary = a_summary(a_pod({"name": "app", "startTime": None, "cpu": cpu, "memory": None}))
    assert read_summary(json.dumps(summary).encode(), moment(AT)) == {POD: {}}


def test_of_pods_that_cant_be_tasks_nothing_is_kept() -> None:
    summary = a_summary(a_pod(a_container("app", 1, AT), namespace="kube-system"))
    assert read_summary(json.dumps(summary).encode(), moment(AT)) == {}


@pytest.mark.parametrize(
    "container",
    [
        a_container("app", 10**400, AT),
        a_container("app", 1, "0001-01-01T00:00:00+14:00"),
        a_container("app", 1, "2026-11-29T08:00:10"),
        {"name": 5},
    ],
    ids=["number", "year-zero", "no-zone", "name"],
)
def test_what_is_no_summary_says_so(container: Json) -> None:
    with pytest.raises((ValueError, OverflowError)):
        read((container, AT))


def test_a_summary_of_thousands_of_pods_is_read_in_a_moment() -> None:
    pods = [a_pod(*(a_container(f"c{each}", 1, AT) for each in range(4)), uid=str(number)) for number in range(1000)]
    assert len(read_summary(json.dumps(a_summary(*pods)).encode(), moment(AT))) == 1000
