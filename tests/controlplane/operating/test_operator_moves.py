"""Pods that exist already are moved, whatever controls them, on a cluster whose fake nodes run pods."""

from collections.abc import Iterator

import pytest

from lab.installation import apply_api
from tests.clusters import run_control_plane
from tests.controlplane.operating.conftest import StartOperator
from tests.controlplane.operating.lab import Lab, eventually
from tests.controlplane.operating.moving import (
    QUICK,
    await_all_moved,
    create_namespace,
    marks,
    progress,
    protect,
    ready_pods,
    run_workload,
)
from tests.controlplane.operating.observer import Observer


@pytest.fixture(scope="module")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with run_control_plane("moves", fake_nodes=2) as cluster:
        apply_api(cluster.lab)
        lab = Lab(cluster, tmp_path_factory.mktemp("moves"))
        default = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}
        eventually(lambda: lab.as_operator("POST", "/api/v1/namespaces", default) == 403)
        yield lab


def test_a_deployments_pods_are_replaced_one_after_the_other(lab: Lab, start: StartOperator) -> None:
    operator = start(*QUICK)
    create_namespace(lab, "gentle")
    run_workload(lab, "Deployment", "gentle", 5)
    protect(lab, "gentle", 4)
    with Observer(lab, "gentle") as observer:
        lab.create_profile("web", "gentle")
        eventually(lambda: progress(lab, "web").get("pods") == 5)
        await_all_moved(lab, "web")
    assert marks(lab, "gentle") == {"web"}
    eventually(lambda: len(ready_pods(lab, "gentle")) == 5)
    assert observer.fewest == 4
    assert len(observer.ended) == 5
    assert progress(lab, "web")["progress"] == "5/5"
    assert operator.metric('monopod_evictions_total{answer="evicted",purpose="rescheduling"}') == 5
    assert operator.metric('monopod_rescheduling_pods{profile="web",state="moved"}') == 5
    reasons = {event["reason"] for event in lab.events("default", "web")}
    assert reasons >= {"ReschedulingStarted", "ReschedulingFinished"}
    moved = next(iter(observer.ended))
    assert "Rescheduled" in {event["reason"] for event in lab.events("gentle", moved)}
