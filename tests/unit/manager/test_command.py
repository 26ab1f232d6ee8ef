"""The operator's command line."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from pydantic import FilePath

from monopod.__main__ import main
from monopod.isolation.options import Cidr
from monopod.manager.flags import list_sections, read_options
from monopod.manager.options import OperatorOptions

PATTERN = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
FIELDS = OperatorOptions.model_fields
KUBECONFIG = {
    "current-context": "c",
    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
    "users": [{"name": "u", "user": {}}],
}


def test_the_help_of_run_teaches_every_option() -> None:
    text = " ".join(CliRunner().invoke(main, ["run", "--help"]).output.split())
    options = [option for each in main.commands["run"].params for option in (*each.opts, *each.secondary_opts)]
    assert "--no-leader-elect" in options
    assert [option for option in options if option not in text] == []
    assert "python -m monopod run --no-leader-elect" in text
    assert "On healthy pods it writes nothing" in text


@pytest.mark.parametrize(
    ("option", "value", "rule"),
    [
        ("--log-format", "xml", "must be 'json' or 'console', not 'xml'."),
        ("--lease-seconds", "1", "must be at least 5, not '1'."),
        ("--resync-seconds", "nan", "must be a finite number, not 'nan'."),
        ("--resync-seconds", "a minute", "must be a number, not 'a minute'."),
        ("--evictions-per-minute", "0", "must be at least 1, not '0'."),
        ("--evictions-per-minute", "1.5", "must be a whole number, not '1.5'."),
        ("--metrics-port", "70000", "must be at most 65535, not '70000'."),
        ("--identity", "", "must not be empty, not ''."),
        ("--namespace", "", "must not be empty, not ''."),
        ("--kubeconfig", "/nowhere", "must be a file that exists, not '/nowhere'."),
        (
            "--sandbox",
            "Kata",
            "must be a name as Kubernetes takes it, ^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$, not 'Kata'.",
        ),
    ],
)
def test_a_bad_value_is_refused_by_flag_rule_and_value(option: str, value: str, rule: str) -> None:
    done = CliRunner().invoke(main, ["run", option, value])
    assert done.exit_code == 2
    assert done.output.splitlines()[-1] == f"Error: Invalid value for '{option}': {rule}"


def test_a_bad_value_in_the_environment_is_refused_by_the_variables_name() -> None:
    done = CliRunner(env={"MONOPOD_RUN_LEADER_ELECT": "maybe"}).invoke(main, ["run"])
    assert done.exit_code == 2
    assert done.output.endswith("Invalid value for 'MONOPOD_RUN_LEADER_ELECT': must be true or false, not 'maybe'.\n")


def test_an_option_is_its_flags_value_else_its_variables_else_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONOPOD_RUN_NODE_CIDR", "192.0.2.0/24 198.51.100.0/24")
    monkeypatch.setenv("MONOPOD_RUN_LEASE_SECONDS", "20")
    monkeypatch.setenv("MONOPOD_RUN_SANDBOX", "")
    options = read_options(OperatorOptions, {"lease_seconds": "30", "node_cidr": (), "leader_elect": None})
    assert (options.lease_seconds, options.resync_seconds, options.leader_elect) == (30, 60, True)
    assert options.node_cidrs == ("192.0.2.0/24", "198.51.100.0/24")
    assert options.sandbox == ""


def test_every_option_says_what_it_is_for_and_its_default() -> None:
    options = [option for _, own in list_sections(OperatorOptions) for option in own]
    assert {option.name for option in options} == {field.alias or name for name, field in FIELDS.items()}
    assert [option.flag for option in options if not option.description.endswith(".")] == []
    assert [option.flag for option in options if option.default in ("", "()", "None", "PydanticUndefined")] == []
    assert [option.flag for option in options if not (option.metavar or option.is_switch)] == []


@pytest.mark.parametrize("option", ["--node-cidr", "--metadata-address"])
@pytest.mark.parametrize("cidr", ["10.0.0.7/16", "10.0.0.0/33", "nodes", "", "::ffff:10.0.0.0/104", "fe80::%eth0/64"])
def test_a_network_that_no_rule_takes_is_refused(option: str, cidr: str) -> None:
    done = CliRunner().invoke(main, ["run", option, "192.0.2.0/24", option, cidr])
    assert done.exit_code == 2
    assert f"Invalid value for '{option}'" in done.output
    assert cidr in done.output


def test_every_option_has_the_variable_that_its_name_says(monkeypatch: pytest.MonkeyPatch) -> None:
    values: dict[Any, str] = {
        bool: "true",
        int: "7",
        float: "7",
        FilePath | None: __file__,
        tuple[Cidr, ...]: "10.0.0.0/8",
    }
    formed = {
        "ecs_metadata_url": "http://kata",
        "ecs_file_system": "fs-1=claim/kata",
        "webhook_url": "https://kata",
        "webhook_account": "111122223333",
    }
    for option in (option for _, own in list_sections(OperatorOptions) for option in own):
        named = "MONOPOD_RUN_" + option.flag.removeprefix("--").replace("-", "_").upper()
        text = formed.get(option.name, "kata=yes" if option.metavar == "KEY=VALUE" else "kata")
        value = option.choices[-1] if option.choices else values.get(option.field.annotation, text)
        with monkeypatch.context() as patch:
            patch.setenv(named, value)
            assert value.lower() in str(OperatorOptions().model_dump(by_alias=True)[option.name]).lower(), named


def test_the_help_imports_neither_kopf_nor_the_client() -> None:
    script = "import sys, monopod.__main__; sys.exit(any(name in sys.modules for name in ('kopf', 'kubernetes')))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_networks_of_nodes_come_from_the_environment_too() -> None:
    done = CliRunner(env={"MONOPOD_RUN_NODE_CIDR": "192.0.2.0/24 nodes"}).invoke(main, ["run"])
    assert done.exit_code == 2
    assert "'nodes' does not appear to be an IPv4 or IPv6 network" in done.output


@pytest.mark.timeout(20)  # a process of its own, which a busy machine may be slow to start
def test_a_port_in_use_is_told_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(yaml.safe_dump(KUBECONFIG))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        options = ("--kubeconfig", str(tmp_path / "config"), "--listen", "127.0.0.1", "--metrics-port", port)
        status, said = run_process(*options)
    assert (status, said["event"]) == (1, "no port to listen on")
    assert "address already in use" in said["error"]


def run_process(*options: str) -> tuple[int, dict[str, str]]:
    """The exit code of the operator, and the first error in its log."""
    command = [sys.executable, "-m", "monopod", "run", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    return done.returncode, next(line for line in lines if line["level"] == "error")
