"""The controller of Spot: what it lists and writes, in which order, and what it leaves to the next operator."""

import datetime
from collections.abc import Iterable
from typing import Any

import pytest

from monopod.api.names import NAMESPACE_LABEL, ON_DEMAND_ANNOTATION, SELECTORS_ANNOTATION
from monopod.cel.compiled_selectors import SEPARATOR
from monopod.eviction.evictor import Evictor
from monopod.eviction.options import EvictionOptions
from monopod.eviction.rules.order import Candidate
from monopod.kube.client.api import ApiError, Json
from monopod.manager.sources import WatchedCaches
from monopod.spot.controller import KNOWN_SECONDS, POLL_SECONDS, SpotKeeper
from tests.unit.builders import a_profile_resource
from tests.unit.fake_api import FakeApi, an_object
from tests.unit.fake_clock import FakeClock
from tests.unit.running import PROBLEMS, a_recorder, running, settle
from tests.unit.spot.waiting import OWNER, a_waiting_pod

PODS, PROD = "/api/v1/pods", "/api/v1/namespaces/prod"


class Api(FakeApi):
    """Counts lists."""

    async def list_pages(self, path: str, query: Any = None, *, metadata_only: bool = False) -> Any:
        self.requests.append(("list", path, {}))
        for item in self.lists.get(path, ()):
            yield item


class Queue(Evictor):
    """Remembers what it is asked for, and evicts nothing."""

    def __init__(self, api: Api) -> None:
        super().__init__(api, EvictionOptions(), PROBLEMS)
        self.asked: list[str] = []
        self.known_until = 0.0

    def update(self, source: str, pods: Iterable[Candidate]) -> None:
        assert source == "spot"
        pods = tuple(pods)
        self.known_until = max((pod.known_until for pod in pods), default=0.0)
        self.asked = [f"{pod} {pod.uid} {pod.version}" for pod in pods]


class Scene:
    def __init__(self, **spot: str) -> None:
        self.api, self.clock = Api(), FakeClock()
        self.caches = WatchedCaches("monopod-system")
        self.queue = Queue(self.api)
        self.version, self.compiled = 1, f"web{SEPARATOR}rest"
        profile = a_profile_resource("web", {"namespace": "prod"}, spot=spot or {"fallback": "OnDemand"})
        profile["metadata"] |= {"uid": "web"}
        self.profile = profile
        self.write_result("Sandboxed")
        self.caches.namespaces.observe("ADDED", self.build_namespace())
        self.api.answers["merge", PROD] = self.write
        self.start()

    def write_result(self, result: str) -> None:
        """What the profile's last dry run said."""
        self.version += 1
        self.profile["metadata"]["resourceVersion"] = str(self.version)
        status = {"phase": "ACTIVE", "dryRun": {"result": result}}
        self.caches.profiles.observe("MODIFIED", {**self.profile, "status": status})

    def start(self) -> None:
        """Another operator, which knows nothing but what the cluster has."""
        recorder = a_recorder(self.api, self.clock)
        self.keeper = SpotKeeper(self.api, self.caches, self.queue, recorder, PROBLEMS, self.clock)
        self.keeper.begin()

    def build_namespace(self, annotation: str | None = None) -> Json:
        self.version += 1
        annotations = {ON_DEMAND_ANNOTATION: annotation} if annotation else {}
        annotations |= {SELECTORS_ANNOTATION: self.compiled} if self.compiled else {}
        built = an_object("prod", labels={NAMESPACE_LABEL: "true"}, annotations=annotations)
        built["metadata"]["resourceVersion"] = str(self.version)
        return built

    def write(self, patch: Json) -> Json:
        return self.build_namespace(patch["metadata"]["annotations"][ON_DEMAND_ANNOTATION])

    def add_waiting(self, name: str = "web-1", **changes: Any) -> None:
        pod = a_waiting_pod(name, self.clock.now(), **changes)
        self.api.lists.setdefault(PODS, []).append(pod)
        self.caches.pods.observe("ADDED", pod)

    async def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds // POLL_SECONDS)):
            self.clock.step(POLL_SECONDS)
            await settle(60)

    def annotation(self) -> str:
        view = self.caches.namespaces.find("", "prod")
        return view.on_demand if view else ""

    def events(self) -> list[tuple[str, str]]:
        path = "/api/v1/namespaces/prod/events"
        return [(body["involvedObject"]["kind"], body["reason"]) for at, body in self.api.sent("create") if at == path]

    def until(self, minutes: float) -> str:
        return (self.clock.now() + datetime.timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_the_workload_is_on_demand_before_any_pod_of_it_goes(scene: Scene) -> None:
    async with running(scene.keeper.controller):
        scene.add_waiting()
        await scene.pass_time(115)
        assert (scene.annotation(), scene.queue.asked) == ("", [])
        await scene.pass_time(5)
        assert scene.annotation() == f"web/{OWNER}={scene.until(10)},1"
        assert scene.queue.asked == []
        await scene.pass_time(5)
        assert scene.queue.asked == ["prod/web-1 uid-web-1 7"]
        assert scene.events() == [("ReplicaSet", "SpotFallback")]
        await scene.pass_time(30)
        assert scene.events() == [("ReplicaSet", "SpotFallback")]


async def test_no_pod_goes_while_a_new_one_would_not_be_sandboxed(scene: Scene) -> None:
    async with running(scene.keeper.controller):
        scene.add_waiting()
        scene.write_result("Refused")
        await scene.pass_time(150)
        assert (scene.annotation(), scene.queue.asked) == ("", [])
        scene.write_result("Sandboxed")
        await scene.pass_time(10)
        assert scene.queue.asked == ["prod/web-1 uid-web-1 7"]
        spell, scene.compiled = scene.annotation(), ""
        scene.caches.namespaces.observe("MODIFIED", scene.build_namespace(spell))
        await scene.pass_time(5)
        assert (scene.annotation(), scene.queue.asked) == (spell, []), "no profile reaches the namespace any more"


async def test_a_pod_that_is_to_go_stays_as_soon_as_its_profile_is_being_deleted(scene: Scene) -> None:
    async with running(scene.keeper.controller):
        scene.add_waiting()
        await scene.pass_time(125)
        assert scene.queue.asked == ["prod/web-1 uid-web-1 7"]
        scene.profile["metadata"]["deletionTimestamp"] = "2026-03-01T12:00:00Z"
        scene.write_result("Sandboxed")
        assert scene.queue.asked == [], "before anything of the profile is taken back"


async def test_a_pod_that_is_to_go_stays_as_soon_as_no_profile_reaches_its_namespace(scene: Scene) -> None:
    async with running(scene.keeper.controller):
        scene.add_waiting()
        await scene.pass_time(125)
        assert scene.queue.asked == ["prod/web-1 uid-web-1 7"]
        spell, scene.compiled = scene.annotation(), ""
        scene.caches.namespaces.observe("MODIFIED", scene.build_namespace(spell))
        assert scene.queue.asked == []


async def test_a_look_that_ends_after_the_profile_was_deleted_lets_no_pod_go(scene: Scene) -> None:
    async with running(scene.keeper.controller):
        scene.add_waiting()
        await scene.pass_time(120)

    def delete_profile(event: Json) -> Json:
        scene.profile["metadata"]["deletionTimestamp"] = "2026-03-01T12:00:00Z"
        scene.write_result("Sandboxed")
        return event

    scene.start()
    scene.api.answers["create", "/api/v1/namespaces/prod/events"] = delete_profile
    scene.clock.step(5)
    async with running(scene.keeper.controller):
        await settle(60)
    assert len(scene.events()) == 2, "the look came as far as the event of a pod that goes"
    assert scene.queue.asked == []


async def test_an_operator_that_starts_goes_on_where_the_one_before_was_killed(scene: Scene) -> None:
    async with running(scene.keeper.controller):
        scene.add_waiting()
        await scene.pass_time(120)
        assert (bool(scene.annotation()), scene.queue.asked) == (True, [])
    scene.start()
    scene.clock.step(5)
    async with running(scene.keeper.controller):
        assert scene.queue.asked == ["prod/web-1 uid-web-1 7"]


async def test_when_the_time_is_over_the_annotation_says_so_and_then_goes(scene: Scene) -> None:
    async with running(scene.keeper.controller):
        scene.add_waiting()
        await scene.pass_time(120)
        scene.api.lists[PODS] = []
        await scene.pass_time(595)
        assert f"web/{OWNER}=" in scene.annotation()
        await scene.pass_time(5)
        assert f"web/{OWNER}~" in scene.annotation()
        await scene.pass_time(600)
        assert scene.annotation() == ""


async def test_pods_go_only_if_the_namespace_could_be_written(scene: Scene) -> None:
    refusal = ApiError(403, "Forbidden", "no")
    scene.api.answers["merge", PROD] = refusal
    async with running(scene.keeper.controller):
        scene.add_waiting()
        await scene.pass_time(300)
        assert (scene.annotation(), scene.queue.asked, scene.events()) == ("", [], [])
        scene.api.answers["merge", PROD] = scene.write
        await scene.pass_time(10)
        assert scene.queue.asked == ["prod/web-1 uid-web-1 7"]


async def test_a_profile_that_no_longer_falls_back_has_nothing_on_demand(scene: Scene) -> None:
    async with running(scene.keeper.controller):
        scene.add_waiting()
        await scene.pass_time(125)
        profile = a_profile_resource("web", {"namespace": "prod"}, spot={"fallback": "None"})
        profile["metadata"] |= {"uid": "web", "resourceVersion": "2"}
        scene.caches.profiles.observe("MODIFIED", profile)
        await scene.pass_time(5)
        assert (scene.annotation(), scene.queue.asked) == ("", [])


async def test_a_pod_that_nothing_would_replace_says_that_it_waits(scene: Scene) -> None:
    async with running(scene.keeper.controller):
        scene.add_waiting(kind="")
        await scene.pass_time(300)
        assert (scene.annotation(), scene.queue.asked) == ("", [])
        assert scene.events() == [("Pod", "SpotFallbackRefused")]


JOB = "/apis/batch/v1/namespaces/prod/jobs/web"
PATIENT = {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]}


@pytest.mark.parametrize(
    ("uid", "policy", "goes"), [(OWNER, PATIENT, True), (OWNER, {}, False), ("another", PATIENT, False)]
)
async def test_pods_of_a_job_go_if_it_does_not_count_that(scene: Scene, uid: str, policy: Json, goes: bool) -> None:
    scene.api.answers["get", JOB] = {"metadata": {"uid": uid}, "spec": {"podFailurePolicy": policy}}
    async with running(scene.keeper.controller):
        scene.add_waiting(kind="Job")
        await scene.pass_time(130)
        assert bool(scene.queue.asked) is goes


async def test_pods_go_however_long_it_takes_to_read_their_jobs(scene: Scene) -> None:
    def read_slowly(_: Json) -> Json:
        scene.clock.step(2 * KNOWN_SECONDS)
        return {"metadata": {"uid": OWNER}, "spec": {"podFailurePolicy": PATIENT}}

    scene.api.answers["get", JOB] = read_slowly
    async with running(scene.keeper.controller):
        scene.add_waiting(kind="Job")
        await scene.pass_time(130)
        assert scene.queue.asked
        assert scene.queue.known_until > scene.clock.monotonic()


async def test_an_owner_that_cannot_be_is_not_asked_for_and_holds_up_no_one_else(scene: Scene) -> None:
    """A pod's author writes its owners. As a path this one's name is a subresource, which RBAC forbids to read."""
    scene.api.answers["get", f"{JOB}%2Fstatus"] = ApiError(403, "Forbidden", "jobs/status is forbidden")
    async with running(scene.keeper.controller):
        scene.add_waiting("bad-1", kind="Job")
        scene.api.lists[PODS][0]["metadata"]["ownerReferences"][0]["name"] = "web/status"
        scene.add_waiting("web-1", owner=OWNER.replace("1", "9"))
        await scene.pass_time(200)
        assert [each.partition(" ")[0] for each in scene.queue.asked] == ["prod/web-1"]


async def test_nothing_is_listed_while_no_profile_falls_back() -> None:
    scene = Scene(fallback="None")
    async with running(scene.keeper.controller):
        scene.add_waiting()
        await scene.pass_time(600)
        assert scene.api.requests == []
