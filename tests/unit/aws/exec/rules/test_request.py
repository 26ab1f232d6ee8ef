"""Texts of AWS's are from public reports of real answers, which `request.py` names."""

import pytest

from monopod.aws.exec.rules.request import Target, check_interactive, choose_target, read_command
from monopod.aws.wire.call import AwsError
from monopod.kube.client.api import Json
from tests.unit.aws.exec.serving import TASK_ID, a_container, a_task

NOT_ENABLED = (
    "The execute command failed because execute command was not enabled when the task was run or the execute command "
    "agent isn’t running. Wait and try again or run a new task with execute command enabled and try again."
)
INTERNAL = "The execute command failed due to an internal error. Try again later."


def agent(status: str) -> Json:
    return {"managedAgents": [{"name": "ExecuteCommandAgent", "lastStatus": status}]}


def refuse(task: Json, container: str | None = None) -> AwsError:
    with pytest.raises(AwsError) as refusal:
        choose_target(task, container)
    return refusal.value


def test_the_only_container_needs_no_name() -> None:
    assert choose_target(a_task(), None) == Target("app", "app", "id-of-app", TASK_ID, "u")


def test_a_container_is_entered_by_its_name_in_the_pod() -> None:
    target = choose_target(a_task(a_container(), a_container("My_App", **agent("RUNNING"))), "My_App")
    assert target.container == "My_App"
    assert target.container_in_pod.startswith("my-app-")


def test_of_several_containers_one_is_to_be_named() -> None:
    task = a_task(a_container(), a_container("web"))
    for container in (None, "", "db"):
        refusal = refuse(task, container)
        assert refusal.code == "InvalidParameterException"
        assert "app, web" in refusal.message


@pytest.mark.parametrize(
    "task",
    [a_task(enabled=False), a_task(a_container(**agent("PENDING"))), a_task(a_container(**agent("STOPPED")))],
    ids=["not-enabled", "agent-pending", "agent-stopped"],
)
def test_a_task_without_the_agent_is_refused_as_by_aws(task: Json) -> None:
    refusal = refuse(task)
    assert (refusal.code, refusal.message) == ("InvalidParameterException", NOT_ENABLED)


@pytest.mark.parametrize(
    "task",
    [
        a_task(status="PROVISIONING"),
        a_task(status="STOPPED"),
        a_task(desiredStatus="STOPPED"),
        a_task(a_container(status="PENDING")),
        a_task(a_container(status="STOPPED"), a_container("web")),
        {**a_task(), "status": {}},
        {key: value for key, value in a_task().items() if key != "status"},
    ],
    ids=["provisioning", "stopped", "stopping", "container-pending", "container-stopped", "no-containers", "no-status"],
)
def test_what_does_not_run_is_not_connected(task: Json) -> None:
    several = len((task.get("status") or {}).get("containers") or ()) > 1
    refusal = refuse(task, "app" if several else None)
    assert refusal.code == "TargetNotConnectedException"
    assert refusal.message.startswith(f"{INTERNAL} The ")


def test_only_with_a_terminal() -> None:
    check_interactive(True)
    with pytest.raises(
        AwsError, match=r"^InvalidParameterException: Interactive is the only mode supported currently.$"
    ):
        check_interactive(False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/bin/sh", ("/bin/sh",)),
        ("  ls   -l ", ("ls", "-l")),
        ("sh -c 'echo \"a b\"; exit 3'", ("sh", "-c", 'echo "a b"; exit 3')),
        ('echo "a \\"b\\"" c\\ d', ("echo", 'a "b"', "c d")),
        ("echo $HOME && pwd", ("echo", "$HOME", "&&", "pwd")),
        ("grep ü #x", ("grep", "ü", "#x")),
    ],
)
def test_a_command_is_split_into_words_and_no_shell_reads_it(text: str, words: tuple[str, ...]) -> None:
    assert read_command(text) == words


@pytest.mark.parametrize("text", ["", "  ", "''", "sh -c 'echo", "a\\", "a\0b", "x" * 5000])
def test_a_command_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(AwsError, match="InvalidParameterException: The command"):
        read_command(text)
