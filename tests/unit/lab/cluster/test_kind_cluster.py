"""kind's clusters, with stand-ins for `kind`, `kubectl` and the engine that write down how they were called."""

import json
import os
from pathlib import Path

import pytest

from lab.cluster import kind_cluster
from lab.cluster.kind_cluster import KindProvider, NameTaken, find_kind_clusters, kind_state_dir
from lab.cluster.kind_config import find_network_manifest, find_node_image
from lab.shell import CommandFailed

pytestmark = pytest.mark.timeout(10)  # each test runs a dozen of scripts

KUBECONFIG = {
    "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
    "users": [{"name": "u", "user": {"token": "t"}}],
    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    "current-context": "c",
}
# kind's clusters are lines of a file; one that fails leaves its cluster behind, as an interrupted one does.
KIND = """\
#!/bin/sh
echo "kind $*" >> {log}
case "$1 $2" in
  "get clusters") cat {known} ;;
  "get nodes") echo node-1 ;;
  "create cluster")
    name=$(echo "$*" | sed 's/.*--name=\\([^ ]*\\).*/\\1/')
    echo "$name" >> {known}
    [ ! -e {fail} ] || {{ echo "kind: no space left" >&2; exit 1; }}
    cp {kubeconfig} "$(echo "$*" | sed 's/.*--kubeconfig=\\([^ ]*\\).*/\\1/')" ;;
  "delete cluster")
    name=$(echo "$*" | sed 's/.*--name=\\([^ ]*\\).*/\\1/')
    grep -vx "$name" {known} > {known}.new; mv {known}.new {known} ;;
esac
"""
OTHER = """\
#!/bin/sh
echo "$(basename "$0") $*" >> {log}
"""


class World:
    """What the stand-ins work on, in a folder of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log, self.known = folder / "log", folder / "known"
        self.fail = folder / "fail"
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(json.dumps(KUBECONFIG))
        self.log.touch()
        self.known.touch()
        self._write("kind", KIND.format(log=self.log, known=self.known, fail=self.fail, kubeconfig=kubeconfig))
        for name in ("docker", "kubectl", "runsc", "containerd-shim-runsc-v1"):
            self._write(name, OTHER.format(log=self.log))

    def _write(self, name: str, script: str) -> None:
        (self.folder / name).write_text(script)
        (self.folder / name).chmod(0o755)

    def list_known(self) -> list[str]:
        return self.known.read_text().split()

    def find_calls(self, beginning: str) -> list[str]:
        return [line for line in self.log.read_text().splitlines() if line.startswith(beginning)]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    folder = tmp_path / "programs"
    folder.mkdir()
    world = World(folder)
    archive = folder / "busybox.tar"
    archive.touch()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("MONOPOD_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("KIND_EXPERIMENTAL_PROVIDER", "docker")  # so that what create() sets goes with the test
    monkeypatch.setattr(kind_cluster, "build_tools", lambda *_: {path.name: path for path in folder.iterdir()})
    monkeypatch.setattr(kind_cluster, "build_kubectl", lambda: folder / "kubectl")
    monkeypatch.setattr(kind_cluster, "provide_busybox_image", lambda *_: archive)
    monkeypatch.chdir(folder)
    return world


def test_a_cluster_is_created_once_and_leaves_nothing_when_it_is_deleted(world: World) -> None:
    cluster = KindProvider("dev", "docker")
    assert not cluster.is_running()
    cluster.create()
    cluster.create()
    assert cluster.is_running()
    assert len(world.find_calls("kind create cluster")) == 1
    assert [found.name for found in find_kind_clusters("docker")] == ["dev"]
    cluster.delete()
    assert world.list_known() == []
    assert find_kind_clusters("docker") == []
    assert list(kind_state_dir().iterdir()) == []
    assert not (world.folder / ".pytest-kind").exists()


def test_the_nodes_get_the_sandbox_with_its_configuration(world: World) -> None:
    KindProvider("dev", "docker").create()
    copied = [line.split(" node-1:")[1] for line in world.find_calls("docker cp")]
    assert copied == [
        "/usr/local/bin/runsc",
        "/usr/local/bin/containerd-shim-runsc-v1",
        "/etc/containerd/runsc.toml",
    ]


def test_somebody_elses_cluster_is_neither_used_nor_listed_nor_deleted(world: World) -> None:
    world.known.write_text("dev\n")
    cluster = KindProvider("dev", "docker")
    with pytest.raises(NameTaken, match="wasn't made here: choose another name by --name"):
        cluster.create()
    assert not cluster.is_running()
    assert find_kind_clusters("docker") == []
    cluster.delete()
    assert world.list_known() == ["dev"]
    assert world.find_calls("kind delete") == []


def test_a_kind_that_fails_is_reported_in_a_sentence_and_its_cluster_is_created_again(world: World) -> None:
    world.fail.touch()
    cluster = KindProvider("dev", "docker")
    with pytest.raises(CommandFailed, match=r"kind create cluster .*: exit status 1; what it said is above"):
        cluster.create()
    assert world.list_known() == ["dev"]
    assert not cluster.is_running()
    world.fail.unlink()
    again = KindProvider("dev", "docker")
    again.create()
    assert again.is_running()
    assert world.list_known() == ["dev"]
    assert len(world.find_calls("kind delete cluster --name=dev")) == 1


def test_a_cluster_that_kind_no_longer_knows_is_created_again(world: World) -> None:
    KindProvider("dev", "docker").create()
    world.known.write_text("")
    cluster = KindProvider("dev", "docker")
    assert not cluster.is_running()
    cluster.create()
    assert cluster.is_running()


def test_the_cluster_of_a_process_that_is_gone_is_removed_by_the_next_creation(world: World) -> None:
    KindProvider("tied", "docker").create(tied_to_caller=True)
    KindProvider("kept", "docker").create(tied_to_caller=True)
    (kind_state_dir() / "tied/owner").write_text("4194305")  # above the largest number of a process
    KindProvider("dev", "docker").create()
    assert sorted(world.list_known()) == ["dev", "kept"]


@pytest.mark.parametrize("nodes", [1, 2])
def test_pods_run_on_every_node_also_on_the_control_planes(world: World, nodes: int) -> None:
    KindProvider("dev", "docker", nodes=nodes).create()
    untainted = [line for line in world.find_calls("kubectl") if " taint nodes -l node-role" in line]
    assert len(untainted) == (nodes > 1)  # kind itself sees to a single node
    config = json.loads((kind_state_dir() / "dev/kind.json").read_text())
    assert [node["role"] for node in config["nodes"]] == ["control-plane", "worker"][:nodes]


def test_the_image_of_the_nodes_is_pinned_and_can_be_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    KindProvider("dev", "docker").create()
    monkeypatch.setenv("MONOPOD_KIND_IMAGE", "registry.example.com/node:1")
    KindProvider("other", "docker").create()
    first, second = world.find_calls("kind create cluster")
    assert "--image=kindest/node:v1.36." in first
    assert "@sha256:" in first
    assert "--image=registry.example.com/node:1" in second
    assert find_node_image() == "registry.example.com/node:1"


def test_the_network_is_kinds_own_unless_calico_is_asked_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    KindProvider("dev", "docker").create()
    assert "networking" not in json.loads((kind_state_dir() / "dev/kind.json").read_text())
    monkeypatch.setenv("MONOPOD_KIND_NETWORK", "calico")
    KindProvider("other", "docker").create()
    config = json.loads((kind_state_dir() / "other/kind.json").read_text())
    assert config["networking"] == {"disableDefaultCNI": True}
    (applied,) = [line for line in world.find_calls("kubectl") if " apply --server-side -f https://" in line]
    calls = world.find_calls("kubectl")
    assert applied.endswith("/manifests/calico.yaml")
    # Without a network no node becomes Ready, so it comes before the wait for that.
    ready = [index for index, line in enumerate(calls) if "--for=condition=Ready nodes" in line]
    assert ready[0] < calls.index(applied) < ready[1]


def test_a_network_that_is_not_known_is_an_error_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONOPOD_KIND_NETWORK", "flannel")
    with pytest.raises(CommandFailed, match="MONOPOD_KIND_NETWORK=flannel: it takes kindnet or calico"):
        find_network_manifest()
