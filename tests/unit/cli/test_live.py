"""What the commands say where the kubeconfig names no API server that they can talk to."""

import datetime
import http.server
import json
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from monopod.cli.failure import describe
from monopod.cli.live import Cluster
from monopod.kube.client.api import ApiUnreachable
from tests.unit.builders import a_pod
from tests.unit.cli.running import run, write_yaml

SEE = "See that the kubeconfig names the right server, and that it runs."

NONE: Mapping[str, str] = {}

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
def a_server(status: int, body: bytes, headers: Mapping[str, str] = NONE) -> Iterator[str]:
    """The URL of a server that answers everything with this."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def a_tls_server(folder: Path) -> Iterator[str]:
    """The URL of a server with a certificate that nobody signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nobody")])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(start).not_valid_after(start + datetime.timedelta(days=9999))
    pem = built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    pem += key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "server.pem"
    path.write_bytes(pem)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(path)
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that hang up are what is tested
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("body", [b"<html>Sign in", b"[]", b"null"], ids=repr)
def test_a_server_that_is_no_api_server_is_told_from_one(tmp_path: Path, command: str, body: bytes) -> None:
    arguments, status = COMMANDS[command]
    with a_server(200, body) as url:
        result = run(*arguments, "--kubeconfig", a_kubeconfig(tmp_path, url))
    assert (result.exit_code, result.stdout) == (status, "")
    assert result.stderr == f"Error: {url} is no API server: its answer isn't a Kubernetes object. {SEE}\n"


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


REFUSALS = {
    "401": (401, "Unauthorized", "Log in again, so that the kubeconfig's credentials are valid, or name another"),
    "403": (403, "Forbidden", "`kubectl auth can-i --list` shows your rights."),
    "429": (429, "TooManyRequests", "Try again in a moment."),
    "500": (500, "InternalError", "Try again in a moment."),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("refusal", REFUSALS)
def test_a_refusal_is_told_with_what_to_do_about_it(tmp_path: Path, command: str, refusal: str) -> None:
    (arguments, status), (code, reason, advice) = COMMANDS[command], REFUSALS[refusal]
    said = json.dumps({"kind": "Status", "reason": reason, "message": "not\nyou"}).encode()
    with a_server(code, said, {"Retry-After": "60"}) as url:
        result = run(*arguments, "--kubeconfig", a_kubeconfig(tmp_path, url))
    if command == "doctor" and refusal != "401":
        assert result.exit_code in (1, 2)  # what may not be read is a finding
        return
    assert (result.exit_code, result.stdout) == (status, "")
    assert result.stderr.startswith(f"Error: The API server refused: not you. {advice}")
    assert result.stderr.count("\n") == 1


def refuse_connections() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


CERTIFICATES = "See that the kubeconfig has this cluster's certificate-authority-data, and the server's own name."


@pytest.mark.parametrize("command", COMMANDS)
def test_without_a_server_the_kubeconfig_is_to_be_looked_at(tmp_path: Path, command: str) -> None:
    arguments, status = COMMANDS[command]
    url = refuse_connections()
    result = run(*arguments, "--kubeconfig", a_kubeconfig(tmp_path, url))
    assert (result.exit_code, result.stdout) == (status, "")
    assert result.stderr.startswith(f"Error: The API server at {url} can't be reached: ")
    assert result.stderr.endswith(f"Connection refused. {SEE}\n")
    assert result.stderr.count("\n") == 1


def test_a_certificate_that_is_not_trusted_is_told_as_one(tmp_path: Path) -> None:
    with a_tls_server(tmp_path) as url:
        result = run("isolation", "x", "--kubeconfig", a_kubeconfig(tmp_path, url))
    assert result.exit_code == 1
    assert "certificate verify failed" in result.stderr
    assert result.stderr.endswith(f" {CERTIFICATES}\n")
    assert result.stderr.count("\n") == 1


def test_a_server_that_does_not_speak_tls_is_told_as_one(tmp_path: Path) -> None:
    with a_server(200, b"{}") as url:
        kubeconfig = a_kubeconfig(tmp_path, url.replace("http:", "https:"))
        result = run("isolation", "x", "--kubeconfig", kubeconfig)
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert result.stderr.endswith(f" {CERTIFICATES}\n")


def test_a_server_that_says_nothing_is_not_waited_for_without_end(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        cluster = Cluster.connect(a_kubeconfig(tmp_path, url), None, timeout_seconds=0.2)
        with pytest.raises(ApiUnreachable) as silence:
            cluster.read_pod("x", "default")
    told = describe(silence.value)
    assert "timed out" in told
    assert told.endswith(" See that the network lets you through: a VPN, a firewall, a proxy.")
    assert "\n" not in told


@pytest.mark.parametrize("content", ["", "text", "[]", "clusters: 1", "current-context: c"], ids=repr)
def test_a_wrong_kubeconfig_is_told_with_how_to_name_another(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config"
    path.write_text(content)
    for kubeconfig in (str(path), str(tmp_path / "none")):
        result = run("isolation", "x", "--kubeconfig", kubeconfig)
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
        assert result.stderr.startswith("Error: The kubeconfig can't be used: ")
        assert result.stderr.endswith(" --kubeconfig FILE and --context NAME name another.\n")


def test_a_context_that_is_missing_is_named(tmp_path: Path) -> None:
    kubeconfig = a_kubeconfig(tmp_path, "http://127.0.0.1:1")
    result = run("isolation", "x", "--kubeconfig", kubeconfig, "--context", "nowhere")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "nowhere" in result.stderr
