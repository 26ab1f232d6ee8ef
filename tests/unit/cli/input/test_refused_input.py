"""What the API server would refuse ends `lint` and `explain` with status 2; `tests/controlplane` asks it too."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.builders import a_profile, labelled, many
from tests.manifests.judged import ACCEPTED_TEXTS, REFUSED_TEXTS
from tests.unit.builders import a_pod
from tests.unit.cli.running import run, write_yaml

Json = dict[str, Any]

pytestmark = pytest.mark.timeout(10)  # the first rule of all builds the parser of CEL

EITHER = pytest.mark.parametrize("command", ["lint", "explain"])

# As people carry them over from EKS, ACK, Terraform and other kinds of Kubernetes.
PROFILES: dict[str, tuple[Json, str]] = {
    "six selectors": (
        a_profile(selectors=[{"namespace": f"n{number}"} for number in range(6)]),
        "spec.selectors: Too many: 6: must have at most 5 items",
    ),
    "six labels": (labelled(many(6)), "Request contains Selector with more than 5 Label pairs"),
    "EKS's prefix": (a_profile("eks-default"), "The fargate profile name starts with the reserved prefix: 'eks-'."),
    "capitals": (a_profile("FP_Default"), 'metadata.name: Invalid value: "FP_Default"'),
    "subnets": (a_profile(subnets=["subnet-0aa", "subnet-0bb"]), "must be the name of a zone"),
    "a regular expression": (a_profile(selectors=[{"namespace": "def(ault|x)"}]), "a namespace consists of"),
    "labels as a Deployment selects by them": (
        a_profile(selectors=[{"namespace": "default", "matchLabels": {"foo": "bar"}}]),
        'unknown field "spec.selectors[0].matchLabels"',
    ),
    "a field of ACK's": (a_profile(clusterName="demo"), 'unknown field "spec.clusterName"'),
    "another version": ({**a_profile(), "apiVersion": "monopod.dev/v1"}, "no matches for kind"),
    "a number as label": (labelled({"version": 1.1}), "spec.selectors[0].labels.version: Invalid value"),
}


@EITHER
@pytest.mark.parametrize(("profile", "reason"), PROFILES.values(), ids=PROFILES)
def test_a_profile_that_would_be_refused_judges_no_pod(
    tmp_path: Path, command: str, profile: Json, reason: str
) -> None:
    pod = json.dumps({"apiVersion": "v1", "kind": "Pod", **a_pod().build()})
    result = run(command, "-f", "-", "--profiles", write_yaml(tmp_path / "profiles.yaml", profile), stdin=pod)
    assert (result.exit_code, result.stdout) == (2, "")
    assert reason in result.stderr


@EITHER
@pytest.mark.parametrize(("text", "reason"), REFUSED_TEXTS.values(), ids=REFUSED_TEXTS)
def test_a_pod_that_would_be_refused_is_an_error(tmp_path: Path, command: str, text: str, reason: str) -> None:
    result = run(command, "-f", "-", "--profiles", write_yaml(tmp_path / "profiles.yaml", a_profile()), stdin=text)
    assert (result.exit_code, result.stdout) == (2, "")
    assert reason in result.stderr


@EITHER
@pytest.mark.parametrize("text", ACCEPTED_TEXTS.values(), ids=ACCEPTED_TEXTS)
def test_a_pod_that_would_be_taken_is_none(tmp_path: Path, command: str, text: str) -> None:
    result = run(command, "-f", "-", "--profiles", write_yaml(tmp_path / "profiles.yaml", a_profile()), stdin=text)
    assert result.exit_code == 0, result.stderr
