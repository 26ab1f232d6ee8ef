"""A thousand pods move into their sandboxes, and no workload lacks more than it may, whenever the operator is killed.

By default a smaller number, as much as a run of all tests has time for: MONOPOD_RESCHEDULED_PODS=1000 is the whole.
"""

import os
import random
import time
from collections.abc import Iterator, Mapping

import pytest

from lab.cluster.kwok import TAINT
from tests.controlplane.operating.conftest import StartOperator, run_lab
from tests.controlplane.operating.instants import Instants
from tests.controlplane.operating.lab import Json, Lab, OperatorProcess, eventually

NAMESPACE = "many"
DEPLOYMENTS = 50
REPLICAS = int(os.environ.get("MONOPOD_RESCHEDULED_PODS") or 250) // DEPLOYMENTS
PODS = DEPLOYMENTS * REPLICAS
MAX_UNAVAILABLE = max(1, REPLICAS // 10)
"""The profile's default: 10 %, rounded down, but at least one."""
KILLS = 20 if PODS >= 1000 else 6
PER_MINUTE = 1200
"""So quick that a second pod could go before the first one's replacement is Ready, if nothing held it back."""
FLAGS = ("--no-leader-elect", "--evictions-per-minute", str(PER_MINUTE))
PODS_PER_NODE = 40
"""A fake node has 1 TiB for the 20 GiB that each sandboxed pod is provisioned with."""
MOVED_SECONDS = 120 + PODS
CHANGES_PER_POD = 6
"""At least so many changes come of a pod's move; kills are spread over them."""


@pytest.fixture(scope="module")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with run_lab("rescheduling", tmp_path_factory.mktemp("rescheduling"), fake_nodes=2 + PODS // PODS_PER_NODE) as lab:
        yield lab


def deploy(lab: Lab, app: str, minimum: int) -> None:
    """A Deployment and the budget of its pods."""
    selector = {"matchLabels": {"app": app}}
    spec = {
        "containers": [{"name": "app", "image": "app"}],
        "tolerations": [{"key": TAINT["key"], "operator": "Exists"}],
        "terminationGracePeriodSeconds": 1,
    }
    template = {"metadata": {"labels": {"app": app}}, "spec": spec}
    metadata = {"name": app, "namespace": NAMESPACE}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {"replicas": REPLICAS, "selector": selector, "template": template},
    }
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata,
        "spec": {"minAvailable": minimum, "selector": selector},
    }
    lab.create(deployment).expect_ok()
    lab.create(budget).expect_ok()


def deploy_all(lab: Lab, minimums: Mapping[str, int]) -> None:
    lab.create_namespace(NAMESPACE)
    eventually(lambda: lab.get("ServiceAccount", "default", NAMESPACE))
    for app, minimum in minimums.items():
        deploy(lab, app, minimum)

    def is_settled() -> bool:
        budgets = [item["status"] for item in lab.list_all("PodDisruptionBudget", NAMESPACE)]
        return len(budgets) == DEPLOYMENTS and all(one.get("currentHealthy") == REPLICAS for one in budgets)

    eventually(is_settled, deadline=MOVED_SECONDS)


def kill_again_and_again(
    start: StartOperator, operator: OperatorProcess, instants: Instants, moments: list[int]
) -> None:
    """Kills the operator whenever so many changes have been told of, and starts another in its place."""
    for moment in moments:
        eventually(lambda: instants.changes >= moment, deadline=MOVED_SECONDS)  # noqa: B023 called at once
        operator.kill()
        operator = start(*FLAGS)


@pytest.mark.timeout(3 * MOVED_SECONDS)
def test_all_pods_move_and_no_workload_lacks_more_than_it_may_whenever_the_operator_is_killed(
    lab: Lab, start: StartOperator, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = random.Random(seed)
    # Budgets that are narrower than maxUnavailable, as wide, and so wide that it is the operator that has to hold back.
    budgets = {f"app-{number:02}": draw.choice((1, 2, REPLICAS // 2)) for number in range(DEPLOYMENTS)}
    deploy_all(lab, {app: REPLICAS - missing for app, missing in budgets.items()})
    minimums = {app: REPLICAS - min(missing, MAX_UNAVAILABLE) for app, missing in budgets.items()}
    with Instants(lab, NAMESPACE) as instants:
        old = {pod["metadata"]["uid"] for pod in lab.list_all("Pod", NAMESPACE)}
        first = instants.changes
        moments = sorted(first + draw.randrange(PODS * CHANGES_PER_POD) for _ in range(KILLS))
        operator, began = start(*FLAGS), time.monotonic()
        lab.create_profile("web", NAMESPACE)
        kill_again_and_again(start, operator, instants, moments)
        eventually(lambda: lab.condition("web", "Rescheduled").get("reason") == "AllMoved", deadline=MOVED_SECONDS)
        took = time.monotonic() - began
        eventually(lambda: count_ready(lab) == PODS)
    with capsys.disabled():
        seen = f"{len(instants.all)} instants seen, at most {instants.count_most_evictions(60)} evictions in a minute"
        print(f"\nMONOPOD_SEED={seed}: {PODS} pods moved in {took:.0f} s, {KILLS} kills, {seen}", end=" ")
    assert instants.find_violations(minimums) == []
    assert min(instants.find_fewest().values()) < REPLICAS, "the audit has seen pods go"
    assert set(instants.evictions) == old, "each pod was evicted once, and no replacement was"
    for seconds in (1, 10, 60):
        assert instants.count_most_evictions(seconds) <= PER_MINUTE * seconds / 60
    # Those that were evicted last may yet be there for a moment.
    eventually(lambda: len(lab.list_all("Pod", NAMESPACE)) == PODS)
    assert {find_sandbox(pod) for pod in lab.list_all("Pod", NAMESPACE)} == {("web", "gvisor")}
    assert lab.status("web")["rescheduling"].items() >= {"waiting": 0, "blocked": 0, "left": 0}.items()


def count_ready(lab: Lab) -> int:
    deployments = lab.list_all("Deployment", NAMESPACE)
    return sum(int(one.get("status", {}).get("readyReplicas", 0)) for one in deployments)


def find_sandbox(pod: Json) -> tuple[str | None, str | None]:
    return pod["metadata"]["labels"].get("monopod.dev/profile"), pod["spec"].get("runtimeClassName")
