"""The gate of an ECS task's pod: it waits for the task's record, and nobody else lets it out."""

from monopod.api.ecs.names import ECS_TASK_GATE
from monopod.kube.objects.resources import PODS
from tests.controlplane.reach import OPERATOR
from tests.controlplane.server import Server
from tests.unit.builders import a_pod


def test_only_the_operator_lifts_it(server: Server) -> None:
    pod = a_pod("unrecorded").with_spec(schedulingGates=[{"name": ECS_TASK_GATE}])
    server.create(PODS.list_path("fargate"), pod.build()).expect_ok()
    path = PODS.path("unrecorded", "fargate")
    answer = server.patch(path, {"spec": {"schedulingGates": None}})
    assert answer.status == 403
    assert f"The scheduling gate {ECS_TASK_GATE} keeps an ECS task's pod from running" in answer.message
    server.patch(path, {"spec": {"schedulingGates": None}}, user=OPERATOR).expect_ok()
    server.delete(path).expect_ok()
