"""What decides of a pod."""

import pytest

from monopod.api.reasons import Reason
from monopod.patching.rules.scan import observe_pod
from monopod.patching.rules.settings import PatchingSettings
from monopod.workloads.rules.replacement import Workload, build_bare_workload
from tests.unit.patching.rules.scans import seen

TASK = "0123456789abcdef0123456789abcdef"
SETTINGS = PatchingSettings("ecs", recreates_bare_pods=True, moves_running_jobs=True)
THING = Workload("ecs-prod", "ECSTask", TASK, TASK)


@pytest.mark.parametrize(
    ("namespace", "name", "labelled", "left"),
    [
        ("ecs-prod", TASK, TASK, Reason.ECS_TASKS_LEFT),
        ("ecs-prod", "web-1", TASK, None),
        ("prod", TASK, TASK, None),
    ],
    ids=["a task", "another's label", "outside of clusters"],
)
def test_tasks_stay_and_no_pod_becomes_one_by_a_label(
    namespace: str, name: str, labelled: str, left: Reason | None
) -> None:
    metadata = {"namespace": namespace, "name": name, "uid": "1", "labels": {"ecs.monopod.dev/task": labelled}}
    pod = {"metadata": metadata, "spec": {"restartPolicy": "Never"}}
    for workload in (THING, build_bare_workload(namespace)):
        assert observe_pod(pod, workload, seen("x").stale, SETTINGS, is_fresh=False).left == left
