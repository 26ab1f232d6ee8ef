"""Why tasks stop: code and reason, as people and tools find them."""

import datetime
from typing import Any

import pytest

from monopod.api.names import (
    CAPACITY_ANNOTATION,
    CAPACITY_PROVIDER_ANNOTATION,
    CAPACITY_PROVIDER_LABEL,
    UNSUPPORTED_ANNOTATION,
)
from monopod.tasks.rules.lifecycle.snapshot import Surroundings
from monopod.tasks.rules.lifecycle.steps import Create, Discard, Wait
from tests.unit.tasks.definitions import a_container, a_definition, with_container, with_containers
from tests.unit.tasks.rules.lifecycle.world import BEGINNING, Fate, World, a_task

MINUTE = datetime.timedelta(minutes=1)
NOT_FOUND = (
    'Back-off pulling image "nginx:0": ErrImagePull: rpc error: code = NotFound desc = failed to pull and unpack image '
    '"docker.io/library/nginx:0": not found'
)


def waiting(reason: str, message: str = "", **container: Any) -> World:
    world = World(with_container(**container), fates={"app": Fate(waits=(reason, message))})
    world.pass_time(5)
    return world


# Containers that don't start.


def test_what_kept_a_container_from_starting_is_told_when_the_kubelet_has_forgotten_it() -> None:
    world = World(a_definition(), fates={"app": Fate(waits=("ErrImagePull", NOT_FOUND))})
    for _ in range(3):
        world.operate()
        world.tick()
    assert world.path[-1] == (3, "PENDING", "STOPPED")
    assert world.pod
    world.set_state({"terminated": {"reason": "ContainerStatusUnknown", "exitCode": 137, "startedAt": None}})
    world.pod["status"]["phase"] = "Failed"
    world.operate()
    assert world.status["lastStatus"] == "STOPPED"
    assert world.container()["reason"].startswith("CannotPullContainerError")
    assert "exitCode" not in world.container()


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff"])
def test_an_image_that_isnt_there_fails_the_task_at_once(reason: str) -> None:
    world = waiting(reason, NOT_FOUND)
    told = (
        "CannotPullContainerError: rpc error: code = NotFound desc = failed to pull and unpack image "
        '"docker.io/library/nginx:0": not found'
    )
    assert world.why == ("TaskFailedToStart", told)
    assert world.container()["reason"] == told
    assert world.status["lastStatus"] == "STOPPED"
    assert "exitCode" not in world.container()
    assert "startedAt" not in world.status


def test_an_image_with_no_valid_name_fails_the_task() -> None:
    assert waiting("InvalidImageName", 'Failed to apply default image tag "A"').why[0] == "TaskFailedToStart"


def test_a_registry_that_doesnt_answer_is_tried_for_three_minutes() -> None:
    world = waiting("ErrImagePull", "dial tcp: i/o timeout")
    assert world.path[-1] == (2, "PENDING", "RUNNING")
    step = world.look()
    assert isinstance(step, Wait)
    assert step.until
    world.now = step.until
    world.pass_time(3)
    assert world.why == ("TaskFailedToStart", "CannotPullContainerError: dial tcp: i/o timeout")


@pytest.mark.parametrize("message", ['secret "db" not found', "couldn't find key user in Secret ecs-prod/db"])
def test_a_secret_that_is_missing_fails_the_task(message: str) -> None:
    code, reason = waiting("CreateContainerConfigError", message).why
    assert code == "TaskFailedToStart"
    assert reason.startswith("ResourceInitializationError: unable to pull secrets or registry auth: ")
    assert reason.endswith(message)


def test_what_else_keeps_a_container_from_being_created_has_three_minutes() -> None:
    world = waiting("CreateContainerError", "context deadline exceeded")
    assert "stopCode" not in world.status
    world.now += 3 * MINUTE
    world.pass_time(3)
    assert world.why == ("TaskFailedToStart", "CannotCreateContainerError: context deadline exceeded")


def test_a_command_that_isnt_there_fails_the_task() -> None:
    world = World(a_definition())
    world.pass_time(2)
    ended = {"reason": "StartError", "exitCode": 128, "message": 'exec: "nope": executable file not found in $PATH'}
    world.set_state({"terminated": ended})
    world.pass_time(3)
    code, reason = world.why
    assert (code, reason) == ("TaskFailedToStart", f"CannotStartContainerError: {ended['message']}")
    assert "exitCode" not in world.container()


def test_a_container_that_the_task_can_do_without_may_fail_to_start() -> None:
    world = World(with_containers(a_container(), a_container("side", essential=False)))
    world.pass_time(2)
    world.set_state({"terminated": {"reason": "StartError", "exitCode": 128, "message": "no such file"}}, "side")
    world.pass_time(3)
    assert world.path[-1] == (3, "RUNNING", "RUNNING")
    assert world.container("side")["reason"] == "CannotStartContainerError: no such file"


def test_a_message_without_end_is_cut() -> None:
    assert len(waiting("InvalidImageName", "x" * 5000).why[1]) == 1024


# A pod that doesn't come to its node.


def test_a_task_waits_for_capacity_and_then_fails_in_awss_words() -> None:
    world = World(a_definition(), has_capacity=False)
    world.pass_time(10)
    assert world.path == [(1, "PROVISIONING", "RUNNING")]
    step = world.look()
    assert step == Wait(BEGINNING + 10 * MINUTE)
    world.now = BEGINNING + 10 * MINUTE
    world.pass_time(2)
    assert world.why == (
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
    code, reason = world.why
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
    code, reason = world.why
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


@pytest.mark.parametrize("provider", ["", "FARGATE", "FARGATE_SPOT"])
def test_a_task_runs_on_the_provider_that_it_names(provider: str) -> None:
    world = World(a_definition(), a_task(capacityProviderName=provider))
    world.pass_time(5)
    assert world.status["lastStatus"] == "RUNNING"
    assert world.pod
    assert world.pod["metadata"]["annotations"].get(CAPACITY_PROVIDER_ANNOTATION, "") == provider
    assert (CAPACITY_PROVIDER_LABEL in world.pod["metadata"]["labels"]) == (provider == "FARGATE_SPOT")


def test_a_task_whose_pod_may_not_be_on_spot_fails_in_the_end_and_never_starts() -> None:
    world = World(a_definition(), a_task(capacityProviderName="FARGATE_SPOT"), lets_choose=False)
    world.pass_time(3)
    world.now += 10 * MINUTE
    while world.status["lastStatus"] != "STOPPED":
        world.operate(1)
    assert world.why == (
        "TaskFailedToStart",
        "ResourceInitializationError: the task's pod isn't on FARGATE_SPOT: the FargateProfile that takes it (ecs) "
        "must say spot.podChoice: Allow.",
    )
    assert world.released == []


def test_a_task_on_demand_never_starts_on_spot() -> None:
    world = World(a_definition(), a_task(capacityProviderName="FARGATE"))
    while world.pod is None:
        world.operate(1)
    world.pod["metadata"]["labels"][CAPACITY_PROVIDER_LABEL] = "FARGATE_SPOT"
    assert world.look() == Discard("pod-1", is_replaced=True)


def test_a_namespace_that_no_profile_takes_fails_the_task_in_the_end() -> None:
    world = World(a_definition(), is_admitted=False)
    world.pass_time(3)
    world.now += 10 * MINUTE
    while world.status["lastStatus"] != "STOPPED":
        world.operate(1)
    code, reason = world.why
    assert code == "TaskFailedToStart"
    assert "no Fargate profile gives the task's pod a sandbox" in reason
    assert world.released == []


def test_a_pod_that_fargate_cant_run_fails_the_task() -> None:
    world = World(a_definition())
    while world.pod is None:
        world.operate(1)
    world.pod["metadata"]["annotations"][UNSUPPORTED_ANNOTATION] = "Pod not supported on Fargate: volumes"
    world.operate()
    assert world.why == ("TaskFailedToStart", "ResourceInitializationError: Pod not supported on Fargate: volumes")


def test_another_pod_of_the_name_is_left_alone() -> None:
    world = World(a_definition())
    pod = {"metadata": {"uid": "other", "ownerReferences": [{"uid": "another"}]}, "spec": {}, "status": {}}
    world.operate(1)
    world.pod = pod
    world.operate()
    assert world.pod is pod
    assert world.why == (
        "TaskFailedToStart",
        "ResourceInitializationError: another pod has the task's id for a name.",
    )
    assert world.status["lastStatus"] == "STOPPED"


@pytest.mark.parametrize("runs", [False, True])
@pytest.mark.parametrize("is_admitted", [False, True])
def test_a_pod_that_others_let_out_is_removed_before_the_task_is_over(runs: bool, is_admitted: bool) -> None:
    world = World(a_definition(), is_admitted=is_admitted)
    while not isinstance(step := world.look(), Create):
        world.apply(step)
    world.apply(step)
    pod = world.pod
    assert pod
    pod["spec"]["schedulingGates"] = []
    for _ in range(3 if runs else 0):
        world.tick()
    world.operate()
    if runs:
        assert "deletionTimestamp" in pod["metadata"]
        assert (world.status["lastStatus"], world.status["desiredStatus"]) == ("PROVISIONING", "STOPPED")
        world.tick()
        world.operate()
    assert world.pod is None
    assert world.status["lastStatus"] == "STOPPED"
    assert world.pods_made == 1
    assert world.why == (
        "TaskFailedToStart",
        "ResourceInitializationError: someone else let the task's pod out of its scheduling gate ecs.monopod.dev/task; "
        "the pod is removed.",
    )


def test_what_the_api_server_refuses_for_good_fails_the_task() -> None:
    world = World(a_definition())
    world.operate(1)
    world.around = Surroundings(refusal="spec.containers[0]: Invalid value", is_refused=True)
    world.operate()
    assert world.why == ("TaskFailedToStart", "ResourceInitializationError: spec.containers[0]: Invalid value")
    assert world.pods_made == 0


def test_what_it_refuses_for_now_is_tried_until_the_patience_ends() -> None:
    world = World(a_definition())
    world.operate(1)
    world.around = Surroundings(refusal="exceeded quota: pods")
    assert isinstance(world.look(), Create)
    world.now += 10 * MINUTE
    world.operate()
    assert world.why == ("TaskFailedToStart", "ResourceInitializationError: exceeded quota: pods")
