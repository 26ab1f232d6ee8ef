"""What ends a task that began: its definition, others who end its pod, its containers' health and restarts."""

import datetime
from typing import Any

import pytest

from monopod.tasks.rules.lifecycle.facts import PodFacts
from monopod.tasks.rules.lifecycle.steps import Create, Record, Wait, decide_step
from tests.unit.tasks.definitions import a_container, a_definition, with_container, with_containers
from tests.unit.tasks.rules.lifecycle.world import BEGINNING, Fate, World, a_task, make_running

MINUTE = datetime.timedelta(minutes=1)
NOT_FOUND = (
    'Back-off pulling image "nginx:0": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image '
    '"docker.io/library/nginx:0": not found'
)


def waiting(reason: str, message: str = "", **container: Any) -> World:
    world = World(with_container(**container), fates={"app": Fate(waits=(reason, message))})
    world.pass_time(5)
    return world


# What can't be run.


def test_a_task_without_a_definition_fails() -> None:
    task = a_task()
    for _ in range(4):
        step = decide_step(task, None, None, BEGINNING)
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
        step = decide_step(task, a_definition(), None, BEGINNING)
        if not isinstance(step, Record):
            break
        task["status"] = step.status
    if overrides == []:  # as good as none
        assert isinstance(step, Create)
    else:
        assert task["status"]["stopCode"] == "TaskFailedToStart"
        assert "Exception: " in task["status"]["stoppedReason"]


def test_a_definition_that_is_deleted_leaves_running_tasks_alone() -> None:
    world = make_running(a_definition())
    assert world.pod
    pod = PodFacts.read(world.pod)
    assert decide_step(world.task, None, pod, world.now) == Wait()


# A pod that others end.


def test_a_deleted_pod_stops_the_task_and_keeps_its_exit_codes() -> None:
    world = make_running(a_definition())
    world.delete_pod()
    world.operate()
    assert world.path[-1] == (4, "RUNNING", "STOPPED")
    world.pass_time(3)
    assert world.pod is None
    assert world.why == ("UserInitiated", "The task's pod was deleted.")
    assert world.container()["exitCode"] == 143
    assert world.path[-1] == (6, "STOPPED", "STOPPED")


def test_a_pod_that_nobody_saw_end_has_no_exit_code() -> None:
    world = make_running(a_definition())
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
    world = make_running(a_definition())
    assert world.pod
    condition = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": "Eviction API: evicting"}
    world.pod["status"]["conditions"].append(condition)
    world.delete_pod()
    world.operate()
    assert world.status["stopCode"] == code
    assert world.status["stoppedReason"].endswith("Eviction API: evicting")


@pytest.mark.parametrize(
    ("reason", "provider"), [("SpotInterruption", ""), ("PreemptionByScheduler", "FARGATE_SPOT")], ids=["drill", "spot"]
)
def test_an_interrupted_task_says_so_in_awss_words(reason: str, provider: str) -> None:
    world = make_running(a_definition(), a_task(capacityProviderName=provider))
    assert world.pod
    condition = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": "preempted"}
    world.pod["status"]["conditions"].append(condition)
    world.delete_pod()
    world.operate()
    assert (world.status["stopCode"], world.status["stoppedReason"]) == (
        "SpotInterruption",
        "Your Spot Task was interrupted.",
    )


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("The node was low on resource: memory.", "InfrastructureHealth"),
        ("Pod ephemeral local storage usage exceeds the total limit of containers 20Gi.", "EssentialContainerExited"),
    ],
)
def test_the_kubelets_own_evictions_are_told_by_who_is_to_blame(message: str, code: str) -> None:
    world = make_running(a_definition())
    assert world.pod
    world.pod["status"] |= {"phase": "Failed", "reason": "Evicted", "message": message}
    world.operate()
    assert world.status["stopCode"] == code
    assert message in world.status["stoppedReason"]


def test_a_node_that_never_lets_go_of_a_pod_doesnt_hold_the_task() -> None:
    world = make_running(a_definition())
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
    assert make_running(a_definition()).status["healthStatus"] == "UNKNOWN"


def set_ready(world: World, ready: bool) -> None:
    assert world.pod
    world.pod["status"]["containerStatuses"][0]["ready"] = ready


def test_an_essential_container_that_is_restarted_by_its_policy_ends_nothing() -> None:
    world = World(with_container(restartPolicy={"enabled": True}))
    world.pass_time(3)
    world.set_state({"terminated": {"reason": "Error", "exitCode": 1}})
    world.operate()
    assert world.path[-1] == (3, "RUNNING", "RUNNING")
    assert world.container()["lastStatus"] == "RUNNING"


def test_an_exit_code_that_its_policy_ignores_ends_the_task() -> None:
    world = World(with_container(restartPolicy={"enabled": True, "ignoredExitCodes": [0]}))
    world.pass_time(3)
    world.set_state({"terminated": {"reason": "Completed", "exitCode": 0}})
    world.operate()
    assert world.why[0] == "EssentialContainerExited"


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
    assert world.why[0] == "EssentialContainerExited"
    assert world.container("proxy")["exitCode"] == 9


# What is on record stays.


def test_a_kubelet_whose_clock_is_late_changes_no_order() -> None:
    world = make_running(a_definition())
    assert world.pod
    world.pod["status"]["phase"] = "Failed"
    world.set_state({"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": "2026-05-01T11:00:00Z"}})
    world.operate()
    assert world.status["lastStatus"] == "STOPPED"
    assert world.status["executionStoppedAt"] == world.status["startedAt"]
    assert world.status["stoppedAt"] >= world.status["executionStoppedAt"]


def test_what_a_kubelet_has_forgotten_stays_on_record() -> None:
    world = make_running(a_definition())
    assert world.pod
    world.pod["status"]["containerStatuses"] = []
    world.operate()
    assert world.container()["lastStatus"] == "RUNNING"
    assert world.path[-1] == (3, "RUNNING", "RUNNING")


def test_an_exit_code_that_was_told_stays() -> None:
    world = World(with_containers(a_container(), a_container("side", essential=False)), fates={"side": Fate(2, 7)})
    world.pass_time(6)
    world.set_state({"terminated": {"exitCode": 137, "reason": "Error"}}, "side")
    world.stop()
    world.pass_time(3)
    assert world.container("side")["exitCode"] == 7
