"""Workloads that find no room on Spot run on demand for a while: real scheduler and controllers, fake nodes."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monopod.api.names import CAPACITY_PROVIDER_LABEL, ON_DEMAND_ANNOTATION
from tests.controlplane.operating.conftest import StartOperator, run_lab
from tests.controlplane.operating.lab import Json, Lab, eventually
from tests.controlplane.operating.moving import (
    QUICK,
    build_pod_spec,
    create_namespace,
    fill_nodes,
    pods_of,
    protect,
    ready_pods,
    run_workload,
    uids,
)

SPOT_NODE, OTHER_NODE = "kwok-0", "kwok-1"
ON_SPOT_NODES = "--spot-node-label=kind=spot"
PROFILE = "thrifty"
NAMES = itertools.count()


BEARS_IT: Json = {
    "completions": 2,
    "backoffLimit": 0,
    "podReplacementPolicy": "Failed",
    "podFailurePolicy": {"rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]},
}


def later(seconds: int) -> str:
    """Moves an operator's clock."""
    return f"""
import datetime
from monopod.kube.clock import SystemClock
now = SystemClock.now
SystemClock.now = lambda clock: now(clock) + datetime.timedelta(seconds={seconds})
"""


LONG_SETTLING = """
from monopod.spot.rules import fallback
fallback.SETTLED = datetime.timedelta(minutes=5)
"""
"""After `later`: so long after a workload is on demand its first pod goes, which gives a test time for a look."""


@pytest.fixture(scope="module")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Two nodes, one of which is Spot's, and full."""
    with run_lab("fallback", tmp_path_factory.mktemp("fallback"), fake_nodes=2) as lab:
        lab.patch("Node", SPOT_NODE, {"metadata": {"labels": {"kind": "spot"}}})
        yield lab


@pytest.fixture
def namespace(lab: Lab) -> Iterator[str]:
    """A namespace of its own; Spot's node is full."""
    name = f"fallback-{next(NAMES)}"
    create_namespace(lab, name)
    fill_nodes(lab, SPOT_NODE)
    yield name
    lab.kubectl("delete", "deployments,statefulsets,jobs,pods", "--all", "-n", name, "--force", "--grace-period=0")
    free(lab)


def free(lab: Lab) -> None:
    lab.kubectl("delete", "pods", "-n", "default", "-l", "full=yes", "--force", "--grace-period=0")


def create_profile(lab: Lab, namespace: str) -> None:
    strategy = [{"capacityProvider": "FARGATE_SPOT"}]
    spot = {"fallback": "OnDemand", "fallbackAfter": "30s"}
    lab.create_profile(PROFILE, namespace, capacityProviderStrategy=strategy, spot=spot)
    lab.becomes_active(PROFILE)


def on_demand(lab: Lab, namespace: str) -> str:
    metadata = (lab.get("Namespace", namespace) or {"metadata": {}})["metadata"]
    return str(metadata.get("annotations", {}).get(ON_DEMAND_ANNOTATION, ""))


def read_spell(lab: Lab, namespace: str, owner: str) -> tuple[str, str]:
    """Whether the workload is on demand ("=") or was ("~"), and how often in a row."""
    spell = find_spell(lab, namespace, owner)
    return spell[:1], spell.rpartition(",")[2]


def read_end(lab: Lab, namespace: str, owner: str) -> datetime:
    return datetime.fromisoformat(find_spell(lab, namespace, owner)[1:].rpartition(",")[0])


def find_spell(lab: Lab, namespace: str, owner: str) -> str:
    start = f"{PROFILE}/{owner}"
    return next((each.removeprefix(start) for each in on_demand(lab, namespace).split() if each.startswith(start)), "")


def find_replica_set(lab: Lab, namespace: str) -> Json:
    return dict(lab.list_all("ReplicaSet", namespace)[0]["metadata"])


def runs_on(pods: list[Json]) -> set[tuple[Any, Any]]:
    return {(pod["spec"].get("nodeName"), pod["metadata"]["labels"].get(CAPACITY_PROVIDER_LABEL)) for pod in pods}


def await_ready(lab: Lab, namespace: str, name: str, count: int) -> None:
    eventually(lambda: len(ready_pods(lab, namespace, name)) == count)


def reasons(lab: Lab, namespace: str, about: str) -> set[str]:
    return {event["reason"] for event in lab.events(namespace, about)}


def test_a_workload_is_on_demand_for_a_while_and_on_spot_again_whoever_is_killed(
    lab: Lab, start: StartOperator, namespace: str
) -> None:
    slow = start(*QUICK, "--evictions-per-minute", "1", ON_SPOT_NODES, patch=later(60) + LONG_SETTLING)
    create_profile(lab, namespace)
    run_workload(lab, "Deployment", namespace, 3, await_ready=False)
    protect(lab, namespace, "100%")
    bare = {"name": "bare", "namespace": namespace}
    lab.create({"apiVersion": "v1", "kind": "Pod", "metadata": bare, "spec": build_pod_spec()}).expect_ok()
    eventually(lambda: len(uids(lab, namespace, "web")) == 3)
    assert runs_on(pods_of(lab, namespace)) == {(None, "FARGATE_SPOT")}
    before = uids(lab, namespace, "web")
    owner = eventually(lambda: find_replica_set(lab, namespace))
    eventually(lambda: on_demand(lab, namespace).startswith(f"{PROFILE}/{owner['uid']}="))
    slow.kill()
    assert uids(lab, namespace, "web") == before, "nobody goes before the operator has seen what it wrote, and waited"

    quick = start(*QUICK, ON_SPOT_NODES, patch=later(70))
    eventually(lambda: len(ready_pods(lab, namespace, "web")) == 3)
    assert runs_on(ready_pods(lab, namespace, "web")) == {(OTHER_NODE, None)}
    assert not uids(lab, namespace, "web") & before
    eventually(lambda: quick.metric('monopod_evictions_total{answer="evicted",purpose="spot"}') == 3)
    eventually(lambda: "SpotFallback" in reasons(lab, namespace, owner["name"]))
    eventually(lambda: "SpotFallbackRefused" in reasons(lab, namespace, "bare"))
    assert runs_on(pods_of(lab, namespace, "bare") or [lab.get("Pod", "bare", namespace) or {}]) == {
        (None, "FARGATE_SPOT")
    }
    quick.kill()

    start(*QUICK, ON_SPOT_NODES, patch=later(60 + 12 * 60))
    eventually(lambda: on_demand(lab, namespace).startswith(f"{PROFILE}/{owner['uid']}~"))
    free(lab)
    lab.kubectl("scale", "deployment/web", "--replicas=5", "-n", namespace)
    eventually(lambda: len(ready_pods(lab, namespace, "web")) == 5)
    found = [(each["spec"]["nodeName"]) for each in ready_pods(lab, namespace, "web")]
    assert sorted(found) == [SPOT_NODE] * 2 + [OTHER_NODE] * 3, "those that run stay what they are"


def test_a_stateful_set_and_a_job_that_bears_it_fall_back_and_twice_as_long_the_next_time(
    lab: Lab, start: StartOperator, namespace: str
) -> None:
    first = start(*QUICK, ON_SPOT_NODES, patch=later(60))
    create_profile(lab, namespace)
    once: Json = {"restartPolicy": "Never"}
    run_workload(lab, "StatefulSet", namespace, 2, name="store", await_ready=False)
    run_workload(lab, "Job", namespace, 2, name="batch", await_ready=False, spec=BEARS_IT, **once)
    run_workload(lab, "Job", namespace, 1, name="strict", await_ready=False, spec={"backoffLimit": 0}, **once)
    strict = eventually(lambda: uids(lab, namespace, "strict"))
    for name, count in (("store", 2), ("batch", 2)):
        await_ready(lab, namespace, name, count)
        assert runs_on(pods_of(lab, namespace, name)) == {(OTHER_NODE, None)}
    assert {pod["metadata"]["name"] for pod in pods_of(lab, namespace, "store")} == {"store-0", "store-1"}
    job = lab.get("Job", "batch", namespace) or {}
    assert not job["status"].get("failed"), "an eviction is no failure of it"
    for name in ("store", "batch"):
        eventually(lambda: "SpotFallback" in reasons(lab, namespace, name))  # noqa: B023 called at once
    [kept] = pods_of(lab, namespace, "strict")
    assert {kept["metadata"]["uid"]} == strict, "its Job would count the deletion as a failure"
    assert runs_on([kept]) == {(None, "FARGATE_SPOT")}
    eventually(lambda: "SpotFallbackRefused" in reasons(lab, namespace, kept["metadata"]["name"]))
    owner = (lab.get("StatefulSet", "store", namespace) or {})["metadata"]["uid"]
    assert read_spell(lab, namespace, owner) == ("=", "1")
    first.kill()

    start(*QUICK, ON_SPOT_NODES, patch=later(60 + 12 * 60))
    eventually(lambda: read_spell(lab, namespace, owner) == ("~", "1"))
    began = datetime.now(UTC)
    lab.kubectl("scale", "statefulset/store", "--replicas=3", "-n", namespace)
    eventually(lambda: read_spell(lab, namespace, owner) == ("=", "2"))
    end = read_end(lab, namespace, owner)
    # By the operator's clock, which is thirteen minutes ahead; the end is cut to a second.
    assert began <= end - timedelta(minutes=13 + 20) + timedelta(seconds=1)
    assert end - timedelta(minutes=13 + 20) <= datetime.now(UTC)
    eventually(lambda: len(ready_pods(lab, namespace, "store")) == 3)
    assert runs_on(pods_of(lab, namespace, "store")) == {(OTHER_NODE, None)}


def test_pods_that_run_or_wait_for_something_else_are_left_alone(
    lab: Lab, start: StartOperator, namespace: str
) -> None:
    free(lab)
    operator = start(*QUICK, ON_SPOT_NODES, patch=later(300))
    create_profile(lab, namespace)
    run_workload(lab, "Deployment", namespace, 2)
    gates = [{"name": "example.com/later"}]
    run_workload(lab, "Deployment", namespace, 1, name="gated", await_ready=False, schedulingGates=gates)
    large = [{"name": "app", "image": "app", "resources": {"requests": {"cpu": "16"}}}]
    run_workload(lab, "Deployment", namespace, 3, name="large", containers=large)
    before = {name: uids(lab, namespace, name) for name in ("web", "gated", "large")}
    lab.kubectl("scale", "deployment/large", "--replicas=5", "-n", namespace)
    eventually(lambda: len(ready_pods(lab, namespace, "large")) == 5)
    nodes = [each["spec"]["nodeName"] for each in ready_pods(lab, namespace, "large")]
    assert sorted(nodes) == [SPOT_NODE] * 3 + [OTHER_NODE] * 2
    eventually(lambda: operator.metric('monopod_evictions_total{answer="evicted",purpose="spot"}') == 2)
    after = {name: uids(lab, namespace, name) for name in before}
    assert (after["web"], after["gated"], before["large"] <= after["large"]) == (before["web"], before["gated"], True)
