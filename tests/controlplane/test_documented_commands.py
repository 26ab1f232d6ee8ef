"""The commands in the documents do, on a real API server, what the documents say."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.installation import apply_api
from tests.clusters import ControlPlane, run_control_plane
from tests.controlplane.operating.lab import Lab, OperatorProcess
from tests.documents import CONTROL_PLANE, OWN_CLUSTER, Block, read_blocks, run_block
from tests.project.repository import find_files

BLOCKS = [block for document in find_files("*.md") for block in read_blocks(document)]
DOCUMENTS = sorted({block.document for block in BLOCKS if block.setting == CONTROL_PLANE})
OWN_CLUSTERS = [block for block in BLOCKS if block.setting == OWN_CLUSTER]
PROFILES = [block for block in BLOCKS if block.language == "yaml" and "kind: FargateProfile" in block.lines]


@pytest.fixture
def with_operator(tmp_path: Path) -> Iterator[ControlPlane]:
    """An API server with Monopod and its operator, as `hack/cluster up --control-plane --with-monopod` makes it."""
    with run_control_plane("documents") as cluster:
        apply_api(cluster.lab)
        operator = OperatorProcess(Lab(cluster, tmp_path).write_kubeconfig(), tmp_path / "operator.log")
        yield cluster
        operator.kill()
        print((tmp_path / "operator.log").read_text())


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_the_commands_of_a_document_do_what_is_shown(document: Path, with_operator: ControlPlane) -> None:
    """In the document's order, because a reader types one after the other."""
    environment = {
        "KUBECONFIG": str(with_operator.kubeconfig_path),
        "PATH": f"{with_operator.lab.kubectl_path.parent}:{os.environ['PATH']}",
    }
    for block in read_blocks(document):
        if block.setting == CONTROL_PLANE:
            run_block(block, environment)


@pytest.mark.parametrize("block", OWN_CLUSTERS, ids=str)
def test_commands_that_make_a_cluster_work(block: Block) -> None:
    run_block(block)


@pytest.mark.parametrize("block", PROFILES, ids=str)
def test_a_profile_in_a_document_is_one_that_the_api_server_accepts(block: Block, installed: ControlPlane) -> None:
    installed.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", input="\n".join(block.lines))


def test_there_are_profiles_in_the_documents() -> None:
    assert PROFILES
