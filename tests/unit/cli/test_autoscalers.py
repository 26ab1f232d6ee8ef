"""`lint`, `explain` and `doctor` tell of autoscalers whose target the pods of a profile can't exceed."""

import json
from pathlib import Path
from typing import Any

import pytest

from monopod.cli.doctor.command import check
from monopod.cli.doctor.diagnosis import Check, Finding, Level, Unread
from tests.unit.builders import a_pod, a_profile_resource
from tests.unit.cli.clusters import a_cluster
from tests.unit.cli.lint.test_lint import a_workload
from tests.unit.cli.running import explain, explain_json, run, write_yaml
from tests.unit.workloads.rules.test_autoscaling import an_autoscaler

Json = dict[str, Any]

WEB = {**a_profile_resource("web", {"namespace": "prod"})}
HPA = an_autoscaler(cpu=70)
HPA["metadata"] = {"name": "x", "namespace": "prod"}
HPA["spec"] = {**HPA["spec"], "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"}}  # type: ignore[dict-item]  # builders give plain dicts
DEPLOYMENT = a_workload("Deployment", a_pod().labelled(app="x").requesting(cpu="100m", memory="128Mi"))
CLASS = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "kata"}, "handler": "kata"}
HEAVY = {**CLASS, "overhead": {"podFixed": {"cpu": "250m", "memory": "130Mi"}}}
SAID = "HorizontalPodAutoscaler x won't add pods: its target of 70 % of cpu is counted of the pod's size (250m) and "


def test_lint_tells_with_the_class_among_the_files(tmp_path: Path) -> None:
    manifests = write_yaml(tmp_path / "manifests.yaml", DEPLOYMENT, HPA, HEAVY)
    profiles = write_yaml(tmp_path / "profiles.yaml", {**WEB, "spec": {**WEB["spec"], "runtimeClassName": "kata"}})
    result = run("lint", "-f", manifests, "--profiles", profiles)
    assert result.exit_code == 0
    assert f"Note: {SAID}its overhead (250m), 500m in all, of which a pod can use 50 %." in result.stdout
    report = json.loads(run("lint", "-f", manifests, "--profiles", profiles, "-o", "json").stdout)
    assert [each["notes"][0].startswith(SAID) for each in report["workloads"]] == [True]


def test_explain_assumes_katas_overhead_of_a_class_that_it_does_not_know(tmp_path: Path) -> None:
    text = explain(tmp_path, [WEB], DEPLOYMENT, HPA, options=("--sandbox", "kata-like"))
    assert "the overhead of RuntimeClass kata-like, assumed to be Kata's 250m" in text


@pytest.mark.parametrize(
    "beside",
    [
        pytest.param([HPA, CLASS], id="a class without overhead"),
        pytest.param([{**HPA, "metadata": {"name": "x", "namespace": "other"}}, HEAVY], id="another namespace"),
        pytest.param([{**an_autoscaler(cpu=70), "metadata": {"name": "x", "namespace": "prod"}}, HEAVY], id="another"),
    ],
)
def test_nothing_is_said_of_other_autoscalers(tmp_path: Path, beside: list[Json]) -> None:
    assert explain_json(tmp_path, [WEB], DEPLOYMENT, *beside, options=("--sandbox", "kata"))["notes"] == []


def a_live_pod(**overhead: str) -> Json:
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "x-5d8f", "controller": True}
    meta = {
        "name": "x-5d8f-1",
        "namespace": "prod",
        "labels": {"pod-template-hash": "5d8f"},
        "ownerReferences": [owner],
    }
    size = {"requests": {"cpu": "250m", "memory": "512Mi"}}
    return {"metadata": meta, "spec": {"containers": [], "resources": size, "overhead": overhead}}


def diagnose(**facts: Any) -> list[Finding]:
    return [each for each in check(a_cluster(**facts)) if each.check is Check.AUTOSCALERS]


def test_doctor_measures_the_pods_themselves() -> None:
    (found,) = diagnose(autoscalers=[HPA], pods=[a_live_pod(cpu="250m")])
    assert found.level is Level.WARNING
    assert found.message.startswith(f"Namespace prod: {SAID}its overhead (250m)")


def test_doctor_says_nothing_of_targets_that_pods_exceed() -> None:
    assert diagnose(autoscalers=[HPA], pods=[a_live_pod(cpu="50m")]) == []
    assert diagnose(autoscalers=[HPA], pods=[]) == []


def test_doctor_says_what_it_may_not_read() -> None:
    (found,) = diagnose(autoscalers=Unread("Forbidden."))
    assert found.message == "The autoscalers couldn't be read. Forbidden."
