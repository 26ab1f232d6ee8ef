"""`lint` says where a little less would be a cheaper size, and fails where more is wasted than may be."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.builders import a_pod, a_profile_resource
from tests.unit.cli.running import run, write_yaml

WEB = a_profile_resource("web", {"namespace": "prod"})
TOLD = "12 MiB over 1vCPU 8GB: −$32.79 a month"
BEYOND = "wastes 38.1 % of its price"


def a_deployment(name: str = "web", **requests: str) -> dict[str, Any]:
    pod, labels = a_pod().requesting(**requests).build(), {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod["spec"]}
    spec = {"replicas": 3, "selector": {"matchLabels": labels}, "template": template}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "prod"},
        "spec": spec,
    }


ABOVE = a_deployment(cpu="1", memory="7948Mi")
BELOW = a_deployment("other", cpu="1", memory="7936Mi")


@pytest.fixture
def lint(tmp_path: Path) -> Any:
    profiles = write_yaml(tmp_path / "profiles.yaml", WEB)

    def call(*documents: object, status: int = 0, options: tuple[str, ...] = ()) -> str:
        path = write_yaml(tmp_path / "manifests.yaml", *documents)
        result = run("lint", "-f", path, "--profiles", profiles, *options)
        assert result.exit_code == status, result.output
        return result.stdout

    return call


def test_a_workload_a_little_above_a_size_is_told_what_it_costs(lint: Any) -> None:
    lines = lint(ABOVE, BELOW).splitlines()
    assert [line for line in lines if " over " in line] == [
        f"Deployment/web in namespace prod: {TOLD} per replica, if it asks for at most 7936Mi of memory."
    ]


def test_a_bare_pod_has_no_replicas(lint: Any) -> None:
    pod = a_pod("job").in_namespace("prod").requesting(cpu="1050m", memory="7948Mi").build()
    assert (
        "Pod/job in namespace prod: 50m of CPU and 12 MiB over 1vCPU 8GB: −$32.79 a month, if it asks for at most "
        "1000m of CPU and 7936Mi of memory."
    ) in " ".join(lint(pod).split())


def test_the_currency_is_the_books(lint: Any) -> None:
    assert "256 MiB over 0.25vCPU 2GB: −€2.93 a month" in lint(
        a_deployment(cpu="250m", memory="2Gi"), options=("--region", "my-rack")
    )


def test_the_json_has_the_cliff_and_the_waste(lint: Any) -> None:
    above, below = json.loads(lint(ABOVE, BELOW, options=("-o", "json")))["workloads"]
    assert above["cliff"] == {
        "capacity": "1vCPU 8GB",
        "over": {"cpuMillis": 0, "memoryMiB": 12},
        "atMost": {"cpuMillis": 1000, "memoryMiB": 7936},
        "hourlySaving": 0.044925,
        "monthlySaving": 32.79,
    }
    assert (above["wastePercent"], below["cliff"], below["wastePercent"]) == (38.1, None, 1.5)


def test_what_is_outside_or_can_not_run_wastes_nothing(lint: Any) -> None:
    outside = a_pod("out").in_namespace("dev").build()
    stuck = a_pod("stuck").in_namespace("prod").requesting(cpu="1", memory="8Gi").with_spec(hostPID=True).build()
    report = json.loads(lint(outside, stuck, status=1, options=("-o", "json", "--max-waste", "0")))
    assert [(each["cliff"], each["wastePercent"]) for each in report["workloads"]] == [(None, None)] * 2


@pytest.mark.parametrize(("percent", "status"), [("38", 1), ("39", 0), ("0", 1), ("100", 0)])
def test_a_pipeline_fails_where_more_is_wasted_than_may_be(lint: Any, percent: str, status: int) -> None:
    out = lint(ABOVE, status=status, options=("--max-waste", percent))
    assert (BEYOND in out) == (status == 1)
    assert (f"1 workload wastes more than {percent} % of the price (--max-waste)." in out) == (status == 1)
    report = json.loads(lint(ABOVE, status=status, options=("--max-waste", percent, "-o", "json")))
    assert report["summary"]["wasteful"] == status


def test_only_what_wastes_too_much_is_named(lint: Any) -> None:
    out = lint(ABOVE, BELOW, status=1, options=("--max-waste", "30"))
    assert [line.split()[0] for line in out.splitlines() if BEYOND in line] == ["Deployment/web"]


def test_the_smallest_size_never_fails(lint: Any) -> None:
    lint(a_deployment(cpu="10m", memory="10Mi"), options=("--max-waste", "0"))


@pytest.mark.parametrize("percent", ["-1", "101", "x", "33%"])
def test_a_bad_percentage_is_wrong_usage(lint: Any, percent: str) -> None:
    lint(ABOVE, status=2, options=("--max-waste", percent))
