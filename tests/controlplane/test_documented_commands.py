"""The commands in the documents do, on a real API server, what the documents say."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.cluster.installation import apply_api
from lab.cluster.kwok import TAINT
from tests.clusters import ControlPlane, run_control_plane
from tests.controlplane.operating.lab import Lab, OperatorProcess, eventually
from tests.controlplane.reach import await_policies
from tests.controlplane.server import Server
from tests.documents import BARE_CONTROL_PLANE, CONTROL_PLANE, FAKE_NODES, OWN_CLUSTER, Block, read_blocks, run_block
from tests.project.repository import list_files

BLOCKS = [block for document in list_files("*.md") for block in read_blocks(document)]
OWN_CLUSTERS = [block for block in BLOCKS if block.setting == OWN_CLUSTER]
PROFILES = [block for block in BLOCKS if block.language == "yaml" and "kind: FargateProfile" in block.lines]

KATA: dict[str, Any] = {
    "apiVersion": "node.k8s.io/v1",
    "kind": "RuntimeClass",
    "metadata": {"name": "kata"},
    "handler": "kata-qemu",
}


@pytest.fixture
def with_operator(tmp_path: Path) -> Iterator[ControlPlane]:
    """An API server with Monopod and its operator, and the sandbox that is the chart's default."""
    with run_control_plane("documents") as cluster, run_operator(cluster, tmp_path):
        yield cluster


@pytest.fixture
def with_fake_nodes(tmp_path: Path) -> Iterator[ControlPlane]:
    """The same with a node that takes all pods."""
    with run_control_plane("documents-nodes", fake_nodes=1) as cluster, run_operator(cluster, tmp_path):
        cluster.kubectl("taint", "nodes", "--all", f"{TAINT['key']}-")
        yield cluster


@contextmanager
def run_operator(cluster: ControlPlane, folder: Path) -> Iterator[None]:
    """Installs Monopod and the sandbox, and runs the operator, which leads, for as long as the context."""
    apply_api(cluster.lab)
    await_policies(Server(cluster.kubeconfig_path))
    cluster.kubectl("create", "-f", "-", input=json.dumps(KATA))
    lab = Lab(cluster, folder)
    log = folder / "operator.log"
    operator = OperatorProcess(lab.write_kubeconfig(), log, "--sandbox", KATA["metadata"]["name"])
    try:
        eventually(lab.lease_holder)  # what readers wait for are profiles, not the operator's start
        yield
    finally:
        operator.kill()
        print(log.read_text())


@pytest.fixture
def without_monopod() -> Iterator[ControlPlane]:
    """An API server to install Monopod on, and a sandbox."""
    with run_control_plane("install") as cluster:
        cluster.kubectl("create", "-f", "-", input=json.dumps(KATA))
        yield cluster


def find_documents(setting: str) -> list[Path]:
    return sorted({block.document for block in BLOCKS if block.setting == setting})


def run_document(document: Path, setting: str, cluster: ControlPlane) -> None:
    """Runs its blocks in the document's order, because a reader types one after the other."""
    environment = {
        "KUBECONFIG": str(cluster.kubeconfig_path),
        "PATH": f"{cluster.lab.kubectl_path.parent}:{os.environ['PATH']}",
    }
    for block in read_blocks(document):
        if block.setting == setting:
            run_block(block, environment)


@pytest.mark.parametrize("document", find_documents(CONTROL_PLANE), ids=str)
def test_the_commands_of_a_document_do_what_is_shown(document: Path, with_operator: ControlPlane) -> None:
    run_document(document, CONTROL_PLANE, with_operator)


@pytest.mark.parametrize("document", find_documents(FAKE_NODES), ids=str)
def test_the_commands_that_move_pods_do_what_is_shown(document: Path, with_fake_nodes: ControlPlane) -> None:
    run_document(document, FAKE_NODES, with_fake_nodes)


@pytest.mark.parametrize("document", find_documents(BARE_CONTROL_PLANE), ids=str)
def test_the_commands_that_install_and_remove_do_what_is_shown(document: Path, without_monopod: ControlPlane) -> None:
    run_document(document, BARE_CONTROL_PLANE, without_monopod)


@pytest.mark.parametrize("block", OWN_CLUSTERS, ids=str)
def test_commands_that_make_a_cluster_work(block: Block) -> None:
    run_block(block)


@pytest.mark.parametrize("block", PROFILES, ids=str)
def test_a_profile_in_a_document_is_one_that_the_api_server_accepts(block: Block, installed: ControlPlane) -> None:
    installed.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", input="\n".join(block.lines))


def test_there_are_profiles_in_the_documents() -> None:
    assert PROFILES
