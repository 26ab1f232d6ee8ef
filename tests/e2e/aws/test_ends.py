"""How tasks of ECS's end on a real node when neither they nor StopTask end them, and when one end is another's."""

from tests.e2e.aws.tasks import LARGE, SLEEP, Ecs, a_container
from tests.e2e.live import Live


def get_place(ecs: Ecs, task: str) -> tuple[str, str]:
    """The pod of a task, and its namespace."""
    return task.rpartition("/")[2], f"ecs-{ecs.cluster}"


def test_a_pod_that_is_deleted_leaves_the_exit_code_of_its_task(live: Live, ecs: Ecs) -> None:
    task = ecs.run(ecs.register("deleted", a_container(SLEEP)))
    ecs.await_state("running", task)
    pod, namespace = get_place(ecs, task)
    live.kubectl("delete", "pod", pod, "-n", namespace)
    (ended,) = ecs.await_state("stopped", task)
    assert (ended["stopCode"], ended["stoppedReason"]) == ("UserInitiated", "The task's pod was deleted.")
    assert (ended["containers"][0]["exitCode"], ended["version"]) == (7, 6)


def test_who_waits_for_health_starts_then_and_an_essential_sidecar_ends_the_task(live: Live, ecs: Ecs) -> None:
    """The kubelet restarts the sidecar; its first end counts."""
    proxy = a_container("touch /tmp/ok; until test -e /tmp/end; do sleep 1; done; exit 9", "proxy")
    check = {"command": ["CMD-SHELL", "test -e /tmp/ok"], "interval": 5}
    app = a_container(SLEEP, dependsOn=[{"containerName": "proxy", "condition": "HEALTHY"}])
    task = ecs.run(ecs.register("healthy", {**proxy, "healthCheck": check}, app))
    (running,) = ecs.await_state("running", task)
    assert {each["name"]: each["healthStatus"] for each in running["containers"]} == {
        "proxy": "HEALTHY",
        "app": "UNKNOWN",
    }
    pod, namespace = get_place(ecs, task)
    live.kubectl("exec", pod, "-n", namespace, "-c", "proxy", "--", "touch", "/tmp/end")  # noqa: S108 in the container
    (ended,) = ecs.await_state("stopped", task)
    assert ended["stopCode"] == "EssentialContainerExited"
    assert {each["name"]: each["exitCode"] for each in ended["containers"]} == {"proxy": 9, "app": 7}


def test_a_task_that_no_node_has_room_for_waits_and_can_be_stopped(live: Live, ecs: Ecs) -> None:
    task = ecs.run(ecs.register("large", a_container(SLEEP), **LARGE))
    pod, namespace = get_place(ecs, task)

    def is_unschedulable() -> bool:
        found = live.find("pods", namespace, f"ecs.monopod.dev/task={pod}")
        conditions = [each for item in found for each in item["status"].get("conditions", ())]
        return any(each.get("reason") == "Unschedulable" for each in conditions)

    live.wait_for(is_unschedulable, "a pod without a node")
    assert ecs.describe(task)["lastStatus"] == "PROVISIONING"
    ecs.client.stop_task(cluster=ecs.cluster, task=task)
    (ended,) = ecs.await_state("stopped", task)
    assert "startedAt" not in ended
    assert live.find("pods", namespace, f"ecs.monopod.dev/task={pod}") == []
