"""The operator's command line."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from monopod.__main__ import main


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


@pytest.mark.parametrize("cidr", ["10.0.0.7/16", "10.0.0.0/33", "nodes"])
def test_a_network_of_nodes_that_is_none_is_refused(cidr: str) -> None:
    done = CliRunner().invoke(main, ["run", "--node-cidr", "192.0.2.0/24", "--node-cidr", cidr])
    assert done.exit_code == 2
    assert "Invalid value for '--node-cidr'" in done.output
    assert cidr in done.output


def test_the_help_imports_neither_kopf_nor_the_client() -> None:
    script = "import sys, monopod.__main__; sys.exit(any(name in sys.modules for name in ('kopf', 'kubernetes')))"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
