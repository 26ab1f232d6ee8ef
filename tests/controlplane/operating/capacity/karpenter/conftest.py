"""A control plane to which Karpenter adds nodes, which are kwok's, with one operator for all tests of this folder."""

import itertools
from collections.abc import Iterator

import pytest

from tests.controlplane.operating.capacity.karpenter.scene import MINUTES_AHEAD, Scene
from tests.controlplane.operating.conftest import run_lab
from tests.controlplane.operating.lab import Lab, OperatorProcess

_numbers = itertools.count()

CLOCK = """
import datetime, pathlib
from monopod.kube.clock import SystemClock
now, ahead = SystemClock.now, pathlib.Path({path!r})
SystemClock.now = lambda clock: now(clock) + datetime.timedelta(minutes=float(ahead.read_text()))
"""
"""The operator's clock is as far ahead as a file says."""


@pytest.fixture(scope="session")
def growing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The control plane. It has no node before a NodePool and pods ask for one; tests name what is theirs."""
    folder = tmp_path_factory.mktemp("karpenter")
    with run_lab("karpenter", folder, autoscale=True) as lab:
        log = folder / "operator.log"
        ahead = folder / MINUTES_AHEAD
        ahead.write_text("0")
        patch = CLOCK.format(path=str(ahead))
        operator = OperatorProcess(lab.write_kubeconfig(), log, "--no-leader-elect", patch=patch)
        try:
            yield lab
        finally:
            operator.kill()
            print(log.read_text())
            print((lab.kubeconfig_path.parent / "machines/control-plane/logs/karpenter.log").read_text())


@pytest.fixture
def scene(growing: Lab) -> Iterator[Scene]:
    """A namespace and an active profile of the test's own, for which no node can be made yet."""
    scene = Scene(growing, f"grow-{next(_numbers)}")
    scene.set()
    yield scene
    scene.clear()
