"""ECS, switched on for these tests alone: operators without it miss the policy that it leaves out."""

from collections.abc import Iterator

import pytest

from tests.controlplane.operating.lab import ROOT, Lab

RIGHTS = ROOT / "manifests/ecs"
NO_TASKS = ROOT / "manifests/policies/operator-no-tasks.yaml"


@pytest.fixture(scope="module", autouse=True)
def with_ecs(shared_lab: Lab) -> Iterator[None]:
    """What the chart does with `ecs.enabled`."""
    shared_lab.kubectl("apply", "--server-side", "-k", str(RIGHTS))
    shared_lab.kubectl("delete", "-f", str(NO_TASKS))
    yield
    shared_lab.kubectl("apply", "--server-side", "-f", str(NO_TASKS))
    shared_lab.kubectl("delete", "-k", str(RIGHTS))
