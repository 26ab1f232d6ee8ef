"""`aws ecs execute-command` into a sandbox on a real node: the AWS CLI and AWS's plugin, the endpoint, a kubelet."""

import re
from collections.abc import Iterator

import pytest

from tests.e2e.aws.conftest import MakeClient
from tests.e2e.aws.tasks import SLEEP, Ecs, a_container
from tests.e2e.live import Live
from tests.exec_clients import Terminal, execute_command

Environment = dict[str, str]


@pytest.fixture(scope="module")
def task(ecs: Ecs) -> Iterator[str]:
    """A task that may be entered; its ARN."""
    task = ecs.run(ecs.register("exec", a_container(SLEEP)), enableExecuteCommand=True)
    (running,) = ecs.await_state("running", task)
    (container,) = running["containers"]
    assert [(each["name"], each["lastStatus"]) for each in container["managedAgents"]] == [
        ("ExecuteCommandAgent", "RUNNING")
    ]
    yield task
    ecs.client.stop_task(cluster=ecs.cluster, task=task)


def list_processes(live: Live, ecs: Ecs, task: str) -> str:
    return live.run_in(live.get("pod", task.rpartition("/")[2], f"ecs-{ecs.cluster}"), "ps -o args")


def find_session(terminal: Terminal) -> str:
    match = re.search(r"SessionId: (ecs-execute-command-\w+)", terminal.shown)
    assert match
    return match[1]


def test_a_shell_in_a_sandbox(aws: Environment, ecs: Ecs, task: str) -> None:
    with execute_command(aws, task, "sh", ecs.cluster) as terminal:
        terminal.until("# ")
        terminal.type("uname -a; stty size\r")
        terminal.until("gvisor")
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


def test_all_that_a_command_shows_arrives(aws: Environment, ecs: Ecs, task: str) -> None:
    with execute_command(aws, task, "sh -c 'seq 1 20000'", ecs.cluster) as terminal:
        assert terminal.until_over() == 0
        assert re.findall(r"^(\d+)$", terminal.shown, re.MULTILINE) == [str(number) for number in range(1, 20_001)]


def test_what_is_not_in_the_image_is_told(aws: Environment, ecs: Ecs, task: str) -> None:
    with execute_command(aws, task, "/no/such/program", ecs.cluster) as terminal:
        assert terminal.until_over() == 0
        assert re.search(r"no such file|not found|failed", terminal.shown.replace("\n", " "), re.IGNORECASE)


def test_a_command_ends_with_its_session(
    live: Live, aws: Environment, ecs: Ecs, make_client: MakeClient, task: str
) -> None:
    with execute_command(aws, task, "sh", ecs.cluster) as terminal:
        terminal.until("# ")
        terminal.type("echo here-$((1+1)); sleep 4321\r")
        terminal.until("here-2")
        live.wait_for(lambda: "sleep 4321" in list_processes(live, ecs, task), "the command")
        make_client("ssm").terminate_session(SessionId=find_session(terminal))
        assert terminal.until_over() == 0
    live.wait_for(lambda: "sleep 4321" not in list_processes(live, ecs, task), "the end of the command")


def test_a_task_that_was_not_run_for_it_is_refused(aws: Environment, ecs: Ecs) -> None:
    task = ecs.run(ecs.register("closed", a_container(SLEEP)))
    try:
        ecs.await_state("running", task)
        with execute_command(aws, task, "sh", ecs.cluster) as terminal:
            assert terminal.until_over() != 0
            assert "execute command was not enabled when the task was run" in terminal.shown.replace("\n", " ")
    finally:
        ecs.client.stop_task(cluster=ecs.cluster, task=task)
