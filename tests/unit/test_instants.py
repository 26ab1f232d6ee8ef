"""The audit of budgets misses no change where a stream breaks off, and vouches for nothing that it hasn't seen."""

import threading
from collections.abc import Iterator
from typing import Any, cast
from urllib.error import URLError

import pytest
from urllib3.exceptions import TimeoutError as HTTPTimeout

from tests.controlplane.operating.instants import Instants
from tests.controlplane.operating.lab import Json, Lab, eventually
from tests.controlplane.operating.observer import MOST_BREAKS, Observer, follow_until

EVICTED = "EvictionByEvictionAPI"
GONE = {"type": "ERROR", "object": {"metadata": {"resourceVersion": "1"}, "code": 410}}


def a_change(version: int, pod: str, second: int | None = None) -> Json:
    """A pod that is Ready, or was evicted at that second."""
    ready, time = (
        {"type": "Ready", "status": "True"},
        f"2026-03-01T12:{(second or 0) // 60:02}:{(second or 0) % 60:02}Z",
    )
    disruption = {"type": "DisruptionTarget", "status": "True", "reason": EVICTED, "lastTransitionTime": time}
    metadata = {"name": pod, "uid": pod, "resourceVersion": str(version), "labels": {"app": "web"}}
    conditions = [ready] if second is None else [disruption]
    return {"type": "MODIFIED", "object": {"metadata": metadata, "status": {"conditions": conditions}}}


class Broken:
    """An API server whose streams tell of these changes, and break off after each by this error."""

    def __init__(self, *changes: Json, error: Exception) -> None:
        self.changes, self.error, self.asked = changes, error, list[int]()

    def list_all(self, kind: str, namespace: str, query: str = "") -> list[Json]:
        return []

    def watch(self, path: str) -> Iterator[Json]:
        version = int(path.rpartition("=")[2])
        self.asked.append(version)
        for change in self.changes:
            if int(change["object"]["metadata"]["resourceVersion"]) > version:
                yield change
                raise self.error


def follow(api: Any) -> Instants:
    with Instants(cast(Lab, api), "shop") as instants:
        eventually(lambda: instants.changes == len(api.changes), 5)
    return instants


def test_a_stream_that_times_out_is_taken_up_where_it_was() -> None:
    api = Broken(a_change(3, "a"), a_change(5, "b"), a_change(9, "a", 0), error=TimeoutError())
    instants = follow(api)
    assert (api.asked[:4], instants.breaks) == ([0, 3, 5, 9], 3)
    assert [each.ready for each in instants.all] == [1, 2, 1]


def test_a_change_that_the_api_server_has_forgotten_fails_the_test() -> None:
    api = Broken(GONE, error=TimeoutError())
    with pytest.raises(AssertionError, match="broke off"), Instants(cast(Lab, api), ""):
        eventually(lambda: api.asked, 60)


def test_so_does_an_api_server_that_breaks_off_again_and_again() -> None:
    class Away(Broken):
        def watch(self, path: str) -> Iterator[Json]:
            self.asked.append(0)
            raise self.error

    api = Away(error=ConnectionResetError())
    with pytest.raises(AssertionError, match="broke off"), Instants(cast(Lab, api), ""):
        eventually(lambda: api.asked, 60)
    assert len(api.asked) == MOST_BREAKS


def test_a_stream_that_breaks_off_at_the_end_is_taken_up_too_and_only_breaks_in_a_row_are_too_many() -> None:
    stopping, streams = threading.Event(), list[int]()

    def follow_once() -> None:
        streams.append(len(streams))
        if len(streams) > 3 * MOST_BREAKS:
            stopping.set()
        if len(streams) % 2:
            raise URLError(TimeoutError())

    follow_until(stopping, follow_once)
    assert len(streams) == 3 * MOST_BREAKS + 2, "the last that was begun in time broke off"


def test_an_observer_takes_up_a_stream_too_and_sees_what_went_after_the_last() -> None:
    api = Broken(a_change(3, "a"), a_change(5, "b"), error=TimeoutError())
    with Observer(cast(Lab, api), "shop") as observer:
        eventually(lambda: observer.uids == {"a", "b"}, 60)
        assert observer.ended == set()
    assert observer.ended == {"a", "b"}, "they are listed no more"


def test_an_observer_that_has_missed_something_fails_the_test() -> None:
    api = Broken(GONE, error=TimeoutError())
    with pytest.raises(AssertionError, match="broke off"), Observer(cast(Lab, api), ""):
        eventually(lambda: api.asked, 60)


def test_what_a_poll_looks_up_may_not_be_there_yet() -> None:
    looks = [dict[str, int](), {"pods": 1}]
    assert eventually(lambda: looks.pop(0)["pods"] == 1, 60)
    with pytest.raises(KeyError, match="pods"):
        eventually(lambda: dict[str, int]()["pods"], 0)


def test_a_poll_that_times_out_is_tried_again() -> None:
    left = [HTTPTimeout("one"), HTTPTimeout("another")]

    def look() -> bool:
        if left:
            raise left.pop()
        return True

    assert eventually(look, 5)
    left += [HTTPTimeout("the last")] * 100
    with pytest.raises(HTTPTimeout, match="the last"):
        eventually(look, 0)


def test_the_rate_of_evictions_is_that_from_the_first_to_the_last() -> None:
    evicted = [a_change(number + 1, f"p{number}", 2 * number) for number in range(16)]
    assert follow(Broken(*evicted, error=TimeoutError())).count_evictions_per_minute() == 30
