"""What the commands say where the kubeconfig names no API server that they can talk to."""

import http.server
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.unit.builders import a_pod
from tests.unit.cli.running import run, write_yaml

COMMANDS = {
    "explain": (["explain", "pod", "x"], 1),
    "isolation": (["isolation", "x"], 1),
    "plan": (["plan", "x"], 1),
    "restore": (["restore"], 1),
    "restore x": (["restore", "x"], 1),
    "rollout": (["rollout", "x"], 2),
    "rollout --pause": (["rollout", "x", "--pause"], 2),
    "doctor": (["doctor"], 2),
}


def a_kubeconfig(tmp_path: Path, server: str, **user: Any) -> str:
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
    }
    return write_yaml(tmp_path / "config", config)


@contextmanager
def a_server(status: int, body: bytes) -> Iterator[str]:
    """The URL of a server that answers everything with this."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("body", [b"<html>Sign in", b"[]", b"null"], ids=repr)
def test_a_server_that_is_no_api_server_is_told_from_one(tmp_path: Path, command: str, body: bytes) -> None:
    arguments, status = COMMANDS[command]
    with a_server(200, body) as url:
        result = run(*arguments, "--kubeconfig", a_kubeconfig(tmp_path, url))
    assert (result.exit_code, result.stdout) == (status, "")
    assert result.stderr == f"Error: {url} is no API server: its answer isn't a Kubernetes object.\n"


@pytest.mark.parametrize("command", ["plan", "rollout", "rollout --pause", "restore", "restore x"])
def test_a_cluster_without_monopod_is_told_from_one_without_the_object(tmp_path: Path, command: str) -> None:
    arguments, status = COMMANDS[command]
    with a_server(404, b"404 page not found\n") as url:
        result = run(*arguments, "--kubeconfig", a_kubeconfig(tmp_path, url))
    assert result.exit_code == status
    assert result.stderr.endswith(": Monopod isn't installed.\n")


@pytest.mark.parametrize("command", ["rollout", "rollout --pause"])
def test_a_profile_that_is_being_deleted_moves_nothing_more(tmp_path: Path, command: str) -> None:
    arguments, status = COMMANDS[command]
    with a_server(200, b'{"metadata": {"name": "x", "deletionTimestamp": "2026-01-01T00:00:00Z"}}') as url:
        result = run(*arguments, "--kubeconfig", a_kubeconfig(tmp_path, url))
    assert result.exit_code == status
    assert result.stderr == "Error: FargateProfile x is being deleted: its pods move out, and none move in.\n"


def test_what_the_api_server_says_is_a_sentence_that_another_can_follow(tmp_path: Path) -> None:
    pod = write_yaml(tmp_path / "pod.yaml", a_pod("x").build())
    with a_server(403, b'{"message": "you\\nmay not"}') as url:
        result = run("explain", "-f", pod, "--kubeconfig", a_kubeconfig(tmp_path, url))
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: The API server refused: you may not. Give --profiles FILE to explain without a cluster.\n"
    )


@pytest.mark.timeout(20)  # as below
def test_credentials_that_cannot_be_had_end_the_command_and_log_nothing(tmp_path: Path) -> None:
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-plugin"}
    kubeconfig = a_kubeconfig(tmp_path, "http://127.0.0.1:1", exec=plugin)
    arguments = ["isolation", "x", "--kubeconfig", kubeconfig]
    result = subprocess.run(
        [sys.executable, "-m", "monopod.cli", *arguments], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: The kubeconfig's credentials can't be had: ")
    assert "no-such-plugin" in result.stderr
    assert result.stderr.count("\n") == 1


@pytest.mark.timeout(20)  # a process of its own, which a busy machine may be slow to start
def test_who_interrupts_a_command_gets_no_answer_for_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        kubeconfig = a_kubeconfig(tmp_path, f"http://127.0.0.1:{server.getsockname()[1]}")
        arguments = ["rollout", "x", "--watch", "--kubeconfig", kubeconfig]
        process = subprocess.Popen([sys.executable, "-m", "monopod.cli", *arguments], stderr=subprocess.PIPE)
        connection, _ = server.accept()
        with connection:
            process.send_signal(signal.SIGINT)
            _, said = process.communicate()
    assert (process.returncode, said) == (130, b"")
