"""A pod that is interrupted while the other tests run: two minutes are long."""

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab.build.toolchain import build_kubectl
from tests.e2e.live import Live
from tests.e2e.workloads import a_pod, a_profile
from tests.unit.cli.running import run

ON_SPOT = {"capacity": "spot"}
SCRIPT = """
trap 'echo sigterm $(date +%s)' TERM
while true; do echo alive $(date +%s); sleep 1 & wait $!; done
"""


@dataclass(frozen=True)
class Interrupted:
    """A pod that ignores SIGTERM, and when it was interrupted.

    Attributes:
        log: what its container writes, as it does.
    """

    namespace: str
    name: str
    at: float
    log: Path

    def list_times(self, word: str) -> list[float]:
        """When the container has written so."""
        lines = [line.split() for line in self.log.read_text().splitlines()]
        return [float(line[1]) for line in lines if len(line) == 2 and line[0] == word]


@pytest.fixture(scope="session")
def interrupted(live: Live, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Interrupted]:
    """It asked for ten minutes, and Spot gives it two."""
    live.apply(a_profile("on-spot", "e2e-*", ON_SPOT, capacityProviderStrategy=[{"capacityProvider": "FARGATE_SPOT"}]))
    live.await_phase("on-spot")
    namespace = live.make_namespace()
    live.apply(a_pod("stubborn", namespace, ON_SPOT, SCRIPT, terminationGracePeriodSeconds=600))
    live.await_ready(namespace)
    path = tmp_path_factory.mktemp("spot") / "log"
    cluster = live.cluster
    command = [str(build_kubectl()), "--kubeconfig", str(cluster.kubeconfig_path), "logs", "-f", "-n", namespace]
    with path.open("w") as file, subprocess.Popen([*command, "stubborn"], stdout=file) as following:
        live.wait_for(lambda: "alive" in path.read_text(), "the container's log")
        at = time.time()
        done = run("interrupt", "stubborn", "-n", namespace, "--kubeconfig", str(cluster.kubeconfig_path))
        assert done.exit_code == 0, done.stdout + done.stderr
        yield Interrupted(namespace, "stubborn", at, path)
        following.terminate()
    live.remove_namespace(namespace)
    live.kubectl("delete", "fargateprofile", "on-spot", "--wait=false")
