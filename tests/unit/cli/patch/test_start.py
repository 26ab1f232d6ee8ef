"""`kubectl fargate patch RUNTIMECLASS` and `patch status`."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from monopod.cli import live
from monopod.kube.client.api import ApiError
from tests.unit.cli.patch.test_plan import a_pod
from tests.unit.cli.running import run

Json = dict[str, Any]
OVERDUE = {
    "phase": "Overdue", "patched": "2026-03-05T00:00:00Z", "pods": 3, "replaced": 2, "stale": 1, "blocked": 1,
    "left": 0, "progress": "2/3",
    "blockers": [{"reason": "EvictionRefused", "message": "no", "pods": 1, "examples": ["prod/web-a"]}],
    "terminations": [
        {"namespace": "prod", "name": "web-a", "uid": "a", "scheduledTerminationTime": "2026-03-15T00:00:00Z"}
    ],
}  # fmt: skip


def a_profile(name: str, runtime_class: str = "gvisor", **status: Any) -> Json:
    spec = {"selectors": [{"namespace": "prod"}], "patching": {"wait": "0m"}}
    return {"metadata": {"name": name}, "spec": spec, "status": {"runtimeClassName": runtime_class, **status}}


class FakeCluster:
    def __init__(self) -> None:
        self.pods = [a_pod("web-a"), a_pod("web-young", "2999-01-01T00:00:00Z")]
        self.profiles = [a_profile("web", patching=OVERDUE), a_profile("other", "kata")]
        self.written: list[tuple[str, Json]] = []

    def get(self, path: str) -> Json:
        if not path.endswith(("/gvisor", "/plan")):
            raise ApiError(404, "NotFound", "no")
        return {}

    def merge(self, path: str, patch: Json) -> Json:
        self.get(path)
        self.written.append((path.rpartition("/")[2], patch["metadata"]["annotations"]))
        return {}

    def list_items(self, path: str, query: Mapping[str, str] | None = None) -> list[Json]:
        return self.pods if path.endswith("/pods") else self.profiles

    def list_profiles(self, *, deleting: bool = False) -> list[Json]:
        return self.profiles

    def read_profile(self, name: str) -> Json:
        return next(each for each in self.profiles if each["metadata"]["name"] == name)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    fake = FakeCluster()
    monkeypatch.setattr(live.Cluster, "connect", lambda *_: fake)
    return fake


@pytest.mark.parametrize("words", [("patch", "gvisor"), ("patch", "start", "gvisor")], ids=["short", "whole"])
def test_the_date_and_the_reason_are_written_and_it_says_what_comes_of_it(
    cluster: FakeCluster, words: tuple[str, ...]
) -> None:
    found = run(*words, "--reason", "CVE-1", "--date", "2026-03-05T00:00:00Z", "-o", "json")
    assert found.exit_code == 0, found.output
    annotations = {"monopod.dev/patched": "2026-03-05T00:00:00Z", "monopod.dev/patch-reason": "CVE-1"}
    assert cluster.written == [("gvisor", annotations)]
    (profile,) = json.loads(found.stdout)["profiles"]
    assert (profile["profile"], profile["stale"], profile["pods"]) == ("web", 1, 2)
    assert profile["evictionsFrom"]


def test_profiles_that_had_the_class_before_are_told_for_the_pods_that_still_run_in_it(cluster: FakeCluster) -> None:
    cluster.profiles = [a_profile("web", "kata"), a_profile("other", "kata")]
    found = run("patch", "gvisor", "--reason", "x", "--dry-run", "--date", "2026-03-05T00:00:00Z", "-o", "json")
    told = json.loads(found.stdout)["profiles"]
    assert [(each["profile"], each["stale"], each["pods"]) for each in told] == [("web", 1, 2)]


def test_a_dry_run_writes_nothing(cluster: FakeCluster) -> None:
    found = run("patch", "gvisor", "--reason", "x", "--dry-run")
    assert (found.exit_code, cluster.written) == (0, [])
    assert "would be dated" in found.stdout


def test_a_class_that_is_called_like_a_command_needs_the_word_start(cluster: FakeCluster) -> None:
    assert run("patch", "start", "plan", "--reason", "x").exit_code == 0
    assert [name for name, _ in cluster.written] == ["plan"]
    assert run("patch", "plan", "--reason", "x").exit_code == 2


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("patch", "gvisor"), 2),
        (("patch", "gvisor", "--reason", " "), 2),
        (("patch", "gvisor", "--reason", "x", "--date", "2999-01-01T00:00:00Z"), 2),
        (("patch", "gvisor", "--reason", "x", "--date", "yesterday"), 2),
        (("patch", "none", "--reason", "x"), 1),
    ],
)
def test_what_cannot_be_done_is_refused(cluster: FakeCluster, words: tuple[str, ...], status: int) -> None:
    assert run(*words).exit_code == status
    assert cluster.written == []


def test_the_status_names_phases_reasons_and_terminations(cluster: FakeCluster) -> None:
    found = run("patch", "status")
    assert found.exit_code == 0, found.output
    for part in ("Overdue", "2/3", "EvictionRefused", "prod/web-a can't be evicted", "2026-03-15T00:00:00Z"):
        assert part in found.stdout
    told = json.loads(run("patch", "status", "web", "-o", "json").stdout)["profiles"]
    assert [(each["profile"], each["phase"], each["blocked"]) for each in told] == [("web", "Overdue", 1)]


@pytest.mark.parametrize(
    ("reason", "is_told"),
    [("PatchWindowInvalid", True), ("PatchDateInvalid", True), ("Paused", True), ("PatchEvicting", False)],
)
def test_the_status_says_why_nothing_goes_on(cluster: FakeCluster, reason: str, is_told: bool) -> None:
    condition = {"type": "Patched", "status": "False", "reason": reason, "message": "spec.patching.windows[0]: no"}
    cluster.profiles = [a_profile("web", conditions=[condition])]
    assert (f"web: {reason}: spec.patching.windows[0]: no" in run("patch", "status").stdout) is is_told


def test_of_a_profile_that_was_never_patched_the_status_has_nothing_to_tell(cluster: FakeCluster) -> None:
    current, unknown = ({"type": "Patched", "reason": why} for why in ("SandboxesCurrent", "PodsNotListed"))
    cluster.profiles = [a_profile("new", conditions=[current]), a_profile("other", conditions=[unknown])]
    rows = [line.split() for line in run("patch", "status").stdout.splitlines()]
    assert rows[1:3] == [["new", *"------"], ["other", "unknown", *"-----"]]
    told = json.loads(run("patch", "status", "-o", "json").stdout)["profiles"]
    assert [each["phase"] for each in told] == [None, None]
