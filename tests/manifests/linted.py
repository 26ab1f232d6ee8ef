"""Manifests in the shapes of well-known charts, and what `kubectl fargate lint` says of them."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.unit.cli.running import run

HERE = Path(__file__).parent
WORKLOADS = HERE / "workloads"
PROFILES = HERE / "profiles.yaml"
NAMESPACE = "popular"

FORETOLD: dict[str, dict[str, str]] = yaml.safe_load((HERE / "foretold.yaml").read_text())
"""By file, by workload: what becomes of the pods."""

Verdict = dict[str, Any]


@cache
def lint() -> dict[tuple[str, str], Verdict]:
    """By file and workload: what `lint` says, run over all files at once."""
    result = run("lint", "-f", str(WORKLOADS), "--profiles", str(PROFILES), "-n", NAMESPACE, "-o", "json")
    assert result.exit_code == 1, result.stderr  # some would not run
    return {(Path(one["file"]).name, one["source"]): one for one in json.loads(result.stdout)["workloads"]}


def summarize(verdict: Verdict) -> str:
    """The verdict as foretold.yaml words it."""
    match verdict["decision"]:
        case "Sandboxed":
            return f"{verdict['profile']} {verdict['capacity']}"
        case "Unsupported":
            return f"{verdict['profile']}: {verdict['message']}"
        case "Skipped":
            return f"left alone, {verdict['reason']}"
        case _:
            return "left alone, no profile"
