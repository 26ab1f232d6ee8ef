"""Operators of their own: one that is killed at a write for a task, after which the next brings it to the same end."""

import itertools
import os
import re
from typing import Literal

import pytest

from tests.controlplane.operating.conftest import StartOperator
from tests.controlplane.operating.interceptor import Interceptor
from tests.controlplane.operating.lab import DEADLINE_SECONDS, Lab, eventually
from tests.controlplane.operating.tasks.scene import Tasks
from tests.unit.tasks.definitions import with_container

WRITES = ("first status", "creation", "record of the pod", "release", "PENDING")
MOMENTS: tuple[Literal["before", "after"], ...] = ("before", "after")
CHOSEN = [("creation", "after"), ("record of the pod", "after"), ("release", "before")]
"""The instants that a mistake would be worst at."""

ALL = list(itertools.product(WRITES, MOMENTS))
IS_DEEP = bool(os.environ.get("MONOPOD_TASK_INSTANTS"))


def is_write(method: str, path: str) -> bool:
    """A write to a task, or to its pod; `ecs-killed…` is in the paths of nothing else."""
    return method != "GET" and re.search(r"/namespaces/ecs-killed[^/]*/(ecstasks|pods)", path) is not None


@pytest.mark.parametrize(("write", "moment"), ALL if IS_DEEP else CHOSEN)
def test_it_is_the_same_task(lab: Lab, start: StartOperator, write: str, moment: Literal["before", "after"]) -> None:
    name = f"killed-{WRITES.index(write)}-{moment}"
    tasks = Tasks(lab, name)
    with Interceptor(lab.server, lab.tls, is_write) as between:
        between.stop_at(WRITES.index(write), moment)
        first = start("--ecs", "--no-leader-elect", kubeconfig=lab.write_kubeconfig(between.url))
        task = tasks.run()
        if write == "PENDING":
            tasks.schedule(task)
        assert between.caught.wait(DEADLINE_SECONDS)
        first.kill()
    made = tasks.pod(task)
    start("--ecs", "--no-leader-elect")
    if write != "PENDING":
        tasks.schedule(task)
    tasks.start_containers(task)
    assert tasks.await_status(task, "RUNNING")["version"] == 3
    tasks.end(task, 5)
    status = tasks.await_status(task, "STOPPED")
    assert (status["version"], status["containers"][0]["exitCode"]) == (6, 5)
    pod = tasks.pod(task)
    assert pod
    assert made is None or made["metadata"]["uid"] == pod["metadata"]["uid"]


def test_without_a_node_a_task_fails_in_awss_words(lab: Lab, start: StartOperator) -> None:
    start("--ecs", "--ecs-capacity-seconds", "3")
    tasks = Tasks(lab, "nowhere")
    task = tasks.run()
    status = tasks.await_status(task, "STOPPED")
    assert status["stoppedReason"].startswith("Capacity is unavailable at this time.")
    eventually(lambda: tasks.pod(task) is None)


def test_where_the_profile_does_not_allow_it_a_task_with_a_capability_says_so(lab: Lab, start: StartOperator) -> None:
    start("--ecs", "--ecs-capacity-seconds", "3")
    adding = {"capabilities": {"add": ["SYS_PTRACE"]}}
    tasks = Tasks(lab, "untraced", with_container(linuxParameters=adding))
    eventually(lambda: "|SYS_PTRACE" in str(lab.namespace_marks(tasks.namespace)[1]))
    lab.patch("FargateProfile", "ecs", {"spec": {"allowedCapabilities": []}})
    try:
        eventually(lambda: "|SYS_PTRACE" not in str(lab.namespace_marks(tasks.namespace)[1]))
        status = tasks.await_status(tasks.run(), "STOPPED")
    finally:
        lab.patch("FargateProfile", "ecs", {"spec": {"allowedCapabilities": ["SYS_PTRACE"]}})
    assert status["stopCode"] == "TaskFailedToStart"
    assert status["stoppedReason"].startswith("ResourceInitializationError: ")
    assert (
        "Pod not supported on Fargate: invalid SecurityContext fields: Capabilities added: SYS_PTRACE"
        in (status["stoppedReason"])
    )
