"""One cluster for the whole tier, with Monopod installed by its chart and one profile enforced.

What a failed test saw is saved under artifacts/. The cluster is made and removed here, and ends with this process
however that ends, so no test ever runs against a cluster that somebody else uses.
"""

import contextlib
import os
import re
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from lab.autoscale.plan import find_grown
from lab.aws.endpoint import install_endpoint
from lab.cluster.installation import NAMESPACE as SYSTEM_NAMESPACE
from lab.cluster.installation import ROOT
from lab.cluster.lab_cluster import LabCluster
from lab.cluster.provider import provide_cluster
from lab.shell import CommandFailed
from tests.e2e.live import Live
from tests.e2e.workloads import SANDBOXED, a_profile

HERE = Path(__file__).parent
ARTIFACTS = ROOT / "artifacts"
PROFILE = "suite"
AWS_USER = "ana"
LIVES = pytest.StashKey[list[Live]]()
"""The clusters whose state is saved when a test fails."""
CAPACITY_SECONDS = 120
FILE_SYSTEM = "fs-0e2e"
ECS = (f"ecs.capacitySeconds={CAPACITY_SECONDS}", f"ecs.fileSystems={{{FILE_SYSTEM}=127.0.0.1:/exports}}")
"""The chart's values for ECS: how long tasks wait for a node, and a file system that `stand_in_for_nfs` mounts."""
LEASE = "leaderElection.leaseDurationSeconds=30"
"""On a busy machine an operator would lose a shorter one, and end."""
FIRST, LAST = "spot/test_sigterm.py", "manager/test_release.py"
LATE = ("spot/test_sigkill.py", "aws/test_capacity.py")
"""What others begin ends two minutes later, which the late ones see. The last uninstalls Monopod from the tier's
cluster, so nothing may come after it."""
COUNTING = ("capacity/test_warm_room.py", "lab/test_bench.py", "pods/test_size_readers.py")
"""They count the room on the node, which grows when the pod ends that was interrupted: they needn't wait for that."""
RESTARTING = ("capacity/test_image_collection.py", "gvisor_node/test_gvisor_node.py")
"""They restart the kubelet, or containerd, which would give a pod that is ending its whole grace again, and a second
SIGTERM, and end whoever follows its log."""
ORDER = {
    HERE / FIRST: -1,
    **{HERE / late: 1 for late in LATE},
    **{HERE / counting: 2 for counting in COUNTING},
    **{HERE / restarting: 3 for restarting in RESTARTING},
    HERE / LAST: 4,
}


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LIVES] = []


@pytest.hookimpl(trylast=True)  # after pytest-randomly
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: ORDER.get(item.path, 0))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for live in item.config.stash[LIVES]:
            if live.cluster.is_running():
                _save_state(live, ARTIFACTS / re.sub(r"[^\w.-]+", "_", item.nodeid) / live.cluster.name)
    return report


@pytest.fixture(scope="session")
def live(request: pytest.FixtureRequest) -> Iterator[Live]:
    """The cluster, with a profile that takes pods labelled `sandbox: yes` in namespaces that begin with `e2e-`."""
    live = Live(provide_cluster(f"e2e-{os.getpid()}"))
    live.cluster.create(tied_to_caller=True)
    request.config.stash[LIVES].append(live)
    try:
        # The tests of the network run some pods by runc, whose kernel can do more than gVisor's.
        install_endpoint(live.cluster, AWS_USER, "sandboxHandlers={runsc,runc}", LEASE, *ECS)
        live.apply(a_profile(PROFILE, "e2e-*", SANDBOXED))
        live.await_phase(PROFILE)
        yield live
    finally:
        live.cluster.delete()


@pytest.fixture
def namespace(live: Live) -> Iterator[str]:
    """A namespace of the test's own that the suite's profile reaches."""
    name = live.make_namespace()
    yield name
    live.remove_namespace(name)


def _save_state(live: Live, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    kinds = "nodes,namespaces,fargateprofiles,deployments,jobs,pods,services,networkpolicies,leases"
    looks = {
        "objects.yaml": ["get", kinds, "-A", "-o", "yaml"],
        "events.txt": ["get", "events", "-A", "--sort-by=.lastTimestamp"],
        "pods.txt": ["get", "pods", "-A", "-o", "wide"],
        "operator.log": [
            "logs",
            "-n",
            SYSTEM_NAMESPACE,
            "-l",
            "app.kubernetes.io/name=monopod",
            "--tail=-1",
            "--prefix",
        ],
    }
    for name, look in looks.items():
        try:
            (folder / name).write_text(live.cluster.kubectl(*look))
        except CommandFailed as error:
            (folder / name).write_text(str(error))
    if isinstance(live.cluster, LabCluster):
        for machine in [*live.cluster.machines(), *find_grown(live.cluster.folder)]:
            for log in machine.log("any").parent.glob("*.log"):
                with contextlib.suppress(OSError):
                    (folder / f"{machine.folder.name}-{log.name}").write_bytes(log.read_bytes())
