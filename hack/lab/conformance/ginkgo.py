"""What Kubernetes' own tests report: they are Ginkgo's, which calls a test a spec."""

import json
import re
from pathlib import Path
from typing import Any

TAGS = re.compile(r"\s*\[(Feature:\w+|LinuxOnly|NodeConformance|Conformance|Serial|Slow|sig-network)\]\s*")


def read_report(report: Path) -> dict[str, str]:
    """Name and failure of each spec that has run; a failure of "" is a success."""
    (suite,) = json.loads(report.read_text())
    ran = [each for each in suite["SpecReports"] or () if each["LeafNodeType"] == "It" and each["State"] != "skipped"]
    return {shorten(_name(each)): _get_failure(each) for each in ran}


def read_results(*files: Path) -> dict[str, str]:
    """The same by whole names, from files with a line for each spec that has ended; of several lines the last counts.

    A last line without an end is still being written, and is none.
    """
    lines = [line for file in files if file.exists() for line in file.read_text().splitlines(keepends=True)]
    read = [json.loads(line) for line in lines if line.endswith("\n")]
    return {each["spec"]: each["failure"] for each in read}


def shorten(name: str) -> str:
    """A spec's name, without the tags that many have."""
    return TAGS.sub(" ", name).strip()


def _name(report: dict[str, Any]) -> str:
    return " ".join((*report["ContainerHierarchyTexts"], report["LeafNodeText"]))


def _get_failure(report: dict[str, Any]) -> str:
    if report["State"] == "passed":
        return ""
    return str(report.get("Failure", {}).get("Message") or report["State"])
