import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from monopod import __version__
from monopod.cli import live
from monopod.kube.client.api import ApiError
from monopod.kube.objects.resources import MUTATING_BINDINGS
from tests.unit.builders import a_pod, a_profile_resource
from tests.unit.cli.running import run, write_yaml

WEB = a_profile_resource("web", {"namespace": "*"})


@pytest.fixture
def pod_file(tmp_path: Path) -> str:
    return write_yaml(tmp_path / "pod.yaml", a_pod("x").in_namespace("prod").build())


@pytest.fixture
def profiles_file(tmp_path: Path) -> str:
    return write_yaml(tmp_path / "profiles.yaml", WEB)


def test_version() -> None:
    assert run("version").stdout == f"kubectl-fargate {__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["explain", "--help"]])
def test_help_teaches_with_examples(arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 0
    assert "\n    kubectl fargate explain pod " in result.stdout
    assert "\b" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Give either -f FILE or pod NAME."),
        (["-f", "x", "pod", "y"], "Give either -f FILE or pod NAME."),
        (["pod"], "Give a pod as pod NAME or pod/NAME, not 'pod'."),
        (["pod/"], "Give a pod as pod NAME or pod/NAME, not 'pod/'."),
        (["deployment", "x"], "Give a pod as pod NAME or pod/NAME, not 'deployment x'."),
        (["pod", "x", "y"], "Give a pod as pod NAME or pod/NAME, not 'pod x y'."),
        (["-f", "x", "-o", "yaml"], "'yaml' is not one of 'text', 'json'."),
    ],
)
def test_wrong_usage_is_explained_with_status_2(arguments: list[str], message: str) -> None:
    result = run("explain", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["explain", "pod", ".."],
        ["explain", "pod/x?y"],
        ["explain", "pod", "x", "-n", "a/b"],
        ["isolation", ".."],
        ["isolation", "x", "-n", ""],
        ["rollout", "web/status", "--pause"],
        ["rollout", ""],
        ["plan", "."],
        ["restore", "a b"],
        ["doctor", "-n", "../x"],
    ],
    ids=" ".join,
)
def test_what_is_no_name_of_an_object_asks_for_no_other(arguments: list[str]) -> None:
    result = run(*arguments, "--kubeconfig", "nowhere")
    assert result.exit_code == 2
    assert "is no name of a Kubernetes object." in result.stderr


def test_unreadable_files_end_with_status_2(tmp_path: Path, profiles_file: str) -> None:
    result = run("explain", "-f", str(tmp_path / "nowhere.yaml"), "--profiles", profiles_file)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"Error: {tmp_path}/nowhere.yaml: No such file or directory\n"


def test_bytes_that_are_no_text_end_with_status_2(tmp_path: Path, profiles_file: str) -> None:
    path = tmp_path / "binary"
    path.write_bytes(b"\xff\xfe\x00")
    result = run("explain", "-f", str(path), "--profiles", profiles_file)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"Error: {path} can't be read: ")


def test_bytes_that_are_no_text_on_stdin_end_with_status_2(profiles_file: str) -> None:
    result = run("explain", "-f", "-", "--profiles", profiles_file, stdin=b"\xff\xfe\x00")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: stdin ")


def test_a_pod_that_the_api_server_would_refuse_ends_with_status_2(tmp_path: Path, profiles_file: str) -> None:
    path = write_yaml(tmp_path / "bad.yaml", a_pod("bad").requesting(cpu="one").build())
    result = run("explain", "-f", path, "--profiles", profiles_file)
    assert result.exit_code == 2
    assert result.stderr == (
        f"Error: {path}: Pod/bad: spec.containers[0].resources.requests.cpu: must be a quantity such as 250m or 1Gi, "
        "not 'one'\n"
    )


def test_a_malformed_profile_ends_with_status_2(tmp_path: Path, pod_file: str) -> None:
    path = write_yaml(tmp_path / "bad.yaml", a_profile_resource("bad"))
    result = run("explain", "-f", pod_file, "--profiles", path)
    assert result.exit_code == 2
    assert result.stderr == (
        "Error: FargateProfile bad: spec.selectors: Required value: Fargate Profile requires at least one selector.\n"
    )


def test_a_file_without_profiles_ends_with_status_2(tmp_path: Path, pod_file: str) -> None:
    of_another_group = {**WEB, "apiVersion": "eks.services.k8s.aws/v1alpha1"}
    path = write_yaml(tmp_path / "other.yaml", a_pod().build(), of_another_group)
    result = run("explain", "-f", pod_file, "--profiles", path)
    assert result.exit_code == 2
    hint = f"It holds a FargateProfile of ACK: kubectl fargate convert -f {path} makes profiles of it."
    assert result.stderr == f"Error: {path} holds no FargateProfile of monopod.dev. {hint}\n"


def test_a_namespace_that_contradicts_the_manifest_ends_with_status_2(pod_file: str, profiles_file: str) -> None:
    result = run("explain", "-f", pod_file, "--profiles", profiles_file, "-n", "test")
    assert result.exit_code == 2
    assert result.stderr == "Error: Pod/x is in namespace prod, but --namespace is test.\n"


def test_the_namespace_option_fills_in_for_the_manifest(tmp_path: Path, profiles_file: str) -> None:
    path = write_yaml(tmp_path / "pod.yaml", a_pod("x").build())
    result = run("explain", "-f", path, "--profiles", profiles_file, "-n", "test")
    assert result.stdout.startswith("Pod/x in namespace test: ")


def test_several_files_are_read(pod_file: str, tmp_path: Path, profiles_file: str) -> None:
    other = write_yaml(tmp_path / "other.yaml", a_pod("y").build())
    result = run("explain", "-f", pod_file, "-f", other, "--profiles", profiles_file)
    assert [line.split()[0] for line in result.stdout.splitlines() if line.startswith("Pod/")] == ["Pod/x", "Pod/y"]


def test_without_a_usable_kubeconfig_the_status_is_1_and_the_way_out_is_named(pod_file: str, tmp_path: Path) -> None:
    result = run("explain", "-f", pod_file, "--kubeconfig", str(tmp_path / "nowhere"))
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: The kubeconfig can't be used: ")
    assert result.stderr.endswith("Give --profiles FILE to explain without a cluster.\n")


@pytest.mark.parametrize("content", ["", "[]", "a: [", "kind: Config", "{clusters: 1, contexts: [1]}", "1"])
def test_a_malformed_kubeconfig_ends_with_status_1(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config"
    path.write_text(content)
    result = run("explain", "pod", "x", "--kubeconfig", str(path))
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: The kubeconfig can't be used: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("target", [["pod", "x"], ["-f", "FILE"]], ids=" ".join)
def test_an_api_server_that_does_not_answer_ends_with_status_1(
    tmp_path: Path, pod_file: str, closed_port: int, target: list[str]
) -> None:
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{closed_port}"}}],
        "users": [{"name": "u", "user": {}}],
    }
    kubeconfig = write_yaml(tmp_path / "config", config)
    arguments = [pod_file if word == "FILE" else word for word in target]
    result = run("explain", *arguments, "--kubeconfig", kubeconfig)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: The API server at http://127.0.0.1:{closed_port} can't be reached: ")
    assert result.stderr.count("\n") == 1


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def test_help_imports_nothing_that_takes_its_time() -> None:
    heavy = "{'kopf', 'kubernetes', 'pydantic', 'yaml', 'rich', 'monopod.pods', 'monopod.cli.explain.command'}"
    program = (
        f"import sys, monopod.cli as c\ntry: c.main()\nfinally: assert not {heavy} & set(sys.modules), sys.modules"
    )
    result = subprocess.run([sys.executable, "-c", program, "--help"], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.timeout(20)  # a process of its own, which a busy machine may be slow to start
@pytest.mark.parametrize("command", ["explain", "lint"])
def test_judging_a_file_does_not_import_the_client(command: str, pod_file: str, profiles_file: str) -> None:
    program = "import sys, monopod.cli as c\ntry: c.main()\nfinally: assert 'kubernetes' not in sys.modules"
    arguments = [command, "-f", pod_file, "--profiles", profiles_file]
    result = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.timeout(20)  # a process of its own, which a busy machine may be slow to start
def test_the_package_runs_as_a_module() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "monopod.cli", "version"], capture_output=True, text=True, check=False
    )
    assert result.stdout == f"kubectl-fargate {__version__}\n"


@pytest.mark.timeout(20)  # as above
@pytest.mark.parametrize("arguments", [["--help"], ["lint", "-f", "FILE", "--profiles", "PROFILES"]], ids=" ".join)
def test_output_that_cannot_be_written_ends_with_status_2(
    pod_file: str, profiles_file: str, arguments: list[str]
) -> None:
    words = [{"FILE": pod_file, "PROFILES": profiles_file}.get(word, word) for word in arguments]
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "monopod.cli", *words], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (result.returncode, result.stderr) == (2, "Error: The output can't be written: No space left on device.\n")


@pytest.mark.timeout(20)  # as above
def test_a_pipe_that_nobody_reads_ends_with_status_2_in_silence(pod_file: str, profiles_file: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    words = [sys.executable, "-m", "monopod.cli", "lint", "-f", pod_file, "--profiles", profiles_file]
    with open(writer, "w") as pipe:
        result = subprocess.run(words, stdout=pipe, stderr=subprocess.PIPE, text=True, check=False)
    assert (result.returncode, result.stderr) == (2, "")


@pytest.mark.timeout(20)  # as above
def test_what_an_encoding_lacks_is_written_as_escapes(tmp_path: Path, profiles_file: str) -> None:
    path = write_yaml(tmp_path / "pod.yaml", a_pod("x").in_namespace("Zürich–West").build())
    arguments = ["-m", "monopod.cli", "explain", "-f", path, "--profiles", profiles_file]
    environment = {"PYTHONPATH": ":".join(sys.path), "PYTHONIOENCODING": "latin-1"}
    result = subprocess.run([sys.executable, *arguments], capture_output=True, check=False, env=environment)
    assert (result.returncode, result.stderr) == (0, b"")
    assert result.stdout.startswith(b"Pod/x in namespace Z\xfcrich\\u2013West: ")


class InstalledElsewhere(live.Cluster):
    """A cluster whose Monopod is in the namespace `fargate`, as the binding of its policy tells, or doesn't."""

    def __init__(self, pod: dict[str, Any], *, tells: bool) -> None:
        self.namespace = "default"
        self._tells = tells
        self._lists = {"fargateprofiles": [WEB], "pods": [pod], "namespaces": [{"metadata": {"name": "fargate"}}]}

    def get(self, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        kind = path.rpartition("/")[2]
        if path == MUTATING_BINDINGS.path("monopod-namespaces") and self._tells:
            return {"spec": {"paramRef": {"namespace": "fargate"}}}
        if path.endswith("/pods/x"):
            return self._lists["pods"][0]
        if kind.startswith(("monopod-", "services.")):
            raise ApiError(403, "Forbidden", "Not yours to read.")
        return {"metadata": {}}

    def list_items(self, path: str, query: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        return self._lists.get(path.rpartition("/")[2], [])


ELSEWHERE = (
    pytest.param(["--monopod-namespace", "fargate"], False, id="the user says so"),
    pytest.param([], True, id="the cluster says so"),
)


@pytest.mark.parametrize(("options", "tells"), ELSEWHERE)
@pytest.mark.parametrize("target", [["pod", "x", "-n", "fargate"], ["-f", "FILE"]], ids=["pod", "file"])
def test_explain_protects_the_namespace_that_monopod_is_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: list[str], options: list[str], tells: bool
) -> None:
    pod = a_pod("x").in_namespace("fargate").build()
    file = write_yaml(tmp_path / "pod.yaml", pod)
    monkeypatch.setattr(live.Cluster, "connect", lambda *_: InstalledElsewhere(pod, tells=tells))
    arguments = [file if word == "FILE" else word for word in target]
    result = run("explain", *arguments, *options, "-o", "json")
    assert json.loads(result.stdout)["pods"][0]["decision"] == "Unmatched", result.stderr


def test_plan_protects_the_namespace_that_monopod_is_in(monkeypatch: pytest.MonkeyPatch) -> None:
    pod = a_pod("x").in_namespace("fargate").build()
    monkeypatch.setattr(live.Cluster, "connect", lambda *_: InstalledElsewhere(pod, tells=True))
    result = run("plan", "web", "-o", "json")
    assert json.loads(result.stdout)["pods"] == [], result.stderr


@pytest.mark.parametrize(
    ("options", "free"),
    [
        pytest.param([], "fargate", id="as it is by default"),
        pytest.param(["--monopod-namespace", "fargate"], "monopod-system", id="elsewhere"),
    ],
)
def test_lint_protects_the_namespace_that_monopod_is_in(
    tmp_path: Path, profiles_file: str, options: list[str], free: str
) -> None:
    pods = [a_pod(name).in_namespace(name).build() for name in ("fargate", "monopod-system")]
    result = run(
        "lint", "-f", write_yaml(tmp_path / "pods.yaml", *pods), "--profiles", profiles_file, "-o", "json", *options
    )
    taken = [each["namespace"] for each in json.loads(result.stdout)["workloads"] if each["decision"] == "Sandboxed"]
    assert taken == [free], result.stderr
