"""How `doctor` tells its findings, and with which status it ends."""

import json
from typing import Any

import pytest

from monopod.cli.doctor.command import compute_exit_status, write
from monopod.cli.doctor.diagnosis import Check, Finding, Level
from tests.unit.cli.running import run

FINDINGS = [
    Finding(Check.OPERATOR, Level.OK, "All is well."),
    Finding(Check.NODES, Level.WARNING, "No node.", "Add one."),
    Finding(Check.LEADER, Level.PROBLEM, "Nobody leads.", "Look."),
]


def test_the_text_has_a_line_per_finding_and_one_for_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    write(FINDINGS, "text")
    assert [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()] == [
        "OK Operator All is well.",
        "Warning Nodes No node.",
        "→ Add one.",
        "Problem Leader Nobody leads.",
        "→ Look.",
        "",
        "Problems: 1, warnings: 1.",
    ]


def test_the_json_has_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    write(FINDINGS, "json")
    report = json.loads(capsys.readouterr().out)
    assert report["summary"] == {"ok": 1, "warnings": 1, "problems": 1}
    assert report["findings"][0] == {"check": "Operator", "level": "OK", "message": "All is well.", "action": None}
    assert [finding["action"] for finding in report["findings"]] == [None, "Add one.", "Look."]


@pytest.mark.parametrize(("findings", "status"), [(FINDINGS, 1), (FINDINGS[:2], 0), ([], 0)])
def test_only_problems_end_with_status_1(findings: list[Finding], status: int) -> None:
    assert compute_exit_status(findings) == status


def test_a_cluster_that_cannot_be_reached_ends_with_status_2(tmp_path: Any) -> None:
    result = run("doctor", "--kubeconfig", str(tmp_path / "nowhere"))
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: The kubeconfig can't be used: ")
