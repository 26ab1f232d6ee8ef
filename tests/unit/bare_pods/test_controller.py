"""The keeper of stored pods: what it writes, in which order, and what it leaves alone."""

from collections.abc import Iterable
from typing import Any, cast

import pytest

from monopod.bare_pods.controller import POLL_SECONDS, BareKeeper
from monopod.bare_pods.dry_run import VALID_SECONDS
from monopod.bare_pods.options import BarePodOptions
from monopod.bare_pods.rules.steps import KNOWN_SECONDS, SETTLING_SECONDS, BarePod
from monopod.eviction.evictor import Evictor
from monopod.eviction.rules.order import Candidate
from monopod.kube.client.api import ApiError, ApiUnreachable, ServerTrouble
from monopod.kube.client.request import REQUEST_TIMEOUT_SECONDS
from monopod.kube.controller import WHOLE, After
from monopod.kube.event_recorder import REFUSED_SECONDS
from monopod.manager.sources import WatchedCaches
from tests.unit.builders import a_pod
from tests.unit.fake_api import FakeApi
from tests.unit.fake_clock import FakeClock
from tests.unit.running import PROBLEMS, a_recorder

Json = dict[str, Any]

STORED_PODS = "/apis/monopod.dev/v1beta1/storedpods"
COLLECTION = "/apis/monopod.dev/v1beta1/namespaces/prod/storedpods"
STORED_POD = f"{COLLECTION}/toolbox"
PODS = "/api/v1/namespaces/prod/pods"
POD = f"{PODS}/toolbox"
EVENTS = "/api/v1/namespaces/prod/events"


def a_live_pod(uid: str = "old", **metadata: Any) -> Json:
    pod = a_pod("toolbox").in_namespace("prod").build()
    pod["metadata"] |= {"uid": uid, "resourceVersion": "1", **metadata}
    return {**pod, "status": {"phase": "Running"}}


def a_stored_pod(phase: str = "Stored", **status: Any) -> Json:
    manifest = a_pod("toolbox").in_namespace("prod").build()
    return {
        "metadata": {"name": "toolbox", "namespace": "prod", "uid": "stored", "resourceVersion": "1"},
        "spec": {"profile": "web", "podUID": "old", "manifest": manifest},
        "status": {"phase": phase, "since": "2026-01-01T00:00:00Z", **status},
    }


RECREATED = a_live_pod("new", annotations={"monopod.dev/recreated-from": "old"})


def sandbox(pod: Json) -> Json:
    labels = {**pod["metadata"].get("labels", {}), "monopod.dev/profile": "web"}
    spec = {**pod["spec"], "runtimeClassName": "kata"}
    return {**pod, "metadata": {**pod["metadata"], "labels": labels}, "spec": spec}


class FakeEvictor:
    """Remembers what is to be evicted."""

    def __init__(self) -> None:
        self.required: list[str] = []

    def update(self, source: str, pods: Iterable[Candidate]) -> None:
        assert source == "bare"
        self.required = [pod.uid for pod in pods]


class Setting:
    """A keeper with an API server in which a pod runs, and dry runs come back sandboxed."""

    def __init__(self, *stored: Json) -> None:
        self.api = FakeApi()
        self.evictor = FakeEvictor()
        self.changes = 0
        self.clock = FakeClock()
        self.caches = WatchedCaches("monopod-system")
        self.add_node("node")
        evictor = cast(Evictor, self.evictor)
        recorder = a_recorder(self.api, self.clock)
        self.keeper = BareKeeper(self.api, self.caches, evictor, BarePodOptions(), recorder, PROBLEMS, self.clock)
        self.keeper.changed.subscribe(self._note_change)
        self.api.lists[STORED_PODS] = list(stored)
        self.api.answers["get", POD] = a_live_pod()
        self.api.answers["try", PODS] = sandbox
        self.api.answers["create", COLLECTION] = self._take_in
        self.api.answers["merge", f"{STORED_POD}/status"] = self._take_status

    def add_node(self, name: str, **labels: str) -> None:
        metadata = {"name": name, "uid": name, "resourceVersion": "1", "labels": labels}
        status = {"allocatable": {"cpu": "64", "memory": "256Gi"}}
        self.caches.nodes.observe("ADDED", {"metadata": metadata, "status": status})

    def _note_change(self) -> None:
        self.changes += 1

    def _take_in(self, body: Json) -> Json:
        return {**body, "metadata": {**body["metadata"], "uid": "stored", "resourceVersion": "1"}}

    def _take_status(self, patch: Json) -> Json:
        stored = a_stored_pod()
        return {**stored, "status": {key: value for key, value in patch["status"].items() if value is not None}}

    def want(self, *pods: Json, runtime_class: str = "kata") -> None:
        wanted = [BarePod("web", runtime_class, pod) for pod in pods]
        self.keeper.update(wanted, [pod.uid for pod in wanted])

    async def make_pass(self) -> float:
        self.api.requests.clear()
        result = await self.keeper._reconcile(WHOLE)
        assert isinstance(result, After)
        return result.seconds

    @property
    def written(self) -> list[str]:
        """Methods and paths of all writes, in their order, but for events."""
        return [f"{verb} {path}" for verb, path, _ in self.api.requests if verb != "get" and path != EVENTS]


def a_refusing_setting() -> Setting:
    setting = Setting(a_stored_pod("Evicting"))
    del setting.api.answers["get", POD]
    setting.api.answers["create", PODS] = ApiError(403, "Forbidden", "over quota")
    return setting


def find_events(setting: Setting) -> list[str]:
    """The reasons of the events of the last reconcile."""
    return [body["reason"] for path, body in setting.api.sent("create") if path == EVENTS]


async def test_a_pod_is_tried_and_stored_before_its_eviction_is_recorded_and_asked_for() -> None:
    setting = Setting()
    setting.want(a_live_pod())
    await setting.make_pass()
    assert setting.written == [f"try {PODS}", f"create {COLLECTION}", f"merge {STORED_POD}/status"]
    ((_, patch),) = setting.api.sent("merge")
    assert patch["metadata"] == {"uid": "stored", "resourceVersion": "1"}
    assert patch["status"]["phase"] == "Evicting"
    assert setting.evictor.required == ["old"]
    assert setting.keeper.report("web").missing == ("prod/toolbox",), "it may be gone before the next look at it"


async def test_a_pod_whose_record_could_not_be_written_is_not_evicted() -> None:
    for error in (ApiError(409, "Conflict", "changed"), ApiError(403, "Forbidden", "no")):
        setting = Setting()
        setting.api.answers["merge", f"{STORED_POD}/status"] = error
        setting.want(a_live_pod())
        await setting.make_pass()
        assert setting.evictor.required == []


async def test_a_pod_that_could_not_be_stored_is_not_touched() -> None:
    setting = Setting()
    setting.api.answers["create", COLLECTION] = ApiError(422, "Invalid", "too large")
    setting.want(a_live_pod())
    await setting.make_pass()
    assert setting.written == [f"try {PODS}", f"create {COLLECTION}"]
    assert setting.evictor.required == []


async def test_a_pod_that_could_not_be_stored_is_told_of_so_that_others_have_their_turn() -> None:
    for error in (ApiError(403, "Forbidden", "exceeded quota"), ServerTrouble(500, "", "exceeded quota")):
        setting = Setting()
        setting.api.answers["create", COLLECTION] = error
        setting.want(a_live_pod())
        await setting.make_pass()
        (obstacle,) = setting.keeper.report("web").obstacles
        assert (obstacle.reason, obstacle.pods) == ("BarePodNotRecreatable", ("prod/toolbox",))
        assert "exceeded quota" in obstacle.message
        await setting.make_pass()
        assert setting.written == [], "it is tried again in a minute"


async def test_a_stored_pod_that_the_list_did_not_show_yet_is_no_trouble() -> None:
    setting = Setting()
    setting.api.answers["create", COLLECTION] = ApiError(409, "AlreadyExists", "exists")
    setting.want(a_live_pod())
    await setting.make_pass()
    assert setting.keeper.report("web").obstacles == ()


async def test_a_stored_pod_with_a_trouble_of_its_own_does_not_hold_up_the_others() -> None:
    other = a_stored_pod("Evicting")
    other["metadata"] |= {"namespace": "troubled", "uid": "other"}
    setting = Setting(other, a_stored_pod("Evicting"))
    setting.api.answers["get", "/api/v1/namespaces/troubled/pods/toolbox"] = ServerTrouble(500, "", "webhook")
    setting.want(a_live_pod())
    await setting.make_pass()
    assert setting.evictor.required == ["old"]


async def test_a_pod_whose_trial_fails_is_not_touched_and_told_of() -> None:
    setting = Setting()
    setting.want(a_live_pod(), runtime_class="other")
    await setting.make_pass()
    assert setting.written == [f"try {PODS}"]
    (obstacle,) = setting.keeper.report("web").obstacles
    assert (obstacle.reason, obstacle.pods) == ("BarePodNotRecreatable", ("prod/toolbox",))
    assert "runtimeClassName is kata, not other" in obstacle.message
    assert setting.changes == 1


async def test_a_pod_that_no_node_could_take_is_not_touched_until_one_can() -> None:
    setting = Setting()
    fitting = {"nodeSelector": {"sandboxes": "yes"}}
    setting.api.answers["try", PODS] = lambda pod: sandbox(pod | {"spec": pod["spec"] | fitting})
    ready = a_live_pod() | {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
    setting.want(ready)
    await setting.make_pass()
    assert setting.written == [f"try {PODS}"]
    (obstacle,) = setting.keeper.report("web").obstacles
    assert "no node could take it" in obstacle.message
    setting.keeper.update([], ["old"])
    await setting.make_pass()
    assert setting.keeper.report("web").obstacles, "it is told of while others have their turn"
    setting.add_node("new", sandboxes="yes")
    await setting.make_pass()
    assert not setting.keeper.report("web").obstacles
    setting.want(ready)
    await setting.make_pass()
    assert setting.evictor.required == ["old"]


async def test_a_trial_without_an_answer_stores_nothing_and_lets_nothing_stored_go() -> None:
    setting = Setting()
    setting.api.answers["try", PODS] = ServerTrouble(500, "", "webhook")
    setting.want(a_live_pod())
    await setting.make_pass()
    assert setting.written == [f"try {PODS}"]

    setting = Setting(a_stored_pod("Evicting"))
    setting.api.answers["try", PODS] = ServerTrouble(500, "", "webhook")
    setting.want(a_live_pod())
    await setting.make_pass()
    assert (setting.written, setting.evictor.required) == ([f"try {PODS}"], [])


async def test_a_pod_whose_trial_failed_is_tried_again_while_it_waits_and_not_touched_before_its_turn() -> None:
    setting = Setting()
    setting.want(a_live_pod(), runtime_class="other")
    await setting.make_pass()
    setting.keeper.update([], ["old"])
    setting.clock.step(VALID_SECONDS)
    assert await setting.make_pass() == POLL_SECONDS
    assert (setting.written, len(setting.keeper.report("web").obstacles)) == ([f"try {PODS}"], 1)
    setting.api.answers["try", PODS] = lambda pod: {
        **sandbox(pod),
        "spec": {**pod["spec"], "runtimeClassName": "other"},
    }
    setting.clock.step(VALID_SECONDS)
    await setting.make_pass()
    assert (setting.written, setting.keeper.report("web").obstacles) == ([f"try {PODS}"], ())


async def test_nothing_is_done_to_a_stored_pod_that_runs_before_it_is_known_what_is_wanted() -> None:
    setting = Setting(a_stored_pod("Evicting"))
    await setting.make_pass()
    assert (setting.written, setting.evictor.required) == ([], [])


async def test_a_pod_that_is_gone_is_created_again_once_and_put_on_record() -> None:
    setting = Setting(a_stored_pod("Evicting"))
    del setting.api.answers["get", POD]

    def create(_: Json) -> Json:
        setting.api.answers["get", POD] = RECREATED
        return RECREATED

    setting.api.answers["create", PODS] = create
    await setting.make_pass()
    assert setting.written == [f"create {PODS}", f"merge {STORED_POD}/status", f"delete {STORED_POD}"]
    assert [body["reason"] for _, body in setting.api.sent("create")[1:]] == ["Recreated"]


async def test_a_refusal_is_recorded_and_announced_once_and_tried_again_later() -> None:
    setting = a_refusing_setting()
    await setting.make_pass()
    assert setting.written == [f"create {PODS}", f"merge {STORED_POD}/status"]
    (obstacle,) = setting.keeper.report("web").obstacles
    assert obstacle.reason == "RecreationRefused"
    assert "over quota" in obstacle.message
    assert setting.keeper.report("web").missing == ("prod/toolbox",)
    setting.api.lists[STORED_PODS] = [a_stored_pod("Refused", message=obstacle.message)]
    delay = await setting.make_pass()
    assert setting.written == []
    assert 0 < delay <= 2


@pytest.mark.parametrize("trouble", [ServerTrouble(500, "", "webhook"), ApiUnreachable("timed out")], ids=str)
async def test_an_event_that_can_not_be_posted_holds_nothing_up_and_is_posted_later(trouble: Exception) -> None:
    setting = a_refusing_setting()
    setting.api.answers["create", EVENTS] = trouble
    await setting.make_pass()
    assert setting.written == [f"create {PODS}", f"merge {STORED_POD}/status"]
    message = setting.api.sent("merge")[0][1]["status"]["message"]
    setting.api.lists[STORED_PODS] = [a_stored_pod("Refused", message=message)]
    del setting.api.answers["create", EVENTS]
    setting.clock.step(REFUSED_SECONDS)
    await setting.make_pass()
    assert find_events(setting) == ["RecreationRefused"]
    await setting.make_pass()
    assert find_events(setting) == []


async def test_the_event_of_a_pod_that_is_back_is_posted_later_although_nothing_is_stored_any_more() -> None:
    setting = Setting(a_stored_pod("Recreating"))
    setting.api.answers["get", POD] = RECREATED
    setting.api.answers["create", EVENTS] = ServerTrouble(500, "", "webhook")
    await setting.make_pass()
    assert setting.written == [f"merge {STORED_POD}/status", f"delete {STORED_POD}"]
    setting.api.lists[STORED_PODS] = []
    del setting.api.answers["create", EVENTS]
    setting.clock.step(REFUSED_SECONDS)
    await setting.make_pass()
    assert find_events(setting) == ["Recreated"]


async def test_an_event_about_a_stored_pod_that_is_gone_is_not_posted_any_more() -> None:
    setting = a_refusing_setting()
    setting.api.answers["create", EVENTS] = ServerTrouble(500, "", "webhook")
    await setting.make_pass()
    setting.api.answers["get", POD] = RECREATED
    setting.api.lists[STORED_PODS] = [a_stored_pod("Refused", message="over quota")]
    await setting.make_pass()
    assert f"delete {STORED_POD}" in setting.written
    setting.api.lists[STORED_PODS] = []
    del setting.api.answers["create", EVENTS]
    setting.clock.step(REFUSED_SECONDS)
    await setting.make_pass()
    assert find_events(setting) == ["Recreated"]


async def test_a_webhook_that_does_not_answer_is_told_of_too() -> None:
    setting = Setting(a_stored_pod("Evicting"))
    del setting.api.answers["get", POD]
    setting.api.answers["create", PODS] = ServerTrouble(500, "", "failed calling webhook")
    await setting.make_pass()
    (obstacle,) = setting.keeper.report("web").obstacles
    assert "failed calling webhook" in obstacle.message


async def test_a_pod_under_way_is_reported_as_waiting() -> None:
    setting = Setting(a_stored_pod("Recreating", recreatedUID="new"))
    setting.api.answers["get", POD] = {**RECREATED, "status": {"phase": "Pending"}}
    await setting.make_pass()
    report = setting.keeper.report("web")
    assert (report.waiting, report.missing) == (("prod/toolbox",), ("prod/toolbox",))


async def test_a_new_pod_that_failed_before_it_ran_keeps_the_manifest_and_is_told_of() -> None:
    setting = Setting(a_stored_pod("Recreating", recreatedUID="new"))
    setting.api.answers["get", POD] = {**RECREATED, "status": {"phase": "Failed", "reason": "OutOfcpu"}}
    await setting.make_pass()
    assert setting.written == [f"merge {STORED_POD}/status"]
    ((_, patch),) = setting.api.sent("merge")
    assert (patch["status"]["phase"], patch["status"]["recreatedUID"]) == ("Recreating", None)
    (obstacle,) = setting.keeper.report("web").obstacles
    assert "OutOfcpu" in obstacle.message


async def test_a_stored_pod_that_someone_changed_meanwhile_is_not_dropped() -> None:
    setting = Setting(a_stored_pod("Stored"))
    setting.want()
    setting.api.answers["delete", STORED_POD] = ApiError(409, "Conflict", "changed")
    await setting.make_pass()
    assert setting.written == [f"delete {STORED_POD}"]
    assert setting.api.sent("delete") == [(STORED_POD, {"uid": "stored", "version": "1"})]


async def test_a_withdrawn_pod_settles_by_the_own_clock_whatever_another_operator_wrote() -> None:
    setting = Setting(a_stored_pod("Withdrawn", since="2020-01-01T00:00:00Z"))
    setting.want()
    await setting.make_pass()
    assert setting.written == []
    setting.clock.step(SETTLING_SECONDS)
    await setting.make_pass()
    assert setting.written == [f"delete {STORED_POD}"]


async def test_only_stored_pods_that_need_a_person_are_looked_at_rarely() -> None:
    setting = Setting(a_stored_pod("NameTaken", message="taken"))
    setting.api.answers["get", POD] = a_live_pod("other")
    setting.want()
    assert await setting.make_pass() == 60.0


def test_a_withdrawn_manifest_outlives_every_eviction_that_may_be_under_way() -> None:
    assert SETTLING_SECONDS > KNOWN_SECONDS + REQUEST_TIMEOUT_SECONDS


async def test_one_whose_name_was_taken_while_it_was_refused_is_looked_at_rarely_too() -> None:
    setting = Setting(a_stored_pod("Recreating"))
    setting.api.answers["get", POD] = ApiError(404, "NotFound", "not found")
    setting.api.answers["create", PODS] = ApiError(403, "Forbidden", "exceeded quota")
    await setting.make_pass()
    setting.api.lists[STORED_PODS] = [a_stored_pod("NameTaken", message="another pod has the name")]
    setting.api.answers["get", POD] = a_live_pod("another")
    setting.clock.step(120)
    assert await setting.make_pass() >= POLL_SECONDS, "or the API server would be asked without pause"
