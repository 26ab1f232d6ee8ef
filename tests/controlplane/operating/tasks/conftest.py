"""ECS, switched on for these tests alone: operators without it miss the policy that it leaves out."""

from collections.abc import Iterator

import pytest

from monopod.api.ecs.names import CLUSTER_LABEL, ECS_API_VERSION
from monopod.kube.objects.resources import NAMESPACES
from tests.controlplane.operating.conftest import run_lab
from tests.controlplane.operating.lab import ROOT, Json, Lab, OperatorProcess, eventually

RIGHTS = ROOT / "manifests/ecs"
NO_TASKS = ROOT / "manifests/policies/operator-no-tasks.yaml"


def build_namespace(cluster: str) -> Json:
    """One that the operator may create."""
    owner = {"apiVersion": ECS_API_VERSION, "kind": "ECSCluster", "name": cluster, "uid": "1" * 36}
    metadata = {"name": f"ecs-{cluster}", "labels": {CLUSTER_LABEL: cluster}, "ownerReferences": [owner]}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


@pytest.fixture(scope="session")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A control plane of their own, with what the chart does by `ecs.enabled`: it isn't to be undone for others."""
    with run_lab("tasks", tmp_path_factory.mktemp("tasks")) as lab:
        lab.kubectl("apply", "--server-side", "-k", str(RIGHTS))
        lab.kubectl("delete", "-f", str(NO_TASKS))
        # The API server hears of that in a moment, and then lets the operator do what it does for tasks.
        eventually(lambda: lab.as_operator("POST", NAMESPACES.list_path(), build_namespace("heard")) in (201, 409))
        yield lab


@pytest.fixture(scope="module")
def ecs(shared_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The control plane with one operator for a whole file: what tests do with tasks of their own is no one else's."""
    shared_lab.delete_profiles()
    shared_lab.reset_quota()
    log = tmp_path_factory.mktemp("tasks") / "operator.log"
    operator = OperatorProcess(shared_lab.write_kubeconfig(), log, "--ecs", "--no-leader-elect")
    yield shared_lab
    operator.kill()
    print(log.read_text())
