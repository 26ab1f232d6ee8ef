"""The keeper of warm room: what it writes, when, and what it takes away."""

from typing import Any

import pytest

from monopod.capacity.rules.settings import Provider
from monopod.capacity.rules.warm.report import describe_warm
from monopod.capacity.rules.warm.state import NoPriorityClass, Refused, WarmState
from monopod.capacity.rules.warm.wish import Asking
from monopod.capacity.warm.controller import POLL_SECONDS, WarmKeeper
from monopod.capacity.warm.states import WarmStates
from monopod.kube.client.api import ApiError
from monopod.kube.objects.resources import CAPACITY_BUFFERS, DEPLOYMENTS, POD_TEMPLATES, PODS, PRIORITY_CLASSES
from monopod.manager.options import OperatorOptions
from monopod.manager.sources import WatchedCaches
from monopod.pods.rules.size import SIZE_TABLE
from tests.unit.builders import a_profile_resource
from tests.unit.capacity.rules.warm.wishes import KATA, an_asking
from tests.unit.fake_api import FakeApi, not_found
from tests.unit.fake_clock import FakeClock
from tests.unit.running import PROBLEMS, running, settle

Json = dict[str, Any]
SYSTEM = "monopod-system"
CLASS = PRIORITY_CLASSES.path("monopod-balloon")
KINDS = {each.kind: each for each in (DEPLOYMENTS, POD_TEMPLATES, CAPACITY_BUFFERS)}
LIST = {kind: each.list_path(SYSTEM) for kind, each in KINDS.items()}


class Api(FakeApi):
    """Keeps what is applied, and forgets what is deleted; a kind with an answer `list` is refused."""

    async def list_pages(self, path: str, query: Any = None, *, metadata_only: bool = False) -> Any:
        if isinstance(failure := self.answers.get(("list", path)), Exception):
            raise failure
        for item in self.lists.get(path, ()):
            yield item

    async def apply(self, path: str, body: Json) -> Json:
        answer = await super().apply(path, body)
        listed = self.lists.setdefault(path.rpartition("/")[0], [])
        listed[:] = [each for each in listed if each["metadata"]["name"] != body["metadata"]["name"]]
        listed.append(
            {**body, "metadata": {**body["metadata"], "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}}
        )
        return answer

    async def delete(self, path: str, uid: str, version: str = "") -> None:
        await super().delete(path, uid, version)
        place, _, name = path.rpartition("/")
        self.lists[place] = [each for each in self.lists[place] if each["metadata"]["name"] != name]


class Scene:
    """A profile `web` that asks for warm room, on a cluster without CapacityBuffers."""

    def __init__(self) -> None:
        self.api, self.clock, self.states = Api(), FakeClock(), WarmStates()
        self.api.answers["get", CLASS] = {"metadata": {"uid": "class"}}
        self.api.answers["list", LIST["CapacityBuffer"]] = ApiError(404, "", "404 page not found")
        self.asking: list[Asking] | None = [an_asking(replicas=2, size=SIZE_TABLE[0])]
        options, self.caches = OperatorOptions(namespace=SYSTEM), WatchedCaches(SYSTEM)
        self.keeper = WarmKeeper(self.api, self.caches, options, lambda: self.asking, self.states, PROBLEMS, self.clock)
        self.keeper.begin()

    async def pass_time(self, seconds: float = POLL_SECONDS) -> None:
        for _ in range(int(seconds // POLL_SECONDS)):
            self.clock.step(POLL_SECONDS)
            await settle(60)

    async def put_profile(self, version: int, **spec: Any) -> int:
        """Has a profile changed; how often that makes it look at what there is."""
        before = len(self.api.sent("get"))
        resource = a_profile_resource("web", {"namespace": "prod"}, **spec)
        resource["metadata"] |= {"uid": "web", "resourceVersion": str(version)}
        self.caches.profiles.observe("MODIFIED", {**resource, "status": {"pods": version}})
        self.clock.step(2.0)
        await settle(60)
        return len(self.api.sent("get")) - before

    def has(self, kind: str) -> list[str]:
        return [each["metadata"]["name"] for each in self.api.lists.get(LIST[kind], ())]

    def serve_buffers(self) -> None:
        del self.api.answers["list", LIST["CapacityBuffer"]]
        self.asking = [Asking("web", an_asking(replicas=2, size=SIZE_TABLE[0]).settings, KATA, grows=True)]


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_balloons_are_written_once(scene: Scene) -> None:
    async with running(scene.keeper.controller):
        await scene.pass_time(30)
        assert scene.has("Deployment") == ["warm-web"]
        assert len(scene.api.sent("apply")) == 1
        assert scene.states.get("web") == WarmState(2, 0)


async def test_what_someone_changes_is_put_right(scene: Scene) -> None:
    async with running(scene.keeper.controller):
        scene.api.lists[LIST["Deployment"]][0]["spec"]["replicas"] = 50
        await scene.pass_time()
        assert scene.api.lists[LIST["Deployment"]][0]["spec"]["replicas"] == 2


async def test_only_profiles_that_ask_or_did_so_have_it_look_at_once(scene: Scene) -> None:
    scene.asking = []
    async with running(scene.keeper.controller):
        await scene.pass_time()
        assert [await scene.put_profile(version) for version in (1, 2, 3)] == [0, 0, 0]
        assert await scene.put_profile(4, capacity={"warm": {"replicas": 2}}) == 1
        assert [await scene.put_profile(version) for version in (5, 6)] == [1, 0]


async def test_nothing_is_touched_before_the_profiles_are_known(scene: Scene) -> None:
    asking, scene.asking = scene.asking, None
    async with running(scene.keeper.controller):
        await scene.pass_time(30)
        assert scene.api.requests == []
        scene.asking = asking
        await scene.pass_time(10)
        assert scene.has("Deployment") == ["warm-web"]


async def test_what_no_profile_asks_for_any_more_is_deleted(scene: Scene) -> None:
    async with running(scene.keeper.controller):
        scene.asking = []
        await scene.pass_time()
        assert scene.has("Deployment") == []
        assert scene.states.get("web") is None


async def test_a_refusal_is_the_profiles_own(scene: Scene) -> None:
    scene.asking = [an_asking("db", 1), an_asking("web", 1)]
    scene.api.answers["apply", DEPLOYMENTS.path("warm-db", SYSTEM)] = ApiError(403, "Forbidden", "no")
    async with running(scene.keeper.controller):
        assert isinstance((scene.states.get("db") or WarmState(0, 0)).lack, Refused)
        assert scene.has("Deployment") == ["warm-web"]


async def test_without_rights_the_profile_says_so(scene: Scene) -> None:
    scene.api.answers["list", PODS.list_path(SYSTEM)] = ApiError(403, "Forbidden", "no")
    async with running(scene.keeper.controller):
        assert scene.states.get("web") == WarmState(2, 0, Refused("no (403 Forbidden)"))


async def test_without_its_priority_class_there_are_no_balloons(scene: Scene) -> None:
    scene.api.answers["get", CLASS] = not_found()
    async with running(scene.keeper.controller):
        assert scene.states.get("web") == WarmState(2, 0, NoPriorityClass())
        assert scene.has("Deployment") == []


async def test_a_buffer_that_nothing_answers_brings_balloons_and_an_answer_takes_them_away(scene: Scene) -> None:
    scene.serve_buffers()
    async with running(scene.keeper.controller):
        assert (scene.has("PodTemplate"), scene.has("CapacityBuffer")) == (["warm-web"], ["warm-web"])
        await scene.pass_time(POLL_SECONDS)  # it was made long before the clock's time
        assert scene.has("Deployment") == ["warm-web"]
        state = scene.states.get("web")
        assert state
        assert str((describe_warm(state, Provider.KARPENTER) or ("", ""))[1]) == "BufferNotImplemented"

        scene.api.lists[LIST["CapacityBuffer"]][0]["status"] = {"conditions": [{"type": "Provisioning"}]}
        await scene.pass_time()
        assert scene.has("Deployment") == []


async def test_nodes_that_nothing_makes_need_no_buffer(scene: Scene) -> None:
    scene.serve_buffers()
    async with running(scene.keeper.controller):
        scene.asking = [an_asking(replicas=2)]
        await scene.pass_time()
        assert (scene.has("PodTemplate"), scene.has("CapacityBuffer")) == ([], [])
        assert scene.has("Deployment") == ["warm-web"]


async def test_a_template_without_its_buffer_is_withdrawn_too(scene: Scene) -> None:
    scene.serve_buffers()
    async with running(scene.keeper.controller):
        scene.api.lists[LIST["CapacityBuffer"]] = []  # the operator ended between the two
        scene.asking = []
        await scene.pass_time()
        assert scene.has("PodTemplate") == []
