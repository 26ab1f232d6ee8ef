"""The operator's command line."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from monopod.__main__ import main

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


def test_a_wrong_option_is_refused_with_the_choices() -> None:
    done = CliRunner().invoke(main, ["run", "--log-format", "xml"])
    assert done.exit_code == 2
    assert "'json', 'console'" in done.output


@pytest.mark.parametrize("option", ["--node-cidr", "--metadata-address"])
@pytest.mark.parametrize("cidr", ["10.0.0.7/16", "10.0.0.0/33", "nodes", "", "::ffff:10.0.0.0/104", "fe80::%eth0/64"])
def test_a_network_that_no_rule_takes_is_refused(option: str, cidr: str) -> None:
    done = CliRunner().invoke(main, ["run", option, "192.0.2.0/24", option, cidr])
    assert done.exit_code == 2
    assert f"Invalid value for '{option}'" in done.output
    assert cidr in done.output


def test_every_option_has_the_variable_that_its_name_says() -> None:
    for option in main.commands["run"].params:
        named = "MONOPOD_RUN_" + option.opts[0].removeprefix("--").replace("-", "_").upper()
        assert (option.envvar or f"MONOPOD_RUN_{str(option.name).upper()}") == named


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
