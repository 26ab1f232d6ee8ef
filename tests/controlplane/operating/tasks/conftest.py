"""ECS, switched on for these tests alone: operators without it miss the policy that it leaves out."""

from collections.abc import Iterator

import pytest

from tests.controlplane.operating.lab import ROOT, Lab, OperatorProcess

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


@pytest.fixture(scope="module")
def ecs(shared_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The control plane with one operator for a whole file: what tests do with tasks of their own is no one else's."""
    shared_lab.delete_profiles()
    shared_lab.reset_quota()
    shared_lab.delete("Lease", "monopod", "monopod-system")
    log = tmp_path_factory.mktemp("tasks") / "operator.log"
    operator = OperatorProcess(shared_lab.write_kubeconfig(), log, "--ecs")
    yield shared_lab
    operator.kill()
    print(log.read_text())
