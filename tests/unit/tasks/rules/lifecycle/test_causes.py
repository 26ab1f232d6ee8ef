"""Why tasks stop: code and reason, as people and tools find them."""

import datetime
from typing import Any

import pytest

from monopod.api.names import CAPACITY_ANNOTATION, UNSUPPORTED_ANNOTATION
from monopod.tasks.rules.lifecycle.facts import PodFacts
from monopod.tasks.rules.lifecycle.observe import Create, Discard, Record, Wait, observe
from monopod.tasks.rules.lifecycle.sight import Surroundings
from tests.unit.tasks.definitions import a_container, a_definition, with_container, with_containers
from tests.unit.tasks.rules.lifecycle.world import BEGINNING, Fate, World, a_task

MINUTE = datetime.timedelta(minutes=1)
NOT_FOUND = (
    'Back-off pulling image "nginx:0": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image '
    '"docker.io/library/nginx:0": not found'
)


def why(world: World) -> tuple[str, str]:
    return world.status["stopCode"], world.status["stoppedReason"]


def waiting(reason: str, message: str = "", **container: Any) -> World:
    world = World(with_container(**container), fates={"app": Fate(waits=(reason, message))})
    world.pass_time(5)
    return world


def running(**fields: Any) -> World:
    world = World(a_definition(), **fields)
    world.pass_time(5)
    assert world.status["lastStatus"] == "RUNNING"
    return world


# Containers that don't start.


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
def test_an_image_that_isnt_there_fails_the_task_at_once(reason: str) -> None:
    world = waiting(reason, NOT_FOUND)
    told = (
        "CannotPullContainerError: rpc error: code = NotFound desc = failed to pull and unpack image "
        '"docker.io/library/nginx:0": not found'
    )
    assert why(world) == ("TaskFailedToStart", told)
    assert world.container()["reason"] == told
    assert world.status["lastStatus"] == "STOPPED"
    assert "exitCode" not in world.container()
    assert "startedAt" not in world.status


def test_an_image_with_no_valid_name_fails_the_task() -> None:
    assert why(waiting("InvalidImageName", 'Failed to apply default image tag "A"'))[0] == "TaskFailedToStart"


def test_a_registry_that_doesnt_answer_is_tried_for_three_minutes() -> None:
    world = waiting("ErrImagePull", "dial tcp: i/o timeout")
    assert world.path[-1] == (2, "PENDING", "RUNNING")
    step = world.look()
    assert isinstance(step, Wait)
    assert step.until
    world.now = step.until
    world.pass_time(3)
    assert why(world) == ("TaskFailedToStart", "CannotPullContainerError: dial tcp: i/o timeout")


@pytest.mark.parametrize("message", ['secret "db" not found', "couldn't find key user in Secret ecs-prod/db"])
def test_a_secret_that_is_missing_fails_the_task(message: str) -> None:
    code, reason = why(waiting("CreateContainerConfigError", message))
    assert code == "TaskFailedToStart"
    assert reason.startswith("ResourceInitializationError: unable to pull secrets or registry auth: ")
    assert reason.endswith(message)


def test_what_else_keeps_a_container_from_being_created_has_three_minutes() -> None:
    world = waiting("CreateContainerError", "context deadline exceeded")
    assert "stopCode" not in world.status
    world.now += 3 * MINUTE
    world.pass_time(3)
    assert why(world) == ("TaskFailedToStart", "CannotCreateContainerError: context deadline exceeded")


def test_a_command_that_isnt_there_fails_the_task() -> None:
    world = World(a_definition())
    world.pass_time(2)
    ended = {"reason": "StartError", "exitCode": 128, "message": 'exec: "nope": executable file not found in $PATH'}
    set_state(world, {"terminated": ended})
    world.pass_time(3)
    code, reason = why(world)
    assert (code, reason) == ("TaskFailedToStart", f"CannotStartContainerError: {ended['message']}")
    assert "exitCode" not in world.container()


def test_a_container_that_the_task_can_do_without_may_fail_to_start() -> None:
    world = World(with_containers(a_container(), a_container("side", essential=False)))
    world.pass_time(2)
    set_state(world, {"terminated": {"reason": "StartError", "exitCode": 128, "message": "no such file"}}, "side")
    world.pass_time(3)
    assert world.path[-1] == (3, "RUNNING", "RUNNING")
    assert world.container("side")["reason"] == "CannotStartContainerError: no such file"


def test_a_message_without_end_is_cut() -> None:
    assert len(why(waiting("InvalidImageName", "x" * 5000))[1]) == 1024


def set_state(world: World, state: Any, name: str = "app") -> None:
    assert world.pod
    statuses = world.pod["status"].setdefault("containerStatuses", [])
    statuses[:] = [each for each in statuses if each["name"] != name]
    statuses.append({"name": name, "state": state, "ready": False})


# A pod that doesn't come to its node.


def test_a_task_waits_for_capacity_and_then_fails_in_awss_words() -> None:
    world = World(a_definition(), has_capacity=False)
    world.pass_time(10)
    assert world.path == [(1, "PROVISIONING", "RUNNING")]
    step = world.look()
    assert step == Wait(BEGINNING + 10 * MINUTE)
    world.now = BEGINNING + 10 * MINUTE
    world.pass_time(2)
    assert why(world) == (
        "TaskFailedToStart",
        "Capacity is unavailable at this time. Please try again later or in a different availability zone (0/1 nodes)",
    )
    assert world.pod is None


def test_the_time_that_no_operator_was_there_isnt_counted() -> None:
    world = World(a_definition(), has_capacity=False)
    world.pass_time(2)
    world.now += 60 * MINUTE
    world.around = Surroundings(since=world.now)
    world.pass_time(2)
    assert "stopCode" not in world.status
    world.has_capacity = True
    world.pass_time(5)
    assert world.status["lastStatus"] == "RUNNING"


def test_a_node_that_has_no_room_after_all_is_a_lack_of_capacity() -> None:
    world = World(a_definition())
    world.operate()
    world.tick()
    assert world.pod
    world.pod["status"] |= {"phase": "Failed", "reason": "OutOfcpu", "message": "Node didn't have enough resource: cpu"}
    world.operate()
    code, reason = why(world)
    assert code == "TaskFailedToStart"
    assert reason.startswith("Capacity is unavailable")


def test_a_node_that_gets_no_sandbox_ready_is_given_up_after_five_minutes() -> None:
    world = World(a_definition())
    world.operate()
    world.tick()
    assert world.pod
    unprepared = {
        "type": "PodReadyToStartContainers",
        "status": "False",
        "lastTransitionTime": "2026-05-01T12:00:01Z",
    }
    world.pod["status"]["conditions"].append(unprepared)
    assert world.operate() == Wait(BEGINNING + 5 * MINUTE + datetime.timedelta(seconds=1))
    world.now += 6 * MINUTE
    world.operate()
    code, reason = why(world)
    assert code == "TaskFailedToStart"
    assert reason.startswith("Timeout waiting for network interface provisioning to complete.")


# A pod that isn't what it should be.


def test_a_pod_without_a_sandbox_never_starts_and_is_replaced() -> None:
    world = World(a_definition(), is_admitted=False)
    for _ in range(5):
        world.operate()
        world.tick()
    assert world.released == []
    assert "pod" not in world.status
    world.is_admitted = True
    world.pass_time(5)
    assert world.status["lastStatus"] == "RUNNING"
    assert world.released == [world.status["pod"]["uid"]]


def test_a_pod_of_another_size_never_starts() -> None:
    world = World(a_definition())
    while world.pod is None:
        world.operate(1)
    world.pod["metadata"]["annotations"][CAPACITY_ANNOTATION] = "0.5vCPU 1GB"
    assert world.look() == Discard("pod-1", is_replaced=True)


def test_a_namespace_that_no_profile_takes_fails_the_task_in_the_end() -> None:
    world = World(a_definition(), is_admitted=False)
    world.pass_time(3)
    world.now += 10 * MINUTE
    while world.status["lastStatus"] != "STOPPED":
        world.operate(1)
    code, reason = why(world)
    assert code == "TaskFailedToStart"
    assert "no Fargate profile gives the task's pod a sandbox" in reason
    assert world.released == []


def test_a_pod_that_fargate_cant_run_fails_the_task() -> None:
    world = World(a_definition())
    while world.pod is None:
        world.operate(1)
    world.pod["metadata"]["annotations"][UNSUPPORTED_ANNOTATION] = "Pod not supported on Fargate: volumes"
    world.operate()
    assert why(world) == ("TaskFailedToStart", "ResourceInitializationError: Pod not supported on Fargate: volumes")


@pytest.mark.parametrize("owner", ["another", "task-uid"])
def test_another_pod_of_the_name_is_left_alone(owner: str) -> None:
    """Even one that says it is the task's: it has no gate, so the operator hasn't made it."""
    world = World(a_definition())
    pod = {"metadata": {"uid": "other", "ownerReferences": [{"uid": owner}]}, "spec": {}, "status": {}}
    world.operate(1)
    world.pod = pod
    world.operate()
    assert world.pod is pod
    assert why(world) == (
        "TaskFailedToStart",
        "ResourceInitializationError: another pod has the task's id for a name.",
    )
    assert world.status["lastStatus"] == "STOPPED"


def test_what_the_api_server_refuses_for_good_fails_the_task() -> None:
    world = World(a_definition())
    world.operate(1)
    world.around = Surroundings(refusal="spec.containers[0]: Invalid value", is_refused=True)
    world.operate()
    assert why(world) == ("TaskFailedToStart", "ResourceInitializationError: spec.containers[0]: Invalid value")
    assert world.pods_made == 0


def test_what_it_refuses_for_now_is_tried_until_the_patience_ends() -> None:
    world = World(a_definition())
    world.operate(1)
    world.around = Surroundings(refusal="exceeded quota: pods")
    assert isinstance(world.look(), Create)
    world.now += 10 * MINUTE
    world.operate()
    assert why(world) == ("TaskFailedToStart", "ResourceInitializationError: exceeded quota: pods")


# What can't be run.


def test_a_task_without_a_definition_fails() -> None:
    task = a_task()
    for _ in range(4):
        step = observe(task, None, None, BEGINNING)
        assert isinstance(step, Record)
        task["status"] = step.status
    assert task["status"]["lastStatus"] == "STOPPED"
    assert task["status"]["stoppedReason"] == "ClientException: Unable to describe task definition."


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        {"containerOverrides": {"name": "app"}},
        {"containerOverrides": ["app"]},
        {"containerOverrides": [{"name": "app", "environment": [{"value": "x"}]}]},
        {"containerOverrides": [{"name": "nope"}]},
        {"containerOverrides": [{"name": "app", "memory": 4096}]},
        {"cpu": "3"},
    ],
    ids=str,
)
def test_overrides_that_kubectl_wrote_wrongly_fail_the_task(overrides: Any) -> None:
    task = a_task(overrides=overrides)
    for _ in range(9):
        step = observe(task, a_definition(), None, BEGINNING)
        if not isinstance(step, Record):
            break
        task["status"] = step.status
    if overrides == []:  # as good as none
        assert isinstance(step, Create)
    else:
        assert task["status"]["stopCode"] == "TaskFailedToStart"
        assert "Exception: " in task["status"]["stoppedReason"]


def test_a_definition_that_is_deleted_leaves_running_tasks_alone() -> None:
    world = running()
    assert world.pod
    pod = PodFacts.read(world.pod)
    assert observe(world.task, None, pod, world.now) == Wait()


# A pod that others end.


def test_a_deleted_pod_stops_the_task_and_keeps_its_exit_codes() -> None:
    world = running()
    world.delete_pod()
    world.operate()
    assert world.path[-1] == (4, "RUNNING", "STOPPED")
    world.pass_time(3)
    assert world.pod is None
    assert why(world) == ("UserInitiated", "The task's pod was deleted.")
    assert world.container()["exitCode"] == 143
    assert world.path[-1] == (6, "STOPPED", "STOPPED")


def test_a_pod_that_nobody_saw_end_has_no_exit_code() -> None:
    world = running()
    world.pod = None
    world.operate()
    assert world.path[-1] == (6, "STOPPED", "STOPPED")
    assert world.container()["lastStatus"] == "STOPPED"
    assert "exitCode" not in world.container()
    assert world.pods_made == 1


def test_a_pod_that_is_deleted_before_it_has_a_node_isnt_made_again() -> None:
    world = World(a_definition(), has_capacity=False)
    world.pass_time(3)
    world.delete_pod()
    world.pass_time(3)
    assert world.pods_made == 1
    assert world.status["lastStatus"] == "STOPPED"


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("EvictionByEvictionAPI", "TerminationNotice"),
        ("PreemptionByScheduler", "TerminationNotice"),
        ("DeletionByTaintManager", "InfrastructureHealth"),
        ("TerminationByKubelet", "InfrastructureHealth"),
        ("DeletionByPodGC", "InfrastructureHealth"),
    ],
)
def test_a_disrupted_pod_says_who_ended_it(reason: str, code: str) -> None:
    world = running()
    assert world.pod
    condition = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": "Eviction API: evicting"}
    world.pod["status"]["conditions"].append(condition)
    world.delete_pod()
    world.operate()
    assert world.status["stopCode"] == code
    assert world.status["stoppedReason"].endswith("Eviction API: evicting")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("The node was low on resource: memory.", "InfrastructureHealth"),
        ("Pod ephemeral local storage usage exceeds the total limit of containers 20Gi.", "EssentialContainerExited"),
    ],
)
def test_the_kubelets_own_evictions_are_told_by_who_is_to_blame(message: str, code: str) -> None:
    world = running()
    assert world.pod
    world.pod["status"] |= {"phase": "Failed", "reason": "Evicted", "message": message}
    world.operate()
    assert world.status["stopCode"] == code
    assert message in world.status["stoppedReason"]


def test_a_node_that_never_lets_go_of_a_pod_doesnt_hold_the_task() -> None:
    world = running()
    world.delete_pod()
    step = world.operate()
    assert isinstance(step, Wait)
    assert step.until
    world.now = step.until
    world.operate()
    assert world.status["lastStatus"] == "STOPPED"
    assert "exitCode" not in world.container()
    assert world.pod


# Health, restarts.


def test_a_health_check_counts_once_the_container_had_time_to_start() -> None:
    check = {"command": ["CMD", "true"], "interval": 5, "retries": 2, "startPeriod": 10}
    world = World(with_container(healthCheck=check))
    world.pass_time(3)
    set_ready(world, False)
    world.task["status"]["containers"][0]["healthStatus"] = world.task["status"]["healthStatus"] = "UNKNOWN"
    step = world.operate()
    assert isinstance(step, Wait)
    assert step.until
    world.now = step.until
    world.operate()
    assert (world.container()["healthStatus"], world.status["healthStatus"]) == ("UNHEALTHY", "UNHEALTHY")
    set_ready(world, True)
    world.operate()
    assert world.status["healthStatus"] == "HEALTHY"
    set_ready(world, False)
    world.operate()
    assert world.status["healthStatus"] == "UNHEALTHY"
    assert world.path[-1] == (3, "RUNNING", "RUNNING")


def test_without_a_health_check_health_is_unknown() -> None:
    assert running().status["healthStatus"] == "UNKNOWN"


def set_ready(world: World, ready: bool) -> None:
    assert world.pod
    world.pod["status"]["containerStatuses"][0]["ready"] = ready


def test_an_essential_container_that_is_restarted_by_its_policy_ends_nothing() -> None:
    world = World(with_container(restartPolicy={"enabled": True}))
    world.pass_time(3)
    set_state(world, {"terminated": {"reason": "Error", "exitCode": 1}})
    world.operate()
    assert world.path[-1] == (3, "RUNNING", "RUNNING")
    assert world.container()["lastStatus"] == "RUNNING"


def test_an_exit_code_that_its_policy_ignores_ends_the_task() -> None:
    world = World(with_container(restartPolicy={"enabled": True, "ignoredExitCodes": [0]}))
    world.pass_time(3)
    set_state(world, {"terminated": {"reason": "Completed", "exitCode": 0}})
    world.operate()
    assert why(world)[0] == "EssentialContainerExited"


def test_an_essential_sidecar_that_ended_and_was_restarted_ends_the_task() -> None:
    check = {"command": ["CMD", "true"]}
    proxy = a_container("proxy", healthCheck=check)
    app = a_container(dependsOn=[{"containerName": "proxy", "condition": "HEALTHY"}])
    world = World(with_containers(proxy, app))
    world.pass_time(5)
    assert world.status["lastStatus"] == "RUNNING"
    assert world.pod
    status = next(each for each in world.pod["status"]["containerStatuses"] if each["name"] == "proxy")
    status["lastState"] = {"terminated": {"exitCode": 9, "reason": "Error"}}
    world.operate()
    assert why(world)[0] == "EssentialContainerExited"
    assert world.container("proxy")["exitCode"] == 9
