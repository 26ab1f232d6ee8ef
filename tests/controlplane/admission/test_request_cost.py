"""What requests cost the API server: large pods where a profile reaches, beside the same where none does, in one run.

The measure is the CPU time of the API server's process. By default it bears a busy machine;
MONOPOD_REQUEST_COST_REPEATS (see `make test-deep`) sets how often each is repeated, and then holds the API server to
what docs/performance.md says.
"""

import os
import time
from statistics import median

import pytest

from monopod.kube.objects.resources import NAMESPACES, PODS
from tests.attack.shapes import AT_BOUNDS, BEYOND, Pod
from tests.clusters import ControlPlane
from tests.controlplane.reach import reach
from tests.controlplane.server import Server
from tests.unit.builders import a_pod, a_profile, a_selector

DEEP = int(os.environ.get("MONOPOD_REQUEST_COST_REPEATS") or 0)
REPEATS = DEEP or 7
MOST_TIMES = 6.0 if DEEP else 10.0
"""Beside what an ordinary pod costs more."""

MOST_TIMES_REFUSED = 6.0 if DEEP else 10.0
TURNS = 1 if DEEP else 3
"""What else the machine does, and the API server itself, makes one measurement worse, and hardly three."""

CHECKED = ("labels", "annotations", "containers", "init containers", "volumes", "ports", "terms", "everything")
REFUSED = ("600 labels", "5,000 annotations", "500 init containers") if not DEEP else tuple(BEYOND)


class Meter:
    """Creates pods by dry run, in a namespace that a profile with zones reaches, and in one that none does."""

    def __init__(self, cluster: ControlPlane) -> None:
        self._server = Server(cluster.kubeconfig_path)
        (machine,) = cluster.lab.machines()
        # Linux' number of the clock of a process, which goes on counting threads that have ended.
        self._clock = ~int((machine.folder / "pids" / "kube-apiserver").read_text()) << 3 | 2
        zones = tuple(f"zone-{index}" for index in range(16))
        reach(self._server, "costly", [a_profile("web", a_selector("costly"), zones=zones)])
        self._server.create(NAMESPACES.list_path(), {"metadata": {"name": "plain"}})

    def measure(self, pod: Pod) -> tuple[float, float]:
        """Milliseconds of CPU time of one request: where no profile reaches, and where one does. They take turns."""
        pairs = [(self._time("plain", pod), self._time("costly", pod)) for _ in range(REPEATS)]
        return median(plain for plain, _ in pairs), median(costly for _, costly in pairs)

    def measure_change(self, patch: Pod) -> tuple[float, float]:
        """The same of one change of a pod that exists, which isn't kept."""
        return self._time_change("plain", patch), self._time_change("costly", patch)

    def _time(self, namespace: str, pod: Pod) -> float:
        before = self._read()
        self._server.create_pod(namespace, pod)
        return self._read() - before

    def _time_change(self, namespace: str, patch: Pod) -> float:
        path = PODS.list_path(namespace)
        self._server.create_pod(namespace, a_pod("changed").build(), dry_run=False).expect_ok()
        before = self._read()
        self._server.patch(f"{path}/changed?dryRun=All", patch)
        spent = self._read() - before
        self._server.delete(f"{path}/changed")
        return spent

    def _read(self) -> float:
        return time.clock_gettime_ns(self._clock) / 1e6


@pytest.fixture(scope="module")
def meter(installed: ControlPlane, server: Server) -> Meter:
    return Meter(installed)


@pytest.fixture(scope="module")
def fixed(meter: Meter) -> float:
    """What a small pod costs more where a profile reaches."""
    plain, costly = meter.measure(a_pod().build())
    return costly - plain


@pytest.mark.parametrize("shape", CHECKED)
def test_the_worst_pod_that_is_admitted_costs_little_more_than_elsewhere(
    meter: Meter, fixed: float, shape: str
) -> None:
    def holds() -> bool:
        plain, costly = meter.measure(AT_BOUNDS[shape])
        print(f"{shape}: {plain:.1f} ms, {costly:.1f} ms, {fixed:.1f} ms of it as for a small pod")
        return costly - fixed <= MOST_TIMES * plain

    assert any(holds() for _ in range(TURNS))


@pytest.mark.parametrize("shape", REFUSED)
def test_a_pod_that_is_refused_costs_little_more_than_elsewhere(meter: Meter, fixed: float, shape: str) -> None:
    def holds() -> bool:
        plain, costly = meter.measure(BEYOND[shape][0])
        print(f"{shape}: {plain:.1f} ms, {costly:.1f} ms")
        return costly - fixed <= MOST_TIMES_REFUSED * plain

    assert any(holds() for _ in range(TURNS))


def test_a_change_that_is_refused_costs_little_more_than_elsewhere(meter: Meter) -> None:
    """CEL takes a time for each key of a map that grows with their number."""

    def holds() -> bool:
        plain, costly = meter.measure_change(
            {"metadata": {"annotations": {f"k{index}": "" for index in range(10_000)}}}
        )
        print(f"10,000 annotations: {plain:.0f} ms, {costly:.0f} ms")
        return costly <= MOST_TIMES_REFUSED * plain

    assert any(holds() for _ in range(TURNS))
