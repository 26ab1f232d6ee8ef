"""What ExecuteCommand asks for, held against the task as it is.

Refusals have AWS's words where they are known, from public reports of real answers: "Interactive is the only mode
supported currently." (boto/boto3#2822), "The execute command failed because…" (keidarcy/e1s#206), "The execute command
failed due to an internal error…" (aws/aws-cli#6834); after the last one stands what it was.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from monopod.aws.ecs.rules.refusals import refuse_parameter
from monopod.aws.wire.call import AwsError
from monopod.tasks.rules.pod.names import name_in_pod

AGENT: Final = "ExecuteCommandAgent"
RUNNING: Final = "RUNNING"
LONGEST_COMMAND: Final = 4096

NOT_ENABLED: Final = (
    "The execute command failed because execute command was not enabled when the task was run or the execute command "
    "agent isn’t running. Wait and try again or run a new task with execute command enabled and try again."
)
NOT_CONNECTED: Final = "The execute command failed due to an internal error. Try again later."


@dataclass(frozen=True, slots=True)
class Target:
    """Where a command runs.

    Attributes:
        container: the container, by its name in the task definition.
        container_in_pod: its name in the pod.
        id: the container's own, for its ARN.
        pod: the pod's name.
        pod_uid: the pod's uid, "" while it isn't known.
    """

    container: str
    container_in_pod: str
    id: str
    pod: str
    pod_uid: str


def read_command(text: str) -> tuple[str, ...]:
    """The words of a command. As on AWS no shell reads it, but quotes and backslashes mean what they mean to one.

    Raises:
        AwsError: there are none, or a quote has no end.
    """
    if len(text) > LONGEST_COMMAND:
        raise refuse_parameter(f"The command is longer than {LONGEST_COMMAND} characters.")
    if "\0" in text:
        raise refuse_parameter("The command has a character that no program can be given.")
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise refuse_parameter(f"The command can't be read: {error}.") from None
    if not words or not words[0]:
        raise refuse_parameter("The command is empty.")
    return words


def check_interactive(is_interactive: bool) -> None:
    """Refuses what AWS refuses, too.

    Raises:
        AwsError: no terminal is wanted.
    """
    if not is_interactive:
        raise refuse_parameter("Interactive is the only mode supported currently.")


def choose_target(task: Mapping[str, Any], container: str | None) -> Target:
    """Where a command runs.

    Args:
        task: the ECSTask.
        container: the container that was asked for; None: the only one.

    Raises:
        AwsError: there is no such container, or it can't be entered.
    """
    status = task.get("status") or {}
    containers = status.get("containers") or []
    found = _choose(containers, container)
    if not task["spec"].get("enableExecuteCommand"):
        raise refuse_parameter(NOT_ENABLED)
    if status.get("lastStatus") != RUNNING or status.get("desiredStatus") == "STOPPED":
        raise _miss(f"The task is {status.get('lastStatus') or 'PROVISIONING'}, and to be {_desired(status)}.")
    if found.get("lastStatus") != RUNNING:
        raise _miss(f"The container {found['name']} is {found.get('lastStatus') or 'PENDING'}.")
    agents = [agent for agent in found.get("managedAgents") or () if agent.get("name") == AGENT]
    if any(agent.get("lastStatus") != RUNNING for agent in agents):
        raise refuse_parameter(NOT_ENABLED)
    pod = status.get("pod") or {}
    name = str(found["name"])
    return Target(
        name, name_in_pod(name), str(found.get("id") or ""), task["metadata"]["name"], str(pod.get("uid") or "")
    )


def miss_task() -> AwsError:
    """A task that doesn't exist, or no longer."""
    return refuse_parameter("The referenced task was not found.")


def _choose(containers: list[dict[str, Any]], wanted: str | None) -> dict[str, Any]:
    names = sorted(str(each.get("name")) for each in containers)
    if wanted:
        for each in containers:
            if each.get("name") == wanted:
                return each
        raise refuse_parameter(f"The task has no container {wanted[:255]}: it has {', '.join(names) or 'none yet'}.")
    if len(containers) > 1:
        raise refuse_parameter(f"The task has several containers, so one has to be named: {', '.join(names)}.")
    if not containers:
        raise _miss("The task has no containers yet.")
    return containers[0]


def _desired(status: Mapping[str, Any]) -> str:
    return str(status.get("desiredStatus") or RUNNING)


def _miss(why: str) -> AwsError:
    return AwsError("TargetNotConnectedException", f"{NOT_CONNECTED} {why}")
