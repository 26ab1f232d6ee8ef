"""What stands on a node after an installation, an upgrade, a failure and a removal."""

import tomllib
from pathlib import Path

import pytest

from gvisor_node.containerd import Unsupported
from gvisor_node.installation import PROGRAMS
from tests.unit.gvisor_node.node import K3S, PLAIN, RKE2, FakeNode, a_node

DROP_IN = "/etc/containerd/conf.d/gvisor-node-runsc.toml"
PLAIN_TEXT = "version = 2\n\n[grpc]\n  address = '/run/containerd/containerd.sock'\n"


@pytest.fixture
def node(tmp_path: Path) -> FakeNode:
    return a_node(tmp_path)


def find_folder(node: FakeNode) -> str:
    """Of the programs that the drop-in names."""
    (plugin,) = tomllib.loads(node.files()[DROP_IN])["plugins"].values()
    return str(Path(plugin["containerd"]["runtimes"]["runsc"]["runtime_path"]).parent)


def test_programs_settings_and_drop_in_are_there_and_agree(node: FakeNode) -> None:
    node.write(PLAIN, PLAIN_TEXT)
    node.installation().install()
    folder = find_folder(node)
    assert folder.startswith("/opt/gvisor-node/runsc/")
    files = node.files()
    programs = {f"{folder}/{name}" for name in (*PROGRAMS, "runsc.toml")}
    assert files.keys() == {PLAIN, DROP_IN, *programs}
    assert (node.folder / "root" / folder.lstrip("/") / "runsc").stat().st_mode & 0o777 == 0o755
    assert tomllib.loads(files[f"{folder}/runsc.toml"])["binary_name"] == f"{folder}/runsc"
    assert tomllib.loads(files[PLAIN])["imports"] == ["/etc/containerd/conf.d/*.toml"]


def test_installing_again_changes_nothing_and_tells_so(node: FakeNode) -> None:
    node.write(PLAIN, PLAIN_TEXT)
    installation = node.installation()
    installation.install()
    assert not installation.is_loaded
    installation.note_loaded()
    before = node.files()
    node.installation().install()
    assert node.files() == before
    assert node.installation().is_loaded


@pytest.mark.parametrize(
    ("config", "folder"),
    [(K3S, K3S.replace("config.toml", "config-v3.toml.d")), (RKE2, RKE2.replace("config.toml", "config-v3.toml.d"))],
    ids=["k3s", "RKE2"],
)
def test_generated_files_are_left_alone(node: FakeNode, config: str, folder: str) -> None:
    node.write(config, f'version = 3\nimports = ["{folder}/*.toml"]\n')
    node.write(PLAIN, "not even TOML")
    before = node.files()
    node.installation().install()
    assert f"{folder}/gvisor-node-runsc.toml" in node.files()
    node.installation().uninstall()
    assert node.files() == before


@pytest.mark.parametrize("text", [PLAIN_TEXT, f"imports = []\n{PLAIN_TEXT}", None], ids=["no imports", "empty", "none"])
def test_a_removal_leaves_what_was_there_before(node: FakeNode, text: str | None) -> None:
    if text is not None:
        node.write(PLAIN, text)
    before = node.files()
    node.installation().install()
    node.installation().note_loaded()
    node.installation().uninstall()
    assert node.files() == before
    assert not (node.folder / "root/etc/containerd/conf.d").exists()
    assert not (node.folder / "root/opt/gvisor-node").exists()
    node.installation().uninstall()
    assert node.files() == before


def test_two_handlers_live_side_by_side_and_go_one_by_one(node: FakeNode) -> None:
    node.write(PLAIN, PLAIN_TEXT)
    node.installation().install()
    only = node.files()
    node.installation(handler="runsc-kvm").install()
    node.installation(handler="runsc-kvm").uninstall()
    assert node.files() == only
    node.installation().uninstall()
    assert node.files() == {PLAIN: PLAIN_TEXT}


def test_sandboxes_keep_their_programs_over_an_upgrade(node: FakeNode) -> None:
    node.write(PLAIN, PLAIN_TEXT)
    node.installation("1").install()
    old = find_folder(node)
    node.installation("1").note_loaded()
    node.run(f"{old}/runsc")
    node.installation("2").install()
    assert find_folder(node) != old
    assert not node.installation("2").is_loaded
    node.installation("2").note_loaded()
    assert f"{old}/runsc" in node.files()
    assert node.installation("2").has_sandboxes()
    (node.folder / "proc/7/exe").unlink()
    node.installation("2").note_loaded()
    assert f"{old}/runsc" not in node.files()
    assert not node.installation("2").has_sandboxes()


def test_a_failed_change_is_undone(node: FakeNode) -> None:
    node.write(PLAIN, PLAIN_TEXT)
    node.installation("1").install()
    working = {path: text for path, text in node.files().items() if "containerd/" in path}
    saved = node.installation("2").install()
    node.installation("2").undo(saved)
    assert {path: node.files()[path] for path in working} == working


def test_a_first_change_that_failed_leaves_containerd_as_it_was(node: FakeNode) -> None:
    saved = node.installation().install()
    node.installation().undo(saved)
    assert not [path for path in node.files() if path.startswith("/etc")]


@pytest.mark.parametrize("path", [PLAIN, "/etc/containerd/conf.d/mine.toml"])
def test_a_runtime_of_somebodys_own_is_not_mixed_with_ours(node: FakeNode, path: str) -> None:
    node.write(PLAIN, 'version = 3\nimports = ["/etc/containerd/conf.d/*.toml"]\n')
    table = '[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runsc]\n'
    node.write(path, node.files().get(path, "version = 3\n") + table)
    before = node.files()
    with pytest.raises(Unsupported, match="has a runtime runsc already"):
        node.installation().install()
    assert node.files() == before
    node.installation(handler="runsc-2").install()


def test_a_file_that_the_chart_names_counts_wherever_it_is(node: FakeNode) -> None:
    node.write(K3S, "version = 3\n")
    node.write("/srv/containerd.toml", PLAIN_TEXT)
    node.installation(config="/srv/containerd.toml").install()
    assert "/srv/conf.d/gvisor-node-runsc.toml" in node.files()


def test_links_are_the_nodes_own(node: FakeNode) -> None:
    node.write("/data/containerd/config.toml", PLAIN_TEXT)
    (node.folder / "root/etc").mkdir()
    (node.folder / "root/etc/containerd").symlink_to("/data/containerd")
    (node.folder / "root/opt").symlink_to("data/opt")
    node.installation().install()
    assert "/data/containerd/conf.d/gvisor-node-runsc.toml" in node.files()
    assert (node.folder / "root/data/opt/gvisor-node/runsc").is_dir()


def test_links_in_a_circle_end(node: FakeNode) -> None:
    (node.folder / "root/opt").symlink_to("/srv")
    (node.folder / "root/srv").symlink_to("/opt")
    with pytest.raises(OSError, match="too many links"):
        node.host.locate("/opt/gvisor-node")
