"""What `kubectl fargate restore` does with a StoredPod, and what it says where it can't."""

from pathlib import Path
from typing import Any

import pytest

from monopod.api.names import RECREATED_ANNOTATION
from monopod.cli import live
from monopod.kube.client.api import ApiError
from tests.unit.builders import a_pod
from tests.unit.cli.running import run, write_yaml

Json = dict[str, Any]

STORED_PODS = "/apis/monopod.dev/v1beta1/namespaces/prod/storedpods"
PODS = "/api/v1/namespaces/prod/pods"


class FakeCluster:
    """StoredPods and pods of the namespace `prod`; `refused` has messages by method and path."""

    namespace = "prod"

    def __init__(self) -> None:
        self.objects: dict[str, Json] = {}
        self.refused: dict[tuple[str, str], ApiError] = {}
        self.created: list[tuple[str, Json]] = []
        self.deleted: list[tuple[str, str]] = []

    def store(self, name: str, phase: str = "Refused", message: str = "no") -> None:
        self.objects[f"{STORED_PODS}/{name}"] = {
            "metadata": {"name": name, "namespace": "prod", "uid": f"stored-{name}", "resourceVersion": "1"},
            "spec": {"profile": "web", "podUID": "old", "manifest": a_pod(name).in_namespace("prod").build()},
            "status": {"phase": phase, "message": message},
        }

    def get(self, path: str) -> Json:
        if path not in self.objects:
            raise ApiError(404, "NotFound", "not found")
        return self.objects[path]

    def list_items(self, path: str) -> list[Json]:
        self._refuse("list", path)
        return [item for key, item in self.objects.items() if key.startswith(f"{path}/")]

    def create(self, path: str, body: Json, *, dry_run: bool = False) -> Json:
        self._refuse("create", f"{path}/{body['metadata']['name']}")
        self.created.append((f"{path} (dry run)" if dry_run else path, body))
        return body

    def delete(self, path: str, uid: str = "") -> None:
        self._refuse("delete", path)
        self.deleted.append((path, uid))

    def _refuse(self, method: str, path: str) -> None:
        if refusal := self.refused.get((method, path)):
            raise refusal


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    fake = FakeCluster()
    monkeypatch.setattr(live.Cluster, "connect", lambda *_: fake)
    return fake


def test_a_pod_is_created_in_the_place_of_the_old_one_and_the_stored_pod_goes(cluster: FakeCluster) -> None:
    cluster.store("toolbox")
    result = run("restore", "toolbox")
    assert (result.exit_code, result.stdout) == (0, "pod/toolbox created\n")
    ((path, pod),) = cluster.created
    assert (path, pod["metadata"]["annotations"]) == (PODS, {RECREATED_ANNOTATION: "old"})
    assert cluster.deleted == [(f"{STORED_PODS}/toolbox", "stored-toolbox")]


def test_a_dry_run_leaves_everything_as_it_is(cluster: FakeCluster) -> None:
    cluster.store("toolbox")
    assert run("restore", "toolbox", "--dry-run").exit_code == 0
    assert [path for path, _ in cluster.created] == [f"{PODS} (dry run)"]
    assert cluster.deleted == []


def test_a_refused_pod_leaves_the_stored_pod_as_it_is(cluster: FakeCluster) -> None:
    cluster.store("toolbox")
    cluster.refused["create", f"{PODS}/toolbox"] = ApiError(403, "Forbidden", "over quota")
    result = run("restore", "toolbox")
    assert (result.exit_code, cluster.deleted) == (1, [])
    assert "over quota" in result.stderr


def test_without_the_right_to_delete_the_pod_comes_back_all_the_same(cluster: FakeCluster) -> None:
    cluster.store("toolbox")
    cluster.refused["delete", f"{STORED_PODS}/toolbox"] = ApiError(403, "Forbidden", "forbidden")
    result = run("restore", "toolbox")
    assert (result.exit_code, len(cluster.created)) == (0, 1)
    assert "until the operator deletes it" in result.stderr


@pytest.mark.parametrize(
    ("metadata", "phase", "said"),
    [
        ({"uid": "old"}, "Running", "hasn't been moved"),
        ({"uid": "new", "annotations": {RECREATED_ANNOTATION: "old"}}, "Pending", "created again already"),
        ({"uid": "new", "annotations": {RECREATED_ANNOTATION: "old"}}, "Failed", "Delete it first"),
        ({"uid": "other"}, "Running", "Another pod is named toolbox"),
    ],
)
def test_a_name_in_use_is_explained(cluster: FakeCluster, metadata: Json, phase: str, said: str) -> None:
    cluster.store("toolbox")
    cluster.refused["create", f"{PODS}/toolbox"] = ApiError(409, "AlreadyExists", "exists")
    pod = a_pod("toolbox").in_namespace("prod").build()
    cluster.objects[f"{PODS}/toolbox"] = {**pod, "metadata": {**pod["metadata"], **metadata}}
    cluster.objects[f"{PODS}/toolbox"]["status"] = {"phase": phase}
    result = run("restore", "toolbox")
    assert (result.exit_code, cluster.deleted) == (1, [])
    assert said in result.stderr


def test_all_that_wait_are_restored_and_one_that_fails_stops_no_other(cluster: FakeCluster) -> None:
    for name, phase in (("a", "Refused"), ("b", "NameTaken"), ("c", "Evicting"), ("d", "Refused")):
        cluster.store(name, phase)
    cluster.refused["create", f"{PODS}/a"] = ApiError(403, "Forbidden", "over quota")
    result = run("restore", "--all")
    assert result.exit_code == 1
    assert [pod["metadata"]["name"] for _, pod in cluster.created] == ["b", "d"]
    assert "Not brought back: a." in result.stderr


def test_without_a_name_it_lists_what_is_stored_and_why(cluster: FakeCluster) -> None:
    assert run("restore").stdout == "No pod is stored in namespace prod.\n"
    cluster.store("toolbox", message="over quota")
    assert run("restore").stdout == "toolbox  profile web  Refused\n  over quota\n"


def test_an_edited_manifest_takes_the_place_of_the_stored_one(cluster: FakeCluster, tmp_path: Path) -> None:
    cluster.store("toolbox")
    path = write_yaml(tmp_path / "pod.yaml", a_pod("toolbox").labelled(edited="yes").build())
    assert run("restore", "toolbox", "-f", path).exit_code == 0
    ((_, pod),) = cluster.created
    assert pod["metadata"] == {
        "name": "toolbox",
        "namespace": "prod",
        "labels": {"edited": "yes"},
        "annotations": {RECREATED_ANNOTATION: "old"},
    }


@pytest.mark.parametrize(
    "documents",
    [
        pytest.param([a_pod("other").build()], id="another name"),
        pytest.param([a_pod("toolbox").in_namespace("dev").build()], id="another namespace"),
        pytest.param([a_pod("toolbox").build(), a_pod("toolbox").build()], id="two pods"),
        pytest.param([{"kind": "Service", "metadata": {"name": "toolbox"}}], id="no pod"),
        pytest.param([{"kind": "Pod", "metadata": None}], id="no metadata"),
        pytest.param([{"kind": "Pod", "metadata": {"name": "toolbox", "annotations": "x"}}], id="no annotations"),
    ],
)
def test_a_file_must_hold_this_pod(cluster: FakeCluster, tmp_path: Path, documents: list[Json]) -> None:
    cluster.store("toolbox")
    assert run("restore", "toolbox", "-f", write_yaml(tmp_path / "pod.yaml", *documents)).exit_code == 2
    assert cluster.created == []


def test_what_does_not_exist_is_told(cluster: FakeCluster) -> None:
    assert "There is no stored pod toolbox in namespace prod." in run("restore", "toolbox").stderr
    cluster.refused["list", STORED_PODS] = ApiError(404, "", "404 page not found")
    assert "Monopod isn't installed" in run("restore").stderr


@pytest.mark.parametrize("words", [("a", "--all"), ("-f", "x.yaml"), ("--dry-run",)], ids=" ".join)
def test_words_that_contradict_each_other_are_refused(words: tuple[str, ...]) -> None:
    assert run("restore", *words).exit_code == 2
