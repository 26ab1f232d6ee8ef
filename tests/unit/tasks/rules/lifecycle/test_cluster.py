"""A cluster's life, step by step."""

import datetime
from dataclasses import replace
from typing import Any

import pytest

from monopod.tasks.rules.lifecycle.cluster import (
    KEPT,
    LOOK,
    SETTLING,
    CreateNamespace,
    DeleteCluster,
    DeleteNamespace,
    Namespace,
    Report,
    Step,
    build_namespace,
    build_profile,
    decide_step,
    read_namespace,
)

NOW = datetime.datetime(2026, 11, 29, 8, tzinfo=datetime.UTC)
BEFORE = "2026-11-29T07:00:00Z"


def a_cluster(*, active: bool = True, **status: str) -> dict[str, Any]:
    return {"metadata": {"name": "web", "uid": "c1"}, "spec": {"active": active}, "status": status}


OURS = read_namespace({"metadata": {**build_namespace(a_cluster())["metadata"], "uid": "n1"}})


TASK = {"metadata": {"name": "0" * 32, "finalizers": ["example.com/hold", "example.com/b"]}}


def decide(cluster: dict[str, Any], namespace: Namespace | None, *, left: Any = None) -> Step:
    return decide_step(cluster, namespace, NOW, left=left)


def test_a_new_clusters_namespace_is_made() -> None:
    step = decide(a_cluster(), None)
    assert isinstance(step, CreateNamespace)
    assert step.report.status == {"phase": "PROVISIONING", "since": "2026-11-29T08:00:00Z", "namespace": "ecs-web"}


def test_a_cluster_with_its_namespace_is_active_since_the_moment_that_it_became_so() -> None:
    assert decide(a_cluster(phase="PROVISIONING", since=BEFORE), OURS) == Report(
        {"phase": "ACTIVE", "since": "2026-11-29T08:00:00Z", "namespace": "ecs-web"}
    )
    active: dict[str, Any] = {"phase": "ACTIVE", "since": BEFORE, "namespace": "ecs-web"}
    assert decide(a_cluster(**active), OURS) == Report(active)


@pytest.mark.parametrize(
    "namespace",
    [Namespace("n1"), Namespace("n1", cluster="web"), Namespace("n1", cluster="other")],
    ids=["without marks", "with our label", "with another's label"],
)
def test_a_namespace_that_is_not_ours_is_left_alone(namespace: Namespace) -> None:
    step = decide(a_cluster(), namespace)
    assert isinstance(step, Report)
    assert step.status["phase"] == "FAILED"
    assert "There is a namespace ecs-web already" in step.status["message"]
    gone = decide(a_cluster(active=False, phase="INACTIVE", since=BEFORE), namespace)
    assert gone == DeleteCluster()


@pytest.mark.parametrize(
    "namespace",
    [Namespace("n1", cluster="web", owner="c0"), Namespace("n1", cluster="web", owner="c1", is_going=True)],
    ids=["of an earlier cluster", "its own that goes"],
)
def test_a_namespace_that_goes_is_waited_for(namespace: Namespace) -> None:
    step = decide(a_cluster(), namespace)
    assert isinstance(step, Report)
    assert (step.status["phase"], step.again) == ("PROVISIONING", LOOK)


def test_a_deleted_clusters_namespace_goes_once_nothing_is_left_in_it() -> None:
    fresh = decide(a_cluster(active=False, phase="ACTIVE", since=BEFORE), OURS)
    assert isinstance(fresh, Report)
    assert fresh.status["phase"] == "INACTIVE"
    since = (NOW - SETTLING).strftime("%Y-%m-%dT%H:%M:%SZ")
    settled = a_cluster(active=False, phase="INACTIVE", since=since)
    assert isinstance(decide(settled, OURS, left=TASK), Report)
    step = decide(settled, OURS)
    assert isinstance(step, DeleteNamespace)
    assert step.uid == "n1"
    going = decide(settled, Namespace("n1", cluster="web", owner="c1", is_going=True))
    assert going == Report({"phase": "INACTIVE", "since": since, "namespace": "ecs-web"}, LOOK)


def test_a_deleted_cluster_goes_an_hour_later() -> None:
    half = (NOW - KEPT / 2).strftime("%Y-%m-%dT%H:%M:%SZ")
    step = decide(a_cluster(active=False, phase="INACTIVE", since=half), None)
    assert step == Report({"phase": "INACTIVE", "since": half, "namespace": "ecs-web"}, KEPT / 2)
    assert decide(a_cluster(active=False, phase="INACTIVE", since=BEFORE), None) == DeleteCluster()


def test_a_deleted_cluster_with_tasks_stays_with_its_namespace_however_long() -> None:
    long_ago = a_cluster(active=False, phase="INACTIVE", since="2026-01-01T00:00:00Z")
    assert isinstance(decide(long_ago, OURS, left=TASK), Report)


@pytest.mark.parametrize("namespace", [OURS, replace(OURS, is_going=True)], ids=["kept", "going"])
def test_a_deleted_cluster_says_which_task_is_kept_by_its_finalizers(namespace: Namespace) -> None:
    long_ago = a_cluster(active=False, phase="INACTIVE", since="2026-01-01T00:00:00Z")
    step = decide(long_ago, namespace, left=TASK)
    assert isinstance(step, Report)
    assert "message" not in step.status
    step = decide(long_ago, namespace, left={"metadata": {**TASK["metadata"], "deletionTimestamp": BEFORE}})
    assert isinstance(step, Report)
    assert step.status["message"] == (
        f"The namespace stays as long as the task {'0' * 32}, which was deleted and is kept by its finalizers: "
        "example.com/hold, example.com/b. Remove these if nothing else does."
    )


def test_a_status_that_somebody_broke_begins_again() -> None:
    step = decide(a_cluster(active=False, phase="INACTIVE", since="yesterday"), None)
    assert isinstance(step, Report)
    assert step.status["since"] == "2026-11-29T08:00:00Z"


def test_the_profile_takes_the_pods_of_tasks_alone() -> None:
    (selector,) = build_profile()["spec"]["selectors"]
    assert selector == {"namespace": "ecs-*", "labels": {"ecs.monopod.dev/task": "*"}}
