"""The controller of capacity: what it reads, what it tells, and how often."""

from collections.abc import Mapping
from typing import Any

import pytest

from monopod.api.names import PROFILE_LABEL
from monopod.capacity.controller import LONGEST_POLL_SECONDS, POLL_SECONDS, REST_PER_LOOK, CapacityReader
from monopod.capacity.rules.report import UNAVAILABLE
from monopod.capacity.warm.states import WarmStates
from monopod.kube.client.api import ApiError
from monopod.manager.sources import WatchedCaches
from tests.unit.builders import a_pod, a_profile_resource
from tests.unit.capacity.situations import FULL, a_pool
from tests.unit.fake_api import FakeApi, an_object
from tests.unit.fake_clock import FakeClock
from tests.unit.running import PROBLEMS, a_recorder, running, settle

Json = dict[str, Any]

PODS, POOLS, CLASSES = "/api/v1/pods", "/apis/karpenter.sh/v1/nodepools", "/apis/node.k8s.io/v1/runtimeclasses"
EVENTS = "/api/v1/namespaces/prod/events"


class Api(FakeApi):
    """Counts lists, each of which takes so many seconds; one with an answer `list` is refused."""

    clock: FakeClock | None = None
    seconds = 0.0

    async def list_pages(self, path: str, query: Any = None, *, metadata_only: bool = False) -> Any:
        self.requests.append(("list", path, {}))
        if self.clock:
            self.clock.step(self.seconds)
        if failure := self.answers.get(("list", path)):
            assert isinstance(failure, Exception)
            raise failure
        for item in self.lists.get(path, ()):
            yield item


class Scene:
    """A profile `web`, a node for its pods, and pods that wait."""

    def __init__(self) -> None:
        self.api, self.clock = Api(), FakeClock()
        self.api.answers["list", POOLS] = ApiError(404, "", "404 page not found")
        self.api.lists[CLASSES] = [
            {"metadata": {"name": "kata"}, "handler": "kata", "scheduling": {"nodeSelector": {"box": "yes"}}}
        ]
        self.caches = WatchedCaches("monopod-system")
        self.told = 0
        profile = a_profile_resource("web", {"namespace": "prod"}, runtimeClassName="kata")
        self.add_profile(profile)
        self.caches.nodes.observe("ADDED", an_object("box-1", labels={"box": "yes"}))
        recorder = a_recorder(self.api, self.clock)
        self.reader = CapacityReader(
            self.api, self.caches, self.choose, recorder, PROBLEMS, WarmStates(), clock=self.clock
        )
        self.reader.changed.subscribe(self.hear)
        self.reader.begin()

    def choose(self, handlers: Mapping[str, str], current: str) -> str:
        return current or next(iter(handlers), "none-found")

    def hear(self) -> None:
        self.told += 1

    def add_profile(self, resource: Json) -> None:
        resource["metadata"] |= {"uid": resource["metadata"]["name"], "resourceVersion": "1"}
        self.caches.profiles.observe("ADDED", resource)

    def add_waiting(self, name: str, reason: str = "Unschedulable", message: str = FULL) -> None:
        pod = a_pod(name).in_namespace("prod").labelled({PROFILE_LABEL: "web"}).build()
        pod["metadata"] |= {"uid": name, "resourceVersion": "1"}
        since = self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        condition = {
            "type": "PodScheduled",
            "status": "False",
            "reason": reason,
            "message": message,
            "lastTransitionTime": since,
        }
        pod["status"] = {"phase": "Pending", "conditions": [condition]}
        self.api.lists.setdefault(PODS, []).append(pod)
        self.caches.pods.observe("ADDED", pod)

    async def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds // POLL_SECONDS)):
            self.clock.step(POLL_SECONDS)
            await settle(60)

    def say(self, name: str = "web", status: Json | None = None) -> tuple[Any, Any]:
        """The condition's reason and status.capacity."""
        contribution = self.reader.contribute({name: status or {}}, "2026-01-01T00:00:00Z")[name]
        (finding,) = contribution.findings
        return str(finding.reason), contribution.fields.get("capacity")

    def events(self) -> list[str]:
        return [body["message"] for path, body in self.api.sent("create") if path == EVENTS]

    def count_lists(self, path: str) -> int:
        return [each for each, _ in self.api.sent("list")].count(path)


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_what_is_not_known_yet_leaves_the_status_as_it_is(scene: Scene) -> None:
    kept = {"provider": "None", "nodes": 3, "pendingPods": 0}
    assert scene.say(status={"capacity": kept}) == ("CapacityNotRead", kept)
    assert scene.say() == ("CapacityNotRead", None)


async def test_a_change_is_told_once(scene: Scene) -> None:
    async with running(scene.reader.controller):
        assert scene.say() == ("CapacityAvailable", {"provider": "None", "nodes": 1, "pendingPods": 0})
        await scene.pass_time(30)
        assert scene.told == 1
        scene.add_waiting("web-1")
        await scene.pass_time(20)
        assert scene.say() == ("NodesFull", {"provider": "None", "nodes": 1, "pendingPods": 1})
        assert scene.told == 2


async def test_karpenter_may_come_and_go(scene: Scene) -> None:
    async with running(scene.reader.controller):
        del scene.api.answers["list", POOLS]
        scene.api.lists[POOLS] = [a_pool(labels={"box": "yes"})]
        await scene.pass_time(10)
        assert scene.say()[1]["provider"] == "Karpenter"
        scene.api.answers["list", POOLS] = ApiError(403, "Forbidden", "nodepools is forbidden")
        await scene.pass_time(10)
        assert scene.say()[1]["provider"] == "None"


async def test_a_node_pool_that_cannot_be_read_stops_nothing(scene: Scene) -> None:
    del scene.api.answers["list", POOLS]
    broken = {"metadata": {"name": "broken"}, "spec": {"template": []}}
    scene.api.lists[POOLS] = [broken, a_pool(labels={"box": "yes"})]
    async with running(scene.reader.controller):
        assert scene.say()[1]["provider"] == "Karpenter"


async def test_pods_are_listed_only_while_some_are_pending_or_after_a_change(scene: Scene) -> None:
    async with running(scene.reader.controller):
        first = scene.count_lists(PODS)
        await scene.pass_time(5 * POLL_SECONDS)
        assert scene.count_lists(PODS) == first
        scene.add_waiting("web-1", reason="SchedulingGated")
        await scene.pass_time(3 * POLL_SECONDS)
        assert scene.count_lists(PODS) == first + 3
        scene.api.lists[PODS] = []
        await scene.pass_time(5 * POLL_SECONDS)
        assert scene.count_lists(PODS) == first + 4


async def test_where_looking_takes_long_it_is_done_less_often(scene: Scene) -> None:
    scene.add_waiting("web-1")
    async with running(scene.reader.controller):
        before = scene.count_lists(PODS)
        scene.api.clock, scene.api.seconds = scene.clock, 1.0  # three lists: a look takes three seconds
        await scene.pass_time(100)
        looks = scene.count_lists(PODS) - before
        assert looks == pytest.approx(100 / (REST_PER_LOOK * 3), abs=2)
        scene.api.seconds = 20.0
        await scene.pass_time(10 * LONGEST_POLL_SECONDS)
        assert scene.count_lists(PODS) - before - looks >= 8


async def test_a_pod_that_has_waited_a_minute_gets_one_event_with_the_cause(scene: Scene) -> None:
    async with running(scene.reader.controller):
        scene.add_waiting("web-1")
        await scene.pass_time(50)
        assert scene.events() == []
        await scene.pass_time(60)
        assert scene.events() == [f"{UNAVAILABLE} The nodes of the sandbox are full, and nothing makes more."]


async def test_pods_that_wait_for_something_else_get_none(scene: Scene) -> None:
    async with running(scene.reader.controller):
        scene.add_waiting("gated", reason="SchedulingGated")
        scene.add_waiting("choosy", message="0/1 nodes are available: 1 node(s) didn't match Pod's node affinity.")
        await scene.pass_time(120)
        assert scene.events() == []
        assert scene.say()[0] == "CapacityAvailable"


async def test_zones_and_spec_of_a_profile_count(scene: Scene) -> None:
    profile = a_profile_resource(
        "zoned",
        {"namespace": "x"},
        runtimeClassName="kata",
        subnets=["a"],
        capacity={"provider": "Karpenter", "nodePools": ["boxes"]},
    )
    scene.add_profile(profile)
    async with running(scene.reader.controller):
        assert scene.say("zoned") == ("KarpenterNotServed", {"provider": "Karpenter", "nodes": 0, "pendingPods": 0})
        assert scene.say("web")[0] == "CapacityAvailable"


async def test_a_new_profile_says_it_with_its_first_status(scene: Scene) -> None:
    async with running(scene.reader.controller):
        scene.add_profile(a_profile_resource("new", {"namespace": "new"}))
        assert scene.say("new")[0] == "CapacityAvailable"
        told = scene.told
        await scene.pass_time(30)
        assert scene.told == told


async def test_a_profile_for_which_there_is_no_sandbox_is_no_capacitys_fault(scene: Scene) -> None:
    scene.api.lists[CLASSES] = []
    async with running(scene.reader.controller):
        scene.add_profile(a_profile_resource("new", {"namespace": "new"}))
        assert scene.say("new")[0] == "RuntimeClassNotFound"


async def test_a_class_that_is_gone_is_no_capacitys_fault(scene: Scene) -> None:
    scene.api.lists[CLASSES] = []
    async with running(scene.reader.controller):
        assert scene.say()[0] == "RuntimeClassNotFound"
