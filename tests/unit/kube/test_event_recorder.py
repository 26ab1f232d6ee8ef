"""Events: posted once, repetitions counted, and never without end, whoever causes them and however often we start."""

from typing import Any

import pytest

from monopod.api.reasons import EventType, PodReason, Reason
from monopod.kube import event_recorder
from monopod.kube.client.api import ApiError, ApiUnreachable, Cause, Json, ServerTrouble
from monopod.kube.event_recorder import (
    FORGOTTEN_SECONDS,
    OF_A_NAMESPACE,
    OF_ALL_NAMESPACES,
    OF_AN_OBJECT,
    REFUSED_SECONDS,
    SAME_OCCURRENCE_SECONDS,
    EventRecorder,
    Reference,
    refer_to_pod,
)
from tests.unit.fake_api import FakeApi, conflict, not_found
from tests.unit.fake_clock import FakeClock
from tests.unit.running import PROBLEMS

TERMINATING = ApiError(403, "Forbidden", "being terminated", (Cause("NamespaceTerminating", "being terminated"),))
FULL = ApiError(403, "Forbidden", "exceeded quota")


class Server(FakeApi):
    """An API server that keeps events under their names."""

    def __init__(self) -> None:
        super().__init__()
        self.events: dict[str, Json] = {}

    async def create(self, path: str, body: Json, *, dry_run: bool = False) -> Json:
        await super().create(path, body)
        if self.events.setdefault(f"{path}/{body['metadata']['name']}", dict(body)) != body:
            raise conflict()
        return body

    async def merge(self, path: str, patch: Json) -> Json:
        await super().merge(path, patch)
        if path not in self.events:
            raise not_found()
        self.events[path] |= patch
        return dict(self.events[path])

    def counts(self) -> list[int]:
        return [event["count"] for event in self.events.values()]


class Scene:
    """Recorders, one after the other, before the same API server."""

    def __init__(self) -> None:
        self.api, self.clock = Server(), FakeClock()
        self.start()

    def start(self) -> None:
        self.recorder = EventRecorder(self.api, PROBLEMS, self.clock)

    async def state(self, about: Reference | None = None, message: str = "because") -> bool:
        about = about or refer_to_pod("prod", "app", "1")
        return await self.recorder.record_state(about, EventType.WARNING, PodReason.FAILED_SCHEDULING, message)

    async def occurrence(self, about: dict[str, str] | None = None) -> None:
        about = about or {"apiVersion": "monopod.dev/v1beta1", "kind": "FargateProfile", "name": "web", "uid": "2"}
        await self.recorder.record_occurrence(about, EventType.NORMAL, Reason.ACTIVE, "because")


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_state_is_said_once_however_often_it_is_recorded(scene: Scene) -> None:
    for _ in range(100):
        assert await scene.state()
    ((method, path, event),) = scene.api.requests
    assert (method, path) == ("create", "/api/v1/namespaces/prod/events")
    assert (event["reason"], event["message"], event["count"]) == ("FailedScheduling", "because", 1)
    assert event["involvedObject"]["uid"] == "1"


async def test_another_message_and_another_object_are_other_events(scene: Scene) -> None:
    await scene.state()
    await scene.state(message="for another reason")
    await scene.state(refer_to_pod("prod", "app", "another pod of that name"))
    assert scene.api.counts() == [1, 1, 1]


async def test_a_state_that_lasts_is_said_again_when_the_api_server_has_forgotten_it(scene: Scene) -> None:
    await scene.state()
    scene.api.events.clear()
    scene.clock.step(FORGOTTEN_SECONDS - 1)
    await scene.state()
    assert scene.api.counts() == []
    scene.clock.step(1)
    await scene.state()
    assert scene.api.counts() == [1]


async def test_what_happens_again_is_counted(scene: Scene) -> None:
    for _ in range(3):
        await scene.occurrence()
        scene.clock.step(10)
    (event,) = scene.api.events.values()
    assert event["count"] == 3
    assert event["firstTimestamp"] < event["lastTimestamp"]


async def test_after_a_restart_nothing_is_said_twice(scene: Scene) -> None:
    for _ in range(3):
        await scene.state()
        await scene.occurrence()
        scene.clock.step(SAME_OCCURRENCE_SECONDS / 3)
        scene.start()
    assert scene.api.counts() == [1, 1]


async def test_what_happens_long_after_a_restart_is_counted_on(scene: Scene) -> None:
    await scene.occurrence()
    await scene.occurrence()
    scene.start()
    scene.clock.step(SAME_OCCURRENCE_SECONDS + 1)
    await scene.occurrence()
    await scene.occurrence()
    assert scene.api.counts() == [4]


async def test_an_event_that_is_forgotten_is_posted_anew(scene: Scene) -> None:
    await scene.occurrence()
    scene.api.events.clear()
    await scene.occurrence()
    assert scene.api.counts() == [1]


async def test_what_an_object_does_without_end_is_written_ever_more_rarely_and_still_counted(scene: Scene) -> None:
    times = 1000
    for _ in range(times):
        await scene.occurrence()
    assert len(scene.api.requests) == OF_AN_OBJECT.burst
    scene.clock.step(OF_AN_OBJECT.every)
    await scene.occurrence()
    assert scene.api.counts() == [times + 1]


async def test_an_object_with_ever_other_messages_gets_no_more_than_a_burst(scene: Scene) -> None:
    said = [await scene.state(message=f"trace {number}") for number in range(100)]
    assert sum(said) == len(scene.api.events) == OF_AN_OBJECT.burst
    scene.clock.step(OF_AN_OBJECT.every)
    assert await scene.state(message="trace 99")


async def test_pods_that_come_and_go_in_one_namespace_leave_room_to_others(scene: Scene) -> None:
    said = [await scene.state(refer_to_pod("flood", f"pod-{number}", f"{number}")) for number in range(1000)]
    assert sum(said) == OF_A_NAMESPACE.burst
    assert await scene.state()
    scene.clock.step(OF_A_NAMESPACE.every)
    assert await scene.state(refer_to_pod("flood", "pod-999", "999"))


async def test_many_namespaces_together_have_a_bound_too_and_profiles_are_none_of_them(scene: Scene) -> None:
    pods = [refer_to_pod(f"prod-{number % 9}", f"pod-{number}", f"{number}") for number in range(1000)]
    assert sum([await scene.state(pod) for pod in pods]) == OF_ALL_NAMESPACES.burst
    await scene.occurrence()
    assert scene.api.counts()[-1] == 1
    assert len(scene.api.events) == OF_ALL_NAMESPACES.burst + 1


async def test_a_pod_that_had_to_wait_for_its_namespace_has_lost_none_of_its_own_events(scene: Scene) -> None:
    for number in range(round(OF_A_NAMESPACE.burst)):
        await scene.state(refer_to_pod("prod", f"pod-{number}", f"uid-{number}"))
    for _ in range(1000):
        assert not await scene.state()
    scene.clock.step(OF_A_NAMESPACE.every)
    assert await scene.state()


async def test_a_namespace_that_is_being_deleted_is_not_asked_for_each_of_its_pods(scene: Scene) -> None:
    scene.api.answers["create", "/api/v1/namespaces/prod/events"] = TERMINATING
    for number in range(100):
        assert await scene.state(refer_to_pod("prod", f"pod-{number}", f"{number}"))
    assert len(scene.api.requests) == 1
    del scene.api.answers["create", "/api/v1/namespaces/prod/events"]
    scene.clock.step(REFUSED_SECONDS)
    assert await scene.state(refer_to_pod("prod", "pod-99", "99"))
    assert scene.api.counts() == [1]  # of another namespace of that name


async def test_what_a_quota_refuses_is_not_tried_again(scene: Scene) -> None:
    scene.api.answers["create", "/api/v1/namespaces/prod/events"] = FULL
    assert await scene.state()
    scene.clock.step(REFUSED_SECONDS)
    assert await scene.state()
    assert len(scene.api.requests) == 1


async def test_without_an_answer_it_is_recorded_again(scene: Scene) -> None:
    scene.api.answers["create", "/api/v1/namespaces/prod/events"] = ApiUnreachable("away")
    with pytest.raises(ApiUnreachable):
        await scene.state()
    scene.api.answers.clear()
    assert await scene.state()
    assert scene.api.counts() == [1]


async def test_a_webhook_that_fails_in_one_namespace_keeps_no_event_of_another_waiting(scene: Scene) -> None:
    scene.api.answers["create", "/api/v1/namespaces/troubled/events"] = ServerTrouble(500, "", "webhook")
    for _ in range(3):
        assert not await scene.state(refer_to_pod("troubled", "pod", "9")), "it has to be recorded again"
    assert len(scene.api.requests) == 1
    assert await scene.state()
    scene.api.answers.clear()
    scene.clock.step(REFUSED_SECONDS)
    assert await scene.state(refer_to_pod("troubled", "pod", "9"))
    assert scene.api.counts() == [1, 1]


async def test_a_quota_that_others_changed_at_that_moment_is_no_event_that_exists(scene: Scene) -> None:
    scene.api.answers["create", "/api/v1/namespaces/prod/events"] = ApiError(409, "Conflict", "quota was modified")
    await scene.state()
    scene.api.answers.clear()
    assert await scene.state()
    assert scene.api.counts() == [1]


async def test_of_many_events_the_oldest_is_forgotten(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_recorder, "MOST_REMEMBERED", 10)
    for number in range(20):
        await scene.state(refer_to_pod("prod", f"pod-{number}", f"{number}"))
    before = len(scene.api.requests)
    await scene.state(refer_to_pod("prod", "pod-19", "19"))
    assert len(scene.api.requests) == before
    await scene.state(refer_to_pod("prod", "pod-0", "0"))
    assert len(scene.api.requests) == before + 1  # it exists, and is left as it is


@pytest.mark.parametrize("length", [10, 1024, 2000])
async def test_a_message_is_cut_to_what_an_event_may_hold(scene: Scene, length: int) -> None:
    await scene.state(message="x" * length)
    event: Any = scene.api.requests[0][2]
    assert len(event["message"]) == min(length, 1024)
