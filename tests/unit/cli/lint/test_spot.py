"""Manifests of a profile on Spot, as `lint` and `explain` judge them."""

from pathlib import Path

from monopod.api.names import CAPACITY_PROVIDER_ANNOTATION
from tests.unit.builders import a_pod
from tests.unit.cli.lint.test_lint import SMALLEST, WEB, a_workload, lint
from tests.unit.cli.running import run, write_yaml


def test_a_profile_on_spot_has_spots_price_and_says_what_changes(tmp_path: Path) -> None:
    spot = {**WEB, "spec": {**WEB["spec"], "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}]}}
    path = write_yaml(tmp_path / "spot.yaml", spot)
    slow = a_pod().labelled(tier="web").with_spec(terminationGracePeriodSeconds=600, priorityClassName="high")
    workload = a_workload("Deployment", slow)
    [found] = lint(tmp_path, path, workload)["workloads"]
    assert found["capacityProvider"] == "FARGATE_SPOT"
    assert found["spot"]["graceSeconds"] == 120
    assert found["hourlyPrice"]["each"] < SMALLEST / 2
    manifests = write_yaml(tmp_path / "manifests.yaml", workload)
    text = " ".join(run("lint", "-f", manifests, "--profiles", path).stdout.split())
    assert "Deployment/x in namespace prod: on Spot its terminationGracePeriodSeconds of 600 becomes 120." in text
    assert "on Spot its priorityClassName high gives way to that of Spot." in text
    assert "(us-east-1, x86, Spot)" in text
    elsewhere = " ".join(run("lint", "-f", manifests, "--profiles", path, "--region", "eu-west-1").stdout.split())
    assert "Spot; eu-west-1 has no price for Spot, so that on demand is taken" in elsewhere
    explained = " ".join(run("explain", "-f", manifests, "--profiles", path).stdout.split())
    assert "interrupted at any time, with 120 seconds between SIGTERM and SIGKILL. Its termination" in explained


def test_a_mixture_of_capacity_providers_is_refused_with_the_remedy(tmp_path: Path) -> None:
    mixed = [{"capacityProvider": "FARGATE", "weight": 1}, {"capacityProvider": "FARGATE_SPOT", "weight": 3}]
    path = write_yaml(tmp_path / "mixed.yaml", {**WEB, "spec": {**WEB["spec"], "capacityProviderStrategy": mixed}})
    manifests = write_yaml(tmp_path / "manifests.yaml", a_workload("Deployment"))
    result = run("lint", "-f", manifests, "--profiles", path)
    assert (result.exit_code, "Use two profiles, one with FARGATE and one with FARGATE_SPOT" in result.stderr) == (
        2,
        True,
    )


def test_a_pod_that_chooses_is_priced_by_its_choice_where_it_may(tmp_path: Path) -> None:
    chosen = {CAPACITY_PROVIDER_ANNOTATION: "FARGATE_SPOT"}
    workload = a_workload("Deployment", a_pod().labelled(tier="web").annotated(chosen))
    allowing = write_yaml(tmp_path / "allow.yaml", {**WEB, "spec": {**WEB["spec"], "spot": {"podChoice": "Allow"}}})
    [found] = lint(tmp_path, allowing, workload)["workloads"]
    assert (found["capacityProvider"], found["hourlyPrice"]["each"] < SMALLEST / 2) == ("FARGATE_SPOT", True)
    manifests = write_yaml(tmp_path / "manifests.yaml", workload)
    assert "has no effect" not in run("lint", "-f", manifests, "--profiles", allowing).stdout
    ignoring = write_yaml(tmp_path / "ignore.yaml", WEB)
    [found] = lint(tmp_path, ignoring, workload)["workloads"]
    assert found["capacityProvider"] == "FARGATE"
    for command in ("lint", "explain"):
        told = " ".join(run(command, "-f", manifests, "--profiles", ignoring).stdout.split())
        assert "The annotation monopod.dev/capacity-provider has no effect" in told
    wrong = a_workload("Deployment", a_pod().labelled(tier="web").annotated({CAPACITY_PROVIDER_ANNOTATION: "SPOT"}))
    [found] = lint(tmp_path, allowing, wrong, status=1)["workloads"]
    assert (found["decision"], "must be FARGATE or FARGATE_SPOT" in found["message"]) == ("ProviderRefused", True)
