"""`kubectl fargate nodes`: a line for each sandboxed pod."""

import csv
import io
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from monopod.api.names import CAPACITY_ANNOTATION, CAPACITY_PROVIDER_LABEL, PROFILE_LABEL, STORAGE_ANNOTATION
from monopod.cli import live
from monopod.cli.input.prices import read_prices
from monopod.cli.nodes.listing import NOT_SCHEDULED, list_sandboxed_pods
from monopod.cli.nodes.output import describe_age
from monopod.pods.rules.size import PodSize
from tests.unit.cli.running import run

Json = dict[str, Any]

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
PRICES = read_prices("us-east-1", "x86")


def a_sandboxed_pod(name: str = "web-1", *, node: str = "host-a", capacity: str = "1vCPU 2GB", **spec: object) -> Json:
    return {
        "metadata": {
            "namespace": "prod",
            "name": name,
            "uid": name,
            "resourceVersion": "7",
            "creationTimestamp": "2026-03-01T11:58:30Z",
            "labels": {PROFILE_LABEL: "web"},
            "annotations": {CAPACITY_ANNOTATION: capacity},
        },
        "spec": {"containers": [{"name": "app"}], "runtimeClassName": "kata", "nodeName": node, **spec},
        "status": {"phase": "Running" if node else "Pending"},
    }


def waiting(pod: Json, reason: str) -> Json:
    pod["status"]["conditions"] = [{"type": "PodScheduled", "status": "False", "reason": reason}]
    return pod


def read(pod: Json) -> Any:
    (found,) = list_sandboxed_pods([pod], PRICES, NOW)
    return found


def test_size_sandbox_host_age_and_price() -> None:
    found = read(a_sandboxed_pod())
    assert (found.size, found.sandbox, found.host, found.waiting) == (PodSize(1000, 2048), "kata", "host-a", "")
    assert found.age_seconds == 90
    assert str(found.hourly) == "0.049370"  # 0.04048 + 2 × 0.004445


def test_a_pod_for_arm_has_arms_price_where_there_is_one() -> None:
    found = read(a_sandboxed_pod(nodeSelector={"kubernetes.io/arch": "arm64"}))
    assert found.architecture == "arm"
    assert found.hourly == PRICES.compute_hourly("arm", PodSize(1000, 2048))


def test_a_pod_without_a_node_says_why() -> None:
    assert read(waiting(a_sandboxed_pod(node=""), "SchedulingGated")).waiting == "SchedulingGated"
    assert read(a_sandboxed_pod(node="")).waiting == NOT_SCHEDULED


def test_what_cannot_be_read_is_a_line_without_size_and_price() -> None:
    pod = a_sandboxed_pod()
    pod["metadata"]["annotations"] = {}
    pod["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "many"}}
    found = read(pod)
    assert (found.size, found.hourly, found.host) == (None, None, "host-a")


def test_pods_of_no_profile_and_those_that_have_ended_are_left_out() -> None:
    ended, other = a_sandboxed_pod("a"), a_sandboxed_pod("b")
    ended["status"]["phase"] = "Succeeded"
    other["metadata"]["labels"] = {}
    assert list_sandboxed_pods([ended, other], PRICES, NOW) == []


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0s"), (59, "59s"), (60, "1m"), (3_599, "59m"), (3_660, "1h1m"), (86_400, "1d"), (273_600, "3d4h")],
)
def test_ages_are_written_as_kubectl_does(seconds: int, told: str) -> None:
    assert describe_age(seconds) == told


class FakeCluster:
    """Pods, and what was asked for."""

    def __init__(self, pods: list[Json]) -> None:
        self.pods = pods
        self.asked: list[tuple[str, Mapping[str, str]]] = []

    def list_items(self, path: str, query: Mapping[str, str]) -> list[Json]:
        self.asked.append((path, query))
        return self.pods


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    gated = waiting(a_sandboxed_pod("web-2", node="", capacity="0.25vCPU 0.5GB"), "Unschedulable")
    unreadable = a_sandboxed_pod("web-3")
    unreadable["metadata"]["uid"] = ""
    fake = FakeCluster([gated, a_sandboxed_pod(), unreadable])
    monkeypatch.setattr(live.Cluster, "connect", lambda *_: fake)
    return fake


def test_the_table_has_a_line_for_each(cluster: FakeCluster) -> None:
    lines = run("nodes").stdout.splitlines()
    assert lines[0].split() == ["NAMESPACE", "POD", "SIZE", "SANDBOX", "NODE", "AGE", "USD/HOUR"]
    assert [line.split()[1] for line in lines[1:4]] == ["web-1", "web-2", "web-3"]
    assert "1vCPU 2GB" in lines[1]
    assert lines[1].endswith("0.0494")
    assert "(Unschedulable)" in lines[2]
    assert "(unreadable)" in lines[3]
    assert lines[-2].startswith("2 pods on 1 node: 0.0494 USD an hour at the prices of us-east-1 since ")
    assert lines[-1].startswith("1 pod without a node, which costs nothing yet; ")
    assert cluster.asked == [("/api/v1/pods", {"labelSelector": PROFILE_LABEL})]


def test_what_else_a_price_depends_on_is_told_with_the_size(cluster: FakeCluster) -> None:
    pod = a_sandboxed_pod(nodeSelector={"kubernetes.io/arch": "arm64"})
    pod["metadata"]["labels"][CAPACITY_PROVIDER_LABEL] = "FARGATE_SPOT"
    pod["metadata"]["annotations"][STORAGE_ANNOTATION] = "60Gi"
    cluster.pods = [pod]
    assert "  1vCPU 2GB, 60GB disk, ARM, Spot  " in run("nodes").stdout
    (row,) = json.loads(run("nodes", "-o", "json").stdout)["pods"]
    assert (row["storageGib"], row["architecture"], row["capacityProvider"]) == (60, "arm", "FARGATE_SPOT")


def test_pods_that_all_wait_cost_nothing_yet(cluster: FakeCluster) -> None:
    cluster.pods = [waiting(a_sandboxed_pod(name, node=""), "Unschedulable") for name in ("a", "b")]
    lines = run("nodes").stdout.splitlines()
    assert lines[-1].startswith("2 pods without a node, which cost nothing yet; ")
    assert json.loads(run("nodes", "-o", "json").stdout)["hourly"] == "0"


def test_without_pods_it_says_where_there_are_none(cluster: FakeCluster) -> None:
    cluster.pods = []
    assert run("nodes").stdout == "No FargateProfile has a pod in any namespace.\n"


def test_one_namespace_is_asked_for_alone(cluster: FakeCluster) -> None:
    cluster.pods = []
    assert run("nodes", "-n", "prod").stdout == "No FargateProfile has a pod in namespace prod.\n"
    assert cluster.asked[0][0] == "/api/v1/namespaces/prod/pods"


def test_json_has_every_field_also_where_nothing_is_known(cluster: FakeCluster) -> None:
    answer = json.loads(run("nodes", "-o", "json").stdout)
    first, second, third = answer["pods"]
    assert (first["node"], first["waiting"], first["capacity"]) == ("host-a", None, "1vCPU 2GB")
    assert (second["node"], second["waiting"]) == (None, "Unschedulable")
    assert (third["capacity"], third["hourly"], third["runtimeClassName"]) == (None, None, "kata")
    assert answer["book"]["name"] == "us-east-1"
    assert float(answer["hourly"]) == pytest.approx(0.04937)


def test_csv_has_a_head_and_a_row_for_each(cluster: FakeCluster) -> None:
    rows = list(csv.DictReader(io.StringIO(run("nodes", "-o", "csv").stdout)))
    assert [row["pod"] for row in rows] == ["web-1", "web-2", "web-3"]
    assert rows[0]["hourly"] == "0.049370"


def test_an_unknown_region_is_told(cluster: FakeCluster) -> None:
    result = run("nodes", "--region", "nowhere")
    assert (result.exit_code, "There is no price book 'nowhere'" in result.stderr) == (2, True)
