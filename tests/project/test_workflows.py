"""The workflow for hosted machines runs every tier, with actions that can't change under it."""

import re
from typing import Any

import yaml

from tests.project.repository import ROOT

WORKFLOW = ROOT / ".github/workflows/ci.yaml"


def read_steps() -> list[dict[str, Any]]:
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


def test_actions_are_pinned_to_commits() -> None:
    used = [step["uses"] for step in read_steps() if "uses" in step]
    assert used
    assert [each for each in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", each)] == []


def test_every_tier_runs() -> None:
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    found = set(jobs["tests"]["strategy"]["matrix"]["tier"])
    for step in read_steps():
        found |= set(re.findall(r"\w+", step.get("run", "").removeprefix("./hack/test")))
    tiers = re.search(r"^all=\((.*)\)$", (ROOT / "hack/test").read_text(), re.MULTILINE)
    assert tiers
    assert set(tiers[1].split()) <= found
    assert {"make", "lint", "verify"} <= found


def test_the_e2e_tier_has_a_network_that_holds_back_first_packets() -> None:
    jobs = yaml.safe_load(WORKFLOW.read_text())["jobs"]
    assert jobs["tests"]["env"]["MONOPOD_KIND_NETWORK"] == "calico"
