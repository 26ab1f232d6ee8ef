"""A control plane of its own for the operator: it would tidy up what other tests put on their namespaces."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.cluster.installation import apply_api
from tests.clusters import run_control_plane
from tests.controlplane.operating.lab import Lab, OperatorProcess
from tests.controlplane.reach import await_policies
from tests.controlplane.server import Server

StartOperator = Callable[..., OperatorProcess]


@contextmanager
def run_lab(purpose: str, folder: Path, *, fake_nodes: int = 0, autoscale: bool = False) -> Iterator[Lab]:
    """A control plane with all of Monopod but the operator; beside fake nodes pods run and workloads are seen to."""
    with run_control_plane(purpose, fake_nodes=fake_nodes, autoscale=autoscale) as cluster:
        apply_api(cluster.lab, recreate_bare_pods=True)
        lab = Lab(cluster, folder)
        await_policies(Server(cluster.kubeconfig_path))
        yield lab


@pytest.fixture(scope="session")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with run_lab("operator", tmp_path_factory.mktemp("operator")) as lab:
        yield lab


@pytest.fixture
def lab(shared_lab: Lab) -> Lab:
    """The control plane without what an earlier test may have left: profiles, their count and pods, a leader."""
    shared_lab.delete_profiles()
    shared_lab.kubectl("delete", "pods", "-A", "-l", "monopod.dev/profile", "--force", "--grace-period=0")
    shared_lab.reset_quota()
    shared_lab.delete("Lease", "monopod", "monopod-system")
    return shared_lab


@pytest.fixture
def start(lab: Lab, tmp_path: Path) -> Iterator[StartOperator]:
    """Starts replicas, which end with the test; their log is shown if it fails."""
    log = tmp_path / "operator.log"
    running: list[OperatorProcess] = []

    def start_one(*flags: str, kubeconfig: Path | None = None, patch: str = "") -> OperatorProcess:
        process = OperatorProcess(kubeconfig or lab.write_kubeconfig(), log, *flags, patch=patch)
        running.append(process)
        return process

    yield start_one
    for process in running:
        process.kill()
    print(log.read_text() if log.exists() else "")


@pytest.fixture
def operator(start: StartOperator) -> OperatorProcess:
    """One replica."""
    return start()
