"""The operator runs ECS tasks: on a real API server, with its own rights and under the policies that restrain it."""

import pytest

from monopod.api.ecs.names import ECS_TASK_GATE, ECS_TASK_LABEL
from monopod.api.names import CAPACITY_ANNOTATION, CAPACITY_PROVIDER_LABEL, PROFILE_LABEL
from monopod.kube.objects.resources import PODS
from tests.controlplane.operating.lab import Json, Lab, eventually
from tests.controlplane.operating.tasks.scene import Tasks, build_states
from tests.unit.tasks.definitions import a_container, with_container, with_containers


def test_a_task_is_a_sandboxed_pod_of_its_size_and_lives_and_ends(ecs: Lab) -> None:
    tracing = {"capabilities": {"add": ["SYS_PTRACE"]}}
    tasks = Tasks(ecs, "life", with_container(linuxParameters=tracing))
    task = tasks.run(network={"securityGroups": ["cluster"]})
    tasks.schedule(task)
    pod = tasks.pod(task)
    assert pod
    assert pod["metadata"]["labels"][PROFILE_LABEL] == "ecs"
    assert pod["metadata"]["annotations"][CAPACITY_ANNOTATION] == "0.25vCPU 0.5GB"
    assert pod["spec"]["runtimeClassName"]
    assert pod["spec"]["containers"][0]["securityContext"] == tracing
    assert tasks.status(task)["pod"]["uid"] == pod["metadata"]["uid"]
    assert tasks.await_status(task, "PENDING")["version"] == 2
    tasks.start_containers(task)
    status = tasks.await_status(task, "RUNNING")
    assert (status["version"], status["desiredStatus"], status["connectivity"]) == (3, "RUNNING", "CONNECTED")
    assert status["containers"][0]["networkInterfaces"][0]["privateIpv4Address"] == "10.9.8.7"
    tasks.end(task, 3)
    status = tasks.await_status(task, "STOPPED")
    assert (status["version"], status["stopCode"]) == (6, "EssentialContainerExited")
    assert (status["containers"][0]["exitCode"], status["attachments"][0]["status"]) == (3, "DELETED")
    assert tasks.pod(task)  # for its logs


def test_a_stopped_tasks_containers_end_and_their_pod_stays(ecs: Lab) -> None:
    tasks = Tasks(ecs, "stopped")
    task = tasks.run()
    tasks.schedule(task)
    tasks.start_containers(task)
    tasks.await_status(task, "RUNNING")
    tasks.stop(task)
    eventually(lambda: tasks.is_told_to_stop(task) and tasks.status(task).get("desiredStatus") == "STOPPED")
    status = tasks.status(task)
    assert (status["lastStatus"], status["desiredStatus"], status["stopCode"]) == (
        "RUNNING",
        "STOPPED",
        "UserInitiated",
    )
    tasks.end(task, 143, phase="Failed", reason="DeadlineExceeded")
    status = tasks.await_status(task, "STOPPED")
    assert (status["containers"][0]["exitCode"], status["stoppedReason"]) == (143, "enough")
    assert tasks.pod(task)


def test_a_task_on_spot_is_a_pod_on_spot_and_is_interrupted_as_one(ecs: Lab) -> None:
    tasks = Tasks(ecs, "spot")
    task = tasks.run(capacityProviderName="FARGATE_SPOT")
    tasks.schedule(task)
    pod = tasks.pod(task)
    assert pod
    assert pod["metadata"]["labels"][CAPACITY_PROVIDER_LABEL] == "FARGATE_SPOT"
    assert (pod["spec"]["priorityClassName"], pod["spec"]["priority"]) == ("monopod-spot", -5)
    tasks.start_containers(task)
    tasks.await_status(task, "RUNNING")
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
    tasks.report(task, conditions=[condition])
    ecs.kubectl("delete", "pod", task, "-n", tasks.namespace, "--wait=false")
    eventually(lambda: tasks.status(task).get("desiredStatus") == "STOPPED")
    tasks.end(task, 143)
    ecs.kubectl("delete", "pod", task, "-n", tasks.namespace, "--force", "--grace-period=0")
    status = tasks.await_status(task, "STOPPED")
    assert (status["stopCode"], status["stoppedReason"]) == ("SpotInterruption", "Your Spot Task was interrupted.")


def test_a_task_that_is_stopped_before_it_has_a_node_leaves_no_pod(ecs: Lab) -> None:
    tasks = Tasks(ecs, "early")
    task = tasks.run()
    eventually(lambda: (pod := tasks.pod(task)) and not pod["spec"].get("schedulingGates"))
    tasks.stop(task)
    tasks.await_status(task, "STOPPED")
    eventually(lambda: tasks.pod(task) is None)


def test_a_pod_that_others_delete_leaves_its_exit_code(ecs: Lab) -> None:
    tasks = Tasks(ecs, "deleted")
    task = tasks.run()
    tasks.schedule(task)
    tasks.start_containers(task)
    tasks.await_status(task, "RUNNING")
    ecs.kubectl("delete", "pod", task, "-n", tasks.namespace, "--wait=false")
    eventually(lambda: tasks.status(task).get("desiredStatus") == "STOPPED")
    tasks.end(task, 137)
    ecs.kubectl("delete", "pod", task, "-n", tasks.namespace, "--force", "--grace-period=0")
    status = tasks.await_status(task, "STOPPED")
    assert (status["stopCode"], status["containers"][0]["exitCode"]) == ("UserInitiated", 137)


@pytest.mark.parametrize(
    ("reason", "message", "told"),
    [
        (
            "ErrImagePull",
            'failed to pull and unpack image "nope": failed to resolve reference: not found',
            "CannotPullContainerError: failed to pull",
        ),
        ("CreateContainerConfigError", 'secret "db" not found', "ResourceInitializationError: unable to pull secrets"),
    ],
    ids=["image", "secret"],
)
def test_a_container_that_cant_start_fails_its_task(ecs: Lab, reason: str, message: str, told: str) -> None:
    tasks = Tasks(ecs, f"unstarted-{reason.lower()}")
    task = tasks.run()
    tasks.schedule(task)
    tasks.report(task, **build_states("app", {"waiting": {"reason": reason, "message": message}}))
    eventually(lambda: tasks.is_told_to_stop(task) and "stopCode" in tasks.status(task))
    status = tasks.status(task)
    assert status["stopCode"] == "TaskFailedToStart"
    assert status["stoppedReason"].startswith(told)
    tasks.report(task, phase="Failed", reason="DeadlineExceeded")
    tasks.await_status(task, "STOPPED")


def test_kubectl_sees_tasks_and_those_that_cant_run_say_why(ecs: Lab) -> None:
    tasks = Tasks(ecs, "judged", with_container(image="i", memory=4096))
    task = tasks.run()
    status = tasks.await_status(task, "STOPPED")
    assert status["stopCode"] == "TaskFailedToStart"
    assert "The 'memory' setting for container 'app' is greater than for the task." in status["stoppedReason"]
    assert tasks.pod(task) is None
    shown = ecs.kubectl("get", "tasks", "-n", tasks.namespace).stdout
    assert task in shown
    assert "STOPPED" in shown


ADMISSION = ("MutatingAdmissionPolicyBinding", "ValidatingAdmissionPolicyBinding")


def is_unguarded(tasks: Tasks) -> bool:
    """Whether the API server has heard that the policies don't apply any more: a task's pod would have no sandbox."""
    metadata = {"name": "try", "namespace": tasks.namespace, "labels": {ECS_TASK_LABEL: "try"}}
    spec = {"containers": [{"name": "app", "image": "app"}]}
    answer = tasks.lab.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}, dry_run=True)
    return answer.ok and PROFILE_LABEL not in answer.body["metadata"]["labels"]


def test_while_admission_is_away_no_task_starts(ecs: Lab) -> None:
    """Everything that makes or wants a sandbox is taken away and comes back: pods are made, and none runs."""
    tasks = Tasks(ecs, "unguarded")
    tasks.await_cluster()
    bindings: list[Json] = [{**item, "kind": kind} for kind in ADMISSION for item in ecs.list_all(kind)]
    for item in bindings:
        ecs.delete(item["kind"], item["metadata"]["name"])
    try:
        eventually(lambda: is_unguarded(tasks))
        task = tasks.run()
        seen: set[str] = set()
        while len(seen) < 2:
            for event in ecs.watch(f"{PODS.list_path(tasks.namespace)}?watch=true&timeoutSeconds=5"):
                pod = event["object"]
                assert PROFILE_LABEL not in pod["metadata"]["labels"]
                assert pod["spec"]["schedulingGates"] == [{"name": ECS_TASK_GATE}]
                seen.add(pod["metadata"]["uid"])
        assert "pod" not in tasks.status(task)
    finally:
        for item in bindings:
            ecs.restore(item)
    tasks.schedule(task)
    assert PROFILE_LABEL in (tasks.pod(task) or {})["metadata"]["labels"]


def test_a_job_comes_first_and_its_failure_is_told(ecs: Lab) -> None:
    job = a_container("migrate", essential=False)
    app = a_container(dependsOn=[{"containerName": "migrate", "condition": "SUCCESS"}])
    tasks = Tasks(ecs, "jobs", with_containers(job, app))
    task = tasks.run()
    tasks.schedule(task)
    ended = build_states("migrate", {"terminated": {"exitCode": 2, "reason": "Error"}})["containerStatuses"]
    tasks.report(task, phase="Failed", initContainerStatuses=ended)
    status = tasks.await_status(task, "STOPPED")
    assert status["stopCode"] == "TaskFailedToStart"
    assert {each["name"]: each.get("exitCode") for each in status["containers"]} == {"migrate": 2, "app": None}
