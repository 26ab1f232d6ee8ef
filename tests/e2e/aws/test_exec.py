"""`aws ecs execute-command` into a sandbox on a real node: the AWS CLI, AWS's plugin, our bridge, a kubelet.

The task's record is the test's own; the pod, its kernel and its terminal are real.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from monopod.aws.exec.session import Terminal as Remote
from monopod.kube.client.asynchronous import ApiClient, load_configuration
from monopod.kube.client.exec import Exec, ExecClient
from tests.e2e.live import Live
from tests.e2e.workloads import SANDBOXED, a_pod
from tests.exec_clients import execute_command, serving_beside
from tests.unit.aws.exec.serving import Door, TaskApi, a_task

POD = "task"


@dataclass
class LiveDoor(Door):
    """Starts commands in a pod of the cluster."""

    kubeconfig: Path = Path()
    namespace: str = ""
    client: ExecClient = field(default_factory=ExecClient)
    apis: list[ApiClient] = field(default_factory=list)

    async def make_terminal(self, wanted: Exec) -> Remote:
        api = ApiClient(await load_configuration(str(self.kubeconfig)))
        self.apis.append(api)
        return await self.client.start(api, replace(wanted, namespace=self.namespace, pod=POD))

    async def close(self) -> None:
        await self.client.close()
        for each in self.apis:
            await each.close()


@pytest.fixture
def pod(live: Live, namespace: str) -> Any:
    made = a_pod(POD, namespace, SANDBOXED)
    made["spec"]["containers"][0]["name"] = "app"
    live.await_isolated(namespace)
    live.apply(made)
    (pod,) = live.await_ready(namespace)
    assert pod["spec"]["runtimeClassName"]
    return pod


@pytest.fixture
def door(live: Live, namespace: str, pod: Any) -> Iterator[Door]:
    door = LiveDoor(TaskApi(a_task()), kubeconfig=live.cluster.kubeconfig_path, namespace=namespace)
    with serving_beside(door):
        yield door


def test_a_shell_in_a_sandbox(live: Live, pod: Any, door: Door, tmp_path: Path) -> None:
    kernel = live.run_in(pod, "uname -a").strip()
    with execute_command(door.url, tmp_path, "sh") as terminal:
        terminal.until("# ")
        terminal.type("uname -a; stty size\r")
        terminal.until(kernel)
        terminal.until("33 111")
        terminal.resize(90, 40)
        terminal.type("until stty size | grep 90; do sleep 0.1; done\r")
        terminal.until("40 90")
        terminal.type("echo sleeps-$((1+1)); sleep 1000; echo not-$((1+1))\r")
        terminal.until("sleeps-2")
        terminal.interrupt("# ")
        terminal.type("exit 5\r")
        terminal.until("The command ended with exit code 5.")
        assert terminal.until_over() == 0
        assert "not-2" not in terminal.shown


def test_all_that_a_command_shows_arrives(door: Door, tmp_path: Path) -> None:
    with execute_command(door.url, tmp_path, "sh -c 'seq 1 20000'") as terminal:
        assert terminal.until_over() == 0
        assert re.findall(r"^(\d+)$", terminal.shown, re.MULTILINE) == [str(number) for number in range(1, 20_001)]


def test_what_is_not_in_the_image_is_told(door: Door, tmp_path: Path) -> None:
    with execute_command(door.url, tmp_path, "/no/such/program") as terminal:
        assert terminal.until_over() == 0
        assert re.search(r"no such file|not found|failed", terminal.shown.replace("\n", " "), re.IGNORECASE)


def test_a_shell_whose_client_is_gone_is_left_by_its_session(live: Live, pod: Any, door: Door, tmp_path: Path) -> None:
    with execute_command(door.url, tmp_path, "sh") as terminal:
        terminal.until("# ")
        terminal.type("echo here-$((1+1)); sleep 4321\r")
        terminal.until("here-2")
        assert "sleep 4321" in live.run_in(pod, "ps -o args")
        assert door.sessions
        for running in list(door.sessions._running.values()):
            running.session.end("over")
        terminal.until("over")
    live.wait_for(lambda: "sleep 4321" not in live.run_in(pod, "ps -o args") or None, "the end of the command", 60)
