"""Tasks of ECS's on a real node, by boto3 and its waiters: they run in kernels of their own, and end as on AWS."""

import time
from typing import Any

import pytest
from botocore.exceptions import WaiterError

from monopod.api.ecs.names import ECS_TASK_LABEL
from monopod.usage.rules.lifetime import Lifetime
from monopod.usage.rules.sighting import read_sighting
from tests.e2e.aws.tasks import SLEEP, Ecs, a_container
from tests.e2e.live import Live

Json = dict[str, Any]

RUNNING = ("PROVISIONING", "PENDING", "RUNNING")


def get_id(task: str) -> str:
    return task.rpartition("/")[2]


def get_pod(live: Live, ecs: Ecs, task: str) -> Json:
    return live.get("pod", get_id(task), f"ecs-{ecs.cluster}")


def test_a_task_runs_to_its_end_in_a_kernel_of_its_own(live: Live, ecs: Ecs) -> None:
    definition = ecs.register("uname", a_container("uname -r; echo to stderr >&2; exit 3"))
    task = ecs.run(definition, tags=[{"key": "team", "value": "a"}], startedBy="e2e")
    (ended,) = ecs.await_state("stopped", task)
    (container,) = ended["containers"]
    assert (ended["lastStatus"], ended["desiredStatus"], ended["version"]) == ("STOPPED", "STOPPED", 6)
    assert (ended["stopCode"], ended["stoppedReason"]) == (
        "EssentialContainerExited",
        "Essential container in task exited",
    )
    assert (container["exitCode"], container["lastStatus"]) == (3, "STOPPED")
    assert (ended["cpu"], ended["memory"], ended["launchType"], ended["startedBy"]) == ("256", "512", "FARGATE", "e2e")
    assert ended["tags"] == [{"key": "team", "value": "a"}]
    times = (
        "createdAt",
        "pullStartedAt",
        "pullStoppedAt",
        "startedAt",
        "executionStoppedAt",
        "stoppingAt",
        "stoppedAt",
    )
    assert [ended[each] for each in times] == sorted(ended[each] for each in times)
    log = ecs.read_log(task)
    assert "to stderr" in log
    # What went to stdout and what to stderr may come in either order.
    (kernel,) = (line for line in log if line != "to stderr")
    node = live.get("node", live.find("nodes", "default")[0]["metadata"]["name"])
    assert kernel != node["status"]["nodeInfo"]["kernelVersion"]
    pod = get_pod(live, ecs, task)
    assert pod["metadata"]["labels"][ECS_TASK_LABEL] == get_id(task)
    assert pod["metadata"]["annotations"]["CapacityProvisioned"] == "0.25vCPU 0.5GB"


def test_a_task_that_is_stopped_ends_by_sigterm_and_its_log_stays(live: Live, ecs: Ecs) -> None:
    task = ecs.run(ecs.register("sleep", a_container(SLEEP)))
    (running,) = ecs.await_state("running", task)
    (attachment,) = running["attachments"]
    details = {each["name"]: each["value"] for each in attachment["details"]}
    assert (attachment["status"], running["connectivity"]) == ("ATTACHED", "CONNECTED")
    assert details["privateIPv4Address"] == get_pod(live, ecs, task)["status"]["podIP"]
    assert details["subnetId"] == "subnet-1"
    assert running["containers"][0]["networkInterfaces"][0]["privateIpv4Address"] == details["privateIPv4Address"]
    assert task in ecs.client.list_tasks(cluster=ecs.cluster, family="sleep")["taskArns"]
    stopping = ecs.client.stop_task(cluster=ecs.cluster, task=task, reason="enough")["task"]
    assert stopping["desiredStatus"] == "STOPPED"
    (ended,) = ecs.await_state("stopped", task)
    assert (ended["stopCode"], ended["stoppedReason"]) == ("UserInitiated", "enough")
    assert ended["containers"][0]["exitCode"] == 7
    assert ended["attachments"][0]["status"] == "DELETED"
    assert ecs.read_log(task) == ["bye"]
    assert task in ecs.client.list_tasks(cluster=ecs.cluster, family="sleep", desiredStatus="STOPPED")["taskArns"]


def test_containers_wait_for_each_other_and_an_essential_one_ends_the_task(ecs: Ecs) -> None:
    after_both = [
        {"containerName": "first", "condition": "SUCCESS"},
        {"containerName": "beside", "condition": "START"},  # or it might not have begun when it is stopped
    ]
    definition = ecs.register(
        "order",
        a_container("exit 0", "first", essential=False),
        a_container("sleep 2; exit 5", "app", dependsOn=after_both),
        a_container(SLEEP, "beside"),
    )
    (ended,) = ecs.await_state("stopped", ecs.run(definition))
    assert {each["name"]: each["exitCode"] for each in ended["containers"]} == {"first": 0, "app": 5, "beside": 7}
    assert ended["stopCode"] == "EssentialContainerExited"


LOOK = """
until pid=$(pidof sleep); do true; done
grep CapEff /proc/self/status
start=$(head -n 1 /proc/$pid/maps | cut -d- -f1)
dd if=/proc/$pid/mem of=/dev/null bs=4096 count=1 skip=$((0x$start / 4096))
"""
"""Reads the first page of the memory of another container's process, which is another user's."""

SYS_PTRACE = 1 << 19


def test_a_container_with_sys_ptrace_looks_into_others_of_its_task_and_one_without_does_not(
    live: Live, ecs: Ecs
) -> None:
    adding = {"capabilities": {"add": ["SYS_PTRACE"]}}
    definition = ecs.register(
        "tracing",
        a_container("", "target", command=["sleep", "600"], user="65534"),
        a_container(LOOK, "tracer", essential=False, linuxParameters=adding),
        a_container(LOOK, "other", essential=False),
        pidMode="task",
    )
    task = ecs.run(definition)

    def find_exits() -> dict[str, int]:
        return {each["name"]: each["exitCode"] for each in ecs.describe(task)["containers"] if "exitCode" in each}

    exits = live.wait_for(lambda: found if len(found := find_exits()) == 2 else None, "two containers ended", 240)
    logs = {name: ecs.read_log(task, name) for name in exits}
    ecs.client.stop_task(cluster=ecs.cluster, task=task)
    assert exits["tracer"] == 0, logs
    assert exits["other"] != 0, logs
    assert "1+0 records in" in logs["tracer"]
    # What went to stdout and what to stderr may come in either order.
    effective = {name: int(next(line for line in log if "CapEff" in line).split()[1], 16) for name, log in logs.items()}
    assert effective["tracer"] == effective["other"] | SYS_PTRACE
    assert not effective["other"] & SYS_PTRACE
    assert any("Permission denied" in line for line in logs["other"]), logs


@pytest.fixture(scope="module")
def failed(ecs: Ecs) -> dict[str, Json]:
    """Tasks that fail, all at once."""
    missing = {"name": "PASSWORD", "valueFrom": "arn:aws:secretsmanager:us-east-1:000000000000:secret:missing"}
    definitions = {
        "image": ecs.register("no-image", a_container("exit 0", image="127.0.0.1:5005/none:1.0")),
        "secret": ecs.register("no-secret", a_container("exit 0", secrets=[missing])),
        "command": ecs.register("no-command", a_container("", command=["/no/such/program"])),
        "memory": ecs.register("memory", a_container("tail /dev/zero")),
    }
    tasks = {name: ecs.run(definition) for name, definition in definitions.items()}
    ecs.await_state("stopped", *tasks.values())
    return {name: ecs.describe(task) for name, task in tasks.items()}


FAILURES = {
    "image": ("TaskFailedToStart", "CannotPullContainerError"),
    "secret": ("TaskFailedToStart", "ResourceInitializationError: unable to pull secrets or registry auth"),
    "command": ("TaskFailedToStart", "CannotStartContainerError"),
}


@pytest.mark.parametrize("what", FAILURES)
def test_a_task_that_cannot_start_says_why(failed: dict[str, Json], what: str) -> None:
    code, reason = FAILURES[what]
    assert failed[what]["stopCode"] == code
    assert reason in failed[what]["stoppedReason"] + failed[what]["containers"][0].get("reason", "")
    assert "exitCode" not in failed[what]["containers"][0] or what == "command"


def test_a_container_out_of_memory_says_so(failed: dict[str, Json]) -> None:
    (container,) = failed["memory"]["containers"]
    assert failed["memory"]["stopCode"] == "EssentialContainerExited"
    assert container["exitCode"] == 137
    assert container["reason"].startswith("OutOfMemoryError")


def test_the_waiter_for_a_running_task_sees_that_it_failed(ecs: Ecs, failed: dict[str, Json]) -> None:
    with pytest.raises(WaiterError):
        ecs.await_state("running", failed["image"]["taskArn"])


@pytest.mark.parametrize("what", ["image", "memory"])
def test_a_stopped_task_is_billed_until_its_containers_ended(
    live: Live, ecs: Ecs, failed: dict[str, Json], what: str
) -> None:
    """Its pod is there for its logs, and what the kubelet wrote says since when nothing of it has run."""
    pod = get_pod(live, ecs, failed[what]["taskArn"])
    seen = read_sighting(pod, "e2e", int(time.time() * 1000))
    assert isinstance(seen, Lifetime)
    assert seen.finished is not None
    assert seen.finished <= (failed[what]["stoppedAt"].timestamp() + 1) * 1000


def test_a_task_that_no_node_has_room_for_is_not_run(ecs: Ecs) -> None:
    task = ecs.run(ecs.register("huge", a_container("exit 0"), cpu="16384", memory="122880"))
    try:
        described = ecs.describe(task)
        assert described["lastStatus"] in ("PROVISIONING", "PENDING", "DEPROVISIONING", "STOPPED")
    finally:
        ecs.client.stop_task(cluster=ecs.cluster, task=task)
    (ended,) = ecs.await_state("stopped", task)
    assert ended["stopCode"] in ("UserInitiated", "TaskFailedToStart")
    assert "startedAt" not in ended
