"""`kubectl fargate patch plan`: which sandboxes a patch makes stale, in which order, and when."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from monopod.api.names import PATCHED_ANNOTATION, PROFILE_LABEL, TOPOLOGY_ZONE
from monopod.cli import live
from monopod.kube.client.api import ApiError
from tests.unit.cli.running import run

Json = dict[str, Any]

DATE = "2026-03-05T00:00:00Z"


def a_pod(name: str, start: str | None = "2026-03-01T00:00:00Z", node: str = "node-a", **spec: Any) -> Json:
    ready = [{"type": "Ready", "status": "True"}]
    labels = {PROFILE_LABEL: "web", "app": name.partition("-")[0]}
    return {
        "metadata": {"namespace": "prod", "name": name, "uid": name, "labels": labels},
        "spec": {"nodeName": node, "runtimeClassName": "gvisor", **spec},
        "status": {"phase": "Running", "conditions": ready, **({"startTime": start} if start else {})},
    }


def a_node(name: str, zone: str) -> Json:
    return {"metadata": {"name": name, "labels": {TOPOLOGY_ZONE: zone}}}


BUDGET = {
    "metadata": {"namespace": "prod", "name": "db"},
    "spec": {"selector": {"matchLabels": {"app": "db"}}},
    "status": {"disruptionsAllowed": 0, "currentHealthy": 1, "desiredHealthy": 1},
}


class FakeCluster:
    """A cluster of two zones."""

    def __init__(self) -> None:
        self.annotations: dict[str, str] = {PATCHED_ANNOTATION: DATE}
        self.pods = [
            a_pod("web-young", "2026-03-06T00:00:00Z"),
            a_pod("web-b", "2026-02-01T00:00:00Z", "node-b"),
            a_pod("web-a"),
            a_pod("db-0", "2026-02-20T00:00:00Z"),
            a_pod("kata-0", runtimeClassName="kata"),
            a_pod("waiting-0", None, ""),
        ]

    def get(self, path: str) -> Json:
        if not path.endswith("/gvisor"):
            raise ApiError(404, "NotFound", "no")
        return {"metadata": {"name": "gvisor", "annotations": self.annotations}}

    def list_items(self, path: str, query: Mapping[str, str] | None = None) -> list[Json]:
        match path.rpartition("/")[2]:
            case "pods":
                assert query == {"labelSelector": PROFILE_LABEL}
                return self.pods
            case "nodes":
                return [a_node("node-a", "eu-1a"), a_node("node-b", "eu-1b")]
            case _:
                return [BUDGET]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    fake = FakeCluster()
    monkeypatch.setattr(live.Cluster, "connect", lambda *_: fake)
    return fake


def plan(*arguments: str) -> Any:
    result = run("patch", "plan", "gvisor", "-o", "json", *arguments)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_pods_go_zone_after_zone_and_the_oldest_first(cluster: FakeCluster) -> None:
    report = plan("--wait", "0m")
    assert [(pod["zone"], pod["pod"]) for pod in report["pods"]] == [
        ("eu-1a", "db-0"), ("eu-1a", "web-a"), ("eu-1b", "web-b"),
    ]  # fmt: skip
    assert report["summary"] == {"sandboxes": 4, "stale": 3, "blocked": 1}
    assert report["pods"][0]["refusal"] == "PodDisruptionBudget db: it needs 1 healthy pods and has 1"
    assert (report["phase"], report["patched"]) == ("Evicting", DATE)
    assert (report["pods"][1]["cause"], report["pods"][1]["startedAt"]) == ("Patch", "2026-03-01T00:00:00Z")


def test_a_date_on_the_command_line_counts_before_the_annotation(cluster: FakeCluster) -> None:
    assert [pod["pod"] for pod in plan("--date", "2026-02-10T00:00:00Z")["pods"]] == ["web-b"]
    cluster.annotations = {}
    assert plan("--date", "2026-01-01T00:00:00Z")["phase"] == "Done"


def test_age_counts_without_a_patch(cluster: FakeCluster) -> None:
    cluster.annotations = {}
    report = plan("--max-pod-age", "1m")
    assert (report["patched"], {pod["cause"] for pod in report["pods"]}) == (None, {"Age"})
    assert report["summary"]["stale"] == 4


def test_the_text_says_when_evictions_would_begin(cluster: FakeCluster) -> None:
    result = run("patch", "plan", "gvisor", "--window", "0 2 * * SAT", "--time-zone", "Europe/Berlin")
    text = " ".join(result.stdout.split())
    assert "RuntimeClass gvisor, patched at 2026-03-05T00:00:00Z: 3 of 4 sandboxes are to be replaced." in text
    assert "With a notice now, evictions would begin at " in text
    assert ":00:00Z, zone after zone, the oldest pods first. 1 pod couldn't be evicted now." in text
    cluster.pods = []
    assert "none of 0 sandboxes is to be replaced." in run("patch", "plan", "gvisor").stdout


WRONG = {
    "no date anywhere": ((), "RuntimeClass gvisor doesn't say when it was patched: give --date or --max-pod-age"),
    "no time": (("--date", "tomorrow"), "--date: must be a time such as 2026-11-20T00:00:00Z, not 'tomorrow'."),
    "a time to come": (("--date", "2999-01-01T00:00:00Z"), "--date: lies in the future: no sandbox is older yet"),
    "no duration": (("--wait", "7"), "--wait: must be a duration such as 7d, 36h or 1h30m, not '7'."),
    "too long a wait": (("--wait", "15d"), "--wait: is at most 14 days."),
    "no age": (("--max-pod-age", "old"), "--max-pod-age: must be a duration such as"),
    "no schedule": (("--window", "SAT"), "--window: must have five fields"),
    "a schedule that never comes": (("--window", "0 2 30 2 *"), "--window: the schedule '0 2 30 2 *' never comes."),
    "too short a window": (("--window", "0 2 * * *", "--duration", "1m"), "--window: a window lasts 15 minutes to"),
    "no time zone": (("--time-zone", "Berlin"), "--time-zone: there is no time zone 'Berlin'."),
    "a path for a time zone": (("--time-zone", "../etc/passwd"), "--time-zone: '../etc/passwd' is no time zone."),
}


@pytest.mark.parametrize(("arguments", "message"), WRONG.values(), ids=WRONG)
def test_what_cant_be_read_ends_with_status_2(cluster: FakeCluster, arguments: tuple[str, ...], message: str) -> None:
    cluster.annotations = {}
    result = run("patch", "plan", "gvisor", *arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_a_bad_annotation_is_told_with_its_place(cluster: FakeCluster) -> None:
    cluster.annotations = {PATCHED_ANNOTATION: "last week"}
    result = run("patch", "plan", "gvisor")
    assert (result.exit_code, "metadata.annotations[monopod.dev/patched]: must be a time" in result.stderr) == (2, True)


@pytest.mark.parametrize("arguments", [(), ("--date", DATE)], ids=["", "with a date"])
def test_another_class_ends_with_status_1(cluster: FakeCluster, arguments: tuple[str, ...]) -> None:
    result = run("patch", "plan", "runsc", *arguments)
    assert (result.exit_code, "There is no RuntimeClass runsc." in result.stderr) == (1, True)
