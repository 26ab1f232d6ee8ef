"""The controller that keeps images on nodes: what it writes, what it tells, and how often it looks."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import pytest

from monopod.api.names import PROFILE_LABEL, WARM_IMAGES_LABEL
from monopod.capacity.images.controller import PULLING_SECONDS, USED_SECONDS, ImageWarmer
from monopod.capacity.rules.images.daemon_set import PAUSE_IMAGE
from monopod.kube.client.api import ApiError
from monopod.manager.options import OperatorOptions
from monopod.manager.sources import WatchedCaches
from tests.unit.builders import a_profile_resource
from tests.unit.capacity.rules.images.builders import RUNNING, a_keeper_pod, a_status, waiting
from tests.unit.fake_api import FakeApi
from tests.unit.fake_clock import FakeClock
from tests.unit.running import PROBLEMS, running, settle

Json = dict[str, Any]

DAEMON_SETS = "/apis/apps/v1/namespaces/monopod-system/daemonsets"
KEEPERS = "/api/v1/namespaces/monopod-system/pods"
PODS = "/api/v1/pods"
CLASSES = "/apis/node.k8s.io/v1/runtimeclasses"
NAMED = f"{DAEMON_SETS}/warm-images-web-spec"


class Api(FakeApi):
    """Keeps DaemonSets as an API server does: a change of the spec raises the generation."""

    def __init__(self) -> None:
        super().__init__()
        self.lists[DAEMON_SETS] = []

    def find(self, path: str) -> Json | None:
        name = path.rpartition("/")[2]
        return next((each for each in self.lists[DAEMON_SETS] if each["metadata"]["name"] == name), None)

    async def apply(self, path: str, body: Json) -> Json:
        self._answer("apply", path, body, body)
        known = self.find(path) or {"metadata": {"uid": f"uid-{len(self.requests)}", "generation": 0}, "spec": None}
        generation = known["metadata"]["generation"] + (known["spec"] != body["spec"])
        metadata = {**known["metadata"], **body["metadata"], "generation": generation}
        new = deepcopy({**known, **body, "metadata": metadata})
        self.lists[DAEMON_SETS] = [each for each in self.lists[DAEMON_SETS] if each is not known] + [new]
        return new

    async def delete(self, path: str, uid: str, version: str = "") -> None:
        await super().delete(path, uid, version)
        self.lists[DAEMON_SETS] = [each for each in self.lists[DAEMON_SETS] if each["metadata"]["uid"] != uid]

    def roll_out(self, path: str, wanted: int, ready: int | None = None) -> None:
        """What the DaemonSet's controller comes to."""
        found = self.find(path)
        assert found is not None
        found["status"] = a_status(wanted, ready, generation=found["metadata"]["generation"])


class Scene:
    """A profile `web` on a cluster with a sandbox."""

    def __init__(self) -> None:
        self.api, self.clock = Api(), FakeClock()
        self.api.lists[CLASSES] = [{"metadata": {"name": "kata"}, "handler": "kata"}]
        self.caches = WatchedCaches("monopod-system")
        self.version, self.told = 0, 0
        self.warmer = self.start()

    def start(self) -> ImageWarmer:
        options = OperatorOptions(namespace="monopod-system", kubeconfig=None)
        warmer = ImageWarmer(self.api, self.caches, options, self.choose, PROBLEMS, self.clock)
        warmer.changed.subscribe(self.hear)
        warmer.begin()
        return warmer

    def choose(self, handlers: Mapping[str, str], current: str) -> str:
        return current or next(iter(handlers), "none-found")

    def hear(self) -> None:
        self.told += 1

    def put_profile(self, name: str = "web", *, going: bool = False, **warm: object) -> None:
        self.version += 1
        spec = {"warmImages": warm} if warm else {}
        resource = a_profile_resource(name, {"namespace": "prod"}, **spec)
        resource["metadata"] |= {"uid": name, "resourceVersion": str(self.version)}
        if going:
            resource["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        self.caches.profiles.observe("MODIFIED", resource)

    async def pass_time(self, seconds: float = 12) -> None:
        for _ in range(int(seconds // PULLING_SECONDS)):
            self.clock.step(PULLING_SECONDS)
            await settle(60)

    def say(self, name: str = "web", status: Json | None = None) -> tuple[str, Any]:
        """The condition's reason, "" if there is none, and status.warmImages."""
        contribution = self.warmer.contribute({name: status or {}}, "2026-01-01T00:00:00Z")[name]
        reasons = [str(finding.reason) for finding in contribution.findings]
        return "".join(reasons), contribution.fields.get("warmImages")

    def images_of(self, path: str) -> list[str]:
        found = self.api.find(path)
        assert found is not None
        return [volume["image"]["reference"] for volume in found["spec"]["template"]["spec"]["volumes"]]


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_profile_that_asks_for_images_gets_a_daemon_set_and_says_when_they_are_there(scene: Scene) -> None:
    scene.put_profile(images=["b:1", "a:1"])
    async with running(scene.warmer.controller):
        assert scene.images_of(NAMED) == ["a:1", "b:1"]
        assert scene.say()[0] == "ImagesPulling"
        scene.api.roll_out(NAMED, 2)
        await scene.pass_time()
        found = {"nodes": 2, "images": [{"image": "a:1", "nodes": 2}, {"image": "b:1", "nodes": 2}]}
        assert scene.say() == ("ImagesWarm", found)


async def test_what_is_as_it_was_written_is_not_written_again(scene: Scene) -> None:
    scene.put_profile(images=["a:1"])
    async with running(scene.warmer.controller):
        scene.api.roll_out(NAMED, 1)
        await scene.pass_time(60)
        assert len(scene.api.sent("apply")) == 1
        told = scene.told
        await scene.pass_time(60)
        assert scene.told == told


async def test_what_someone_else_changes_is_restored(scene: Scene) -> None:
    scene.put_profile(images=["a:1"])
    async with running(scene.warmer.controller):
        found = scene.api.find(NAMED)
        assert found is not None
        found["metadata"]["generation"] += 1
        found["spec"]["template"]["spec"]["hostNetwork"] = True
        await scene.pass_time()
        assert len(scene.api.sent("apply")) == 2
        new = scene.api.find(NAMED)
        assert new is not None
        # An apply alone would leave what someone else has added.
        assert new["metadata"]["uid"] != found["metadata"]["uid"]
        scene.api.lists[DAEMON_SETS].clear()
        await scene.pass_time()
        assert scene.images_of(NAMED) == ["a:1"]


async def test_a_change_of_the_profile_is_seen_at_once_and_one_of_its_status_is_none(scene: Scene) -> None:
    scene.put_profile(images=["a:1"])
    async with running(scene.warmer.controller):
        scene.put_profile(images=["a:1", "b:1"])
        await settle(60)
        assert scene.images_of(NAMED) == ["a:1", "b:1"]
        looks = scene.warmer.controller.completed
        scene.put_profile(images=["a:1", "b:1"])
        await settle(60)
        assert scene.warmer.controller.completed == looks


@pytest.mark.parametrize("how", ["no images", "no field", "deleted", "gone"])
async def test_what_no_one_asks_for_any_more_goes(scene: Scene, how: str) -> None:
    scene.put_profile(images=["a:1"])
    async with running(scene.warmer.controller):
        match how:
            case "no images":
                scene.put_profile(images=[])
            case "no field":
                scene.put_profile()
            case "deleted":
                scene.put_profile(going=True, images=["a:1"])
            case _:
                scene.caches.profiles.observe("DELETED", {"metadata": {"name": "web", "uid": "web"}})
        await settle(60)
        assert scene.api.find(NAMED) is None


async def test_without_the_field_nothing_is_said(scene: Scene) -> None:
    scene.put_profile()
    async with running(scene.warmer.controller):
        assert scene.say() == ("", None)
        assert scene.api.sent("apply") == []


async def test_what_another_operator_left_behind_goes(scene: Scene) -> None:
    left = {"metadata": {"name": "warm-images-old-spec", "uid": "old", "labels": {WARM_IMAGES_LABEL: "old"}}}
    scene.api.lists[DAEMON_SETS].append(left)
    async with running(scene.warmer.controller):
        assert scene.api.sent("delete") == [(f"{DAEMON_SETS}/warm-images-old-spec", {"uid": "old"})]


async def test_an_operator_that_starts_changes_nothing_and_keeps_what_the_status_says(scene: Scene) -> None:
    scene.put_profile(images=["a:1"])
    async with running(scene.warmer.controller):
        scene.api.roll_out(NAMED, 1)
    before = scene.api.find(NAMED)
    scene.warmer = scene.start()
    kept = {"nodes": 1, "images": []}
    assert scene.say(status={"warmImages": kept}) == ("WarmImagesNotRead", kept)
    async with running(scene.warmer.controller):
        found = scene.api.find(NAMED)
        assert found is not None
        assert before is not None
        assert found["metadata"] == before["metadata"]
        assert scene.say()[0] == "ImagesWarm"


async def test_a_missing_image_is_told_and_pods_are_looked_at_only_while_some_are_not_ready(scene: Scene) -> None:
    scene.put_profile(images=["a:1", "gone:1"])
    async with running(scene.warmer.controller):
        scene.api.roll_out(NAMED, 1, 0)
        states = {"a:1": RUNNING, "gone:1": waiting("ErrImagePull", "gone:1: not found")}
        scene.api.lists[KEEPERS] = [a_keeper_pod("n1", states)]
        await scene.pass_time()
        reason, found = scene.say()
        assert (reason, found["nodes"]) == ("ImagePullFailed", 1)
        missing = {"image": "gone:1", "nodes": 0, "message": "node n1: gone:1: not found"}
        assert found["images"] == [{"image": "a:1", "nodes": 1}, missing]


async def test_pods_that_are_going_keep_nothing(scene: Scene) -> None:
    scene.put_profile(images=["a:1"])
    async with running(scene.warmer.controller):
        scene.api.roll_out(NAMED, 1, 0)
        pod = a_keeper_pod("n1", {"a:1": RUNNING})
        pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
        scene.api.lists[KEEPERS] = [pod]
        await scene.pass_time()
        assert scene.say()[1]["images"] == [{"image": "a:1", "nodes": 0}]


async def test_images_of_workloads_are_kept_by_a_daemon_set_of_their_own_that_has_no_secrets(scene: Scene) -> None:
    pod = {"metadata": {"labels": {PROFILE_LABEL: "web"}}, "spec": {"containers": [{"image": "shop:1"}]}}
    scene.api.lists[PODS] = [pod]
    scene.put_profile(images=["a:1"], fromWorkloads=True, imagePullSecrets=[{"name": "key"}])
    async with running(scene.warmer.controller):
        others = f"{DAEMON_SETS}/warm-images-web-workloads"
        assert (scene.images_of(NAMED), scene.images_of(others)) == (["a:1"], ["shop:1"])
        pods = [(scene.api.find(path) or {})["spec"]["template"]["spec"] for path in (NAMED, others)]
        assert [each.get("imagePullSecrets") for each in pods] == [[{"name": "key"}], None]
        assert [each["serviceAccountName"] for each in pods] == ["monopod-warm-images"] * 2
        scene.api.lists[PODS] = []
        await scene.pass_time(USED_SECONDS - 10)
        assert scene.api.find(others) is not None
        await scene.pass_time(USED_SECONDS)
        assert scene.api.find(others) is None


async def test_what_is_refused_for_one_profile_stops_no_other_and_is_told(scene: Scene) -> None:
    scene.api.answers["apply", NAMED] = ApiError(403, "Forbidden", "exceeded quota")
    scene.put_profile(images=["a:1"])
    scene.put_profile("zoo", images=["a:1"])
    async with running(scene.warmer.controller):
        assert scene.images_of(f"{DAEMON_SETS}/warm-images-zoo-spec") == ["a:1"]
        assert (scene.say()[0], scene.say("zoo")[0]) == ("WarmImagesNotWritten", "ImagesPulling")
        del scene.api.answers["apply", NAMED]
        await scene.pass_time(60)
        assert scene.say()[0] == "ImagesPulling"


async def test_one_that_cannot_be_changed_is_made_anew(scene: Scene) -> None:
    scene.put_profile(images=["a:1"])
    async with running(scene.warmer.controller):
        first = scene.api.find(NAMED)
        assert first is not None
        scene.api.answers["apply", NAMED] = ApiError(422, "Invalid", "field is immutable")
        scene.put_profile(images=["b:1"])
        await settle(60)
        del scene.api.answers["apply", NAMED]
        await scene.pass_time()
        new = scene.api.find(NAMED)
        assert new is not None
        assert new["metadata"]["uid"] != first["metadata"]["uid"]
        assert scene.images_of(NAMED) == ["b:1"]


async def test_without_the_sandbox_there_are_no_nodes_to_pull_for(scene: Scene) -> None:
    scene.api.lists[CLASSES] = []
    scene.put_profile(images=["a:1"])
    async with running(scene.warmer.controller):
        assert scene.say() == ("RuntimeClassNotFound", None)
        assert scene.api.sent("apply") == []


async def test_the_pods_run_the_pause_image(scene: Scene) -> None:
    scene.put_profile(images=["a:1"])
    async with running(scene.warmer.controller):
        found = scene.api.find(NAMED)
        assert found is not None
        assert [each["image"] for each in found["spec"]["template"]["spec"]["containers"]] == [PAUSE_IMAGE]
