"""Tools that people have, unchanged, pointed at the endpoint: the AWS CLI, ecs-deploy, AWS's SDK for Go."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab.build.toolchain import build_tools
from lab.demo import ecs as demo
from tests.e2e.aws.tasks import GROUP, Ecs, a_container


def run_tool(environment: dict[str, str], *words: str | Path) -> str:
    done = subprocess.run(
        [str(word) for word in words], env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_demo_plays_by_the_aws_cli(aws: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    """From the definition to the end of its task, with a command in between, by the CLI and AWS's plugin."""
    assert "Hello from a kernel of my own" in demo.play(aws)
    shown = capsys.readouterr().out
    assert re.search(r"\| +10\.[0-9.]+ +\| +256 +\| +512 +\| +RUNNING", shown)
    assert "Starting gVisor" in shown
    assert re.search(r"\| +UserInitiated +\| +0 +\| +STOPPED +\| +Task stopped by user", shown)


def test_ecs_deploy_changes_a_definition_and_runs_it(aws: dict[str, str], ecs: Ecs) -> None:
    ecs.register("deployed", a_container("echo first"))
    said = run_tool(aws, "ecs", "update", "deployed", "-e", "app", "GREETING", "second")
    assert "Successfully created revision: 2" in said
    said = run_tool(
        *(aws, "ecs", "run", ecs.cluster, "deployed:2", "1", "--launchtype", "FARGATE", "--subnet", "subnet-1"),
        *("-c", "app", '["sh", "-c", "echo $GREETING"]', "--securitygroup", GROUP),
    )
    (task,) = re.findall(r"arn:aws:ecs:\S+:task/\S+", said)
    (ended,) = ecs.await_state("stopped", task)
    assert ended["containers"][0]["exitCode"] == 0
    assert ecs.read_log(task) == ["second"]


def test_the_go_sdk_runs_a_task_and_waits_for_it(aws: dict[str, str], ecs: Ecs) -> None:
    definition = ecs.register("go", a_container("exit 4"))
    client = build_tools("ecs-client")["ecs-client"]
    told: dict[str, Any] = json.loads(run_tool(aws, client, ecs.cluster, definition, "subnet-1"))
    assert told["task"]["LastStatus"] == "STOPPED"
    assert told["task"]["Containers"][0]["ExitCode"] == 4
    assert told["isUnknown"] is True
