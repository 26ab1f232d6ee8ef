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
    return {name_spec(each): _find_failure(each) for each in ran}


def name_spec(report: dict[str, Any]) -> str:
    """A spec's name, without the tags that many have."""
    words = " ".join((*report["ContainerHierarchyTexts"], report["LeafNodeText"]))
    return TAGS.sub(" ", words).strip()


def _find_failure(report: dict[str, Any]) -> str:
    if report["State"] == "passed":
        return ""
    return str(report.get("Failure", {}).get("Message") or report["State"])
