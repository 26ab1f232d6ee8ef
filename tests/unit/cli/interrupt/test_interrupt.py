"""`kubectl fargate interrupt`: what is chosen, sent and told."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from monopod.api.names import CAPACITY_PROVIDER_LABEL, PROFILE_LABEL
from monopod.cli import live
from monopod.cli.failure import Missing
from monopod.kube.client.api import ApiError, Cause, ServerTrouble
from tests.unit.cli.running import run

Json = dict[str, Any]


def a_pod(name: str) -> Json:
    labels = {PROFILE_LABEL: "batch", CAPACITY_PROVIDER_LABEL: "FARGATE_SPOT"}
    return {
        "metadata": {"namespace": "prod", "name": name, "uid": name, "labels": labels},
        "spec": {"nodeName": "node-a", "containers": [], "terminationGracePeriodSeconds": 600},
        "status": {"phase": "Running"},
    }


class FakeCluster:
    """Twenty pods of a profile, what was asked of them, and the errors that come instead of answers."""

    namespace = "prod"

    def __init__(self) -> None:
        self.pods = [a_pod(f"job-{number}") for number in range(20)]
        self.sent: list[tuple[str, str, Any]] = []
        self.error: Exception | None = None
        self.listed = ""

    def list_items(self, path: str, query: Mapping[str, str]) -> list[Json]:
        self.listed = path
        return [pod for pod in self.pods if f"{PROFILE_LABEL}=batch" == query["labelSelector"]]

    def read_profile(self, name: str) -> Json:
        if name != "empty":
            raise Missing(f"There is no FargateProfile {name}.")
        return {}

    def read_pod(self, name: str, namespace: str) -> Json:
        return next(pod for pod in self.pods if pod["metadata"]["name"] == name)

    def _send(self, verb: str, path: str, what: Any) -> None:
        self.sent.append((verb, path, what))
        if self.error:
            raise self.error

    def apply(self, path: str, body: Json) -> None:
        self._send("apply", path, body)

    def create(self, path: str, body: Json) -> None:
        self._send("create", path, body)

    def delete(self, path: str, uid: str = "", *, grace_seconds: int | None = None) -> None:
        self._send("delete", path, (uid, grace_seconds))


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    fake = FakeCluster()
    monkeypatch.setattr(live.Cluster, "connect", lambda *_: fake)
    return fake


def interrupt(*arguments: str, status: int = 0) -> Any:
    result = run("interrupt", *arguments, "-o", "json")
    assert result.exit_code == status, result.stderr
    return json.loads(result.stdout)


FIFTH = ("--profile", "batch", "--percent", "25", "--seed", "7")


def test_a_dry_run_chooses_and_sends_nothing_and_the_drill_chooses_the_same(cluster: FakeCluster) -> None:
    tried = interrupt(*FIFTH, "--dry-run")
    assert {pod["outcome"] for pod in tried["pods"]} == {"WouldBeInterrupted"}
    assert (len(tried["pods"]), tried["candidates"], tried["seed"]) == (5, 20, "7")
    assert cluster.sent == []
    done = interrupt(*FIFTH)
    assert [pod["pod"] for pod in done["pods"]] == [pod["pod"] for pod in tried["pods"]]
    assert {pod["outcome"] for pod in done["pods"]} == {"Interrupted"}
    assert len(cluster.sent) == 10


def test_a_pod_is_marked_as_disrupted_and_then_deleted_within_two_minutes(cluster: FakeCluster) -> None:
    [pod] = interrupt("job-3")["pods"]
    assert (pod["capacityProvider"], pod["graceSeconds"], pod["profile"]) == ("FARGATE_SPOT", 120, "batch")
    (first, status, body), (second, path, deleted) = cluster.sent
    assert (first, status) == ("apply", "/api/v1/namespaces/prod/pods/job-3/status")
    assert body["status"]["conditions"][0]["reason"] == "SpotInterruption"
    assert (second, path, deleted) == ("delete", "/api/v1/namespaces/prod/pods/job-3", ("job-3", 120))


def test_with_budgets_respected_it_is_an_eviction(cluster: FakeCluster) -> None:
    interrupt("job-3", "--respect-budgets")
    [(verb, path, body)] = cluster.sent
    assert (verb, path) == ("create", "/api/v1/namespaces/prod/pods/job-3/eviction")
    assert body["deleteOptions"] == {"preconditions": {"uid": "job-3"}, "gracePeriodSeconds": 120}


BUDGET = ServerTrouble(429, "TooManyRequests", "no", (Cause("DisruptionBudget", "The disruption budget job needs 20"),))
ANSWERS: dict[str, tuple[tuple[str, ...], Exception, str, int]] = {
    "a budget": (("--respect-budgets",), BUDGET, "Blocked", 1),
    "no rights": ((), ApiError(403, "Forbidden", "may not patch pods/status"), "Failed", 1),
    "gone": ((), ApiError(404, "NotFound", "gone"), "Gone", 0),
    "gone, and evicted": (("--respect-budgets",), ApiError(404, "NotFound", "gone"), "Gone", 0),
    "another of its name": ((), ApiError(409, "Conflict", "uid mismatch: the object has another"), "Gone", 0),
    "another conflict": ((), ApiError(409, "Conflict", "try again"), "Failed", 1),
}


@pytest.mark.parametrize(("options", "error", "outcome", "status"), ANSWERS.values(), ids=ANSWERS)
def test_what_keeps_a_pod_is_told_and_others_go_on(
    cluster: FakeCluster, options: tuple[str, ...], error: Exception, outcome: str, status: int
) -> None:
    cluster.error = error
    pods = interrupt("job-3", "job-4", *options, status=status)["pods"]
    assert [pod["outcome"] for pod in pods] == [outcome] * 2
    assert all(bool(pod["message"]) == bool(status) for pod in pods)


def test_the_text_has_a_line_for_each_and_the_seed(cluster: FakeCluster) -> None:
    text = " ".join(run("interrupt", *FIFTH, "--dry-run", "-n", "prod").stdout.split())
    assert "on Spot 120s would be interrupted" in text
    assert "5 of 20 pods: 5 would be interrupted. The same pods again: --seed 7." in text
    assert cluster.listed == "/api/v1/namespaces/prod/pods"
    drawn = interrupt("--profile", "batch", "--percent", "1", "--dry-run")
    assert drawn["seed"].isdigit()


WRONG: dict[str, tuple[tuple[str, ...], int, str]] = {
    "neither": ((), 2, "Give either POD or --profile."),
    "both": (("job-1", *FIFTH), 2, "Give either POD or --profile."),
    "no percentage": (("--profile", "batch"), 2, "--profile needs --percent"),
    "a seed for a named pod": (("job-1", "--seed", "7"), 2, "--percent and --seed go with --profile."),
    "an empty seed": (("--profile", "batch", "--percent", "1", "--seed", ""), 2, "--seed is empty."),
    "nothing": (("--profile", "batch", "--percent", "0"), 2, "0 is not in the range"),
    "no such profile": (("--profile", "other", "--percent", "1"), 1, "There is no FargateProfile other."),
    "no pods": (("--profile", "empty", "--percent", "1", "-n", "prod"), 1, "FargateProfile empty in namespace prod."),
}


@pytest.mark.parametrize(("arguments", "status", "message"), WRONG.values(), ids=WRONG)
def test_what_cant_be_done_is_said(cluster: FakeCluster, arguments: tuple[str, ...], status: int, message: str) -> None:
    result = run("interrupt", *arguments)
    assert (result.exit_code, message in " ".join(result.stderr.split())) == (status, True), result.stderr


def test_a_pod_that_isnt_running_by_a_profile_is_refused(cluster: FakeCluster) -> None:
    del cluster.pods[0]["metadata"]["labels"]
    result = run("interrupt", "job-0")
    assert (result.exit_code, "isn't a running pod of a profile" in result.stderr) == (1, True)
