"""Many pods are patched, and no workload lacks more than its budget allows, at the bound on evictions.

By default a smaller number, as much as a run of all tests has time for: MONOPOD_PATCHED_PODS=1000 is the whole.
"""

import os
import random
from collections.abc import Iterator

import pytest

from tests.controlplane.operating.conftest import StartOperator, run_lab
from tests.controlplane.operating.instants import Instants
from tests.controlplane.operating.lab import Lab, eventually
from tests.controlplane.operating.moving import create_namespace, protect, run_workload, uids
from tests.controlplane.operating.patching.patched import date_patch, phase, set_zones

DEPLOYMENTS = 4
REPLICAS = int(os.environ.get("MONOPOD_PATCHED_PODS") or 12) // DEPLOYMENTS
PODS = DEPLOYMENTS * REPLICAS
MANY = 1000
PER_MINUTE = 60 if PODS >= MANY else 600
LEAST_SHARE = 0.7
"""How much of the bound is used, over the whole: where so many pods go that the waits of a round (for the first pod,
for the next zone) are little of it, and at a bound that a busy machine's replacements keep up with."""
PODS_PER_NODE = 40
SECONDS = 180 + 2 * PODS


@pytest.fixture(scope="module")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    nodes = 2 + PODS // PODS_PER_NODE
    with run_lab("patching-scale", tmp_path_factory.mktemp("patching-scale"), fake_nodes=nodes) as lab:
        set_zones(lab)
        yield lab


@pytest.mark.timeout(3 * SECONDS)
def test_no_budget_is_violated_and_no_bound_is_passed(
    lab: Lab, start: StartOperator, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = random.Random(seed)
    start("--no-leader-elect", "--evictions-per-minute", str(PER_MINUTE))
    create_namespace(lab, "many")
    lab.create_profile("many", "many", patching={"wait": "0m"}, maxUnavailable="50%")
    lab.becomes_active("many")
    minimums = {f"app-{number}": REPLICAS - draw.choice((1, 2)) for number in range(DEPLOYMENTS)}
    for app in minimums:
        run_workload(lab, "Deployment", "many", REPLICAS, app, await_ready=False)
    for app, minimum in minimums.items():
        protect(lab, "many", minimum, app, app)
    budgets = "PodDisruptionBudget"
    eventually(
        lambda: all(one["status"]["currentHealthy"] == REPLICAS for one in lab.list_all(budgets, "many")), SECONDS
    )
    before = uids(lab, "many")
    with Instants(lab, "many") as instants:
        date_patch(lab)
        eventually(lambda: phase(lab, "many") == "Done", SECONDS)
    assert instants.find_violations(minimums) == []
    assert set(instants.evictions) == before, "each pod was evicted once, and no replacement was"
    for seconds in (1, 10, 60):
        assert instants.count_most_evictions(seconds) <= max(1, PER_MINUTE * seconds / 60)
    rate = instants.count_evictions_per_minute()
    with capsys.disabled():
        print(f"\n{PODS} pods: {rate:.0f} evictions in a minute, {instants.breaks} streams taken up again", end=" ")
    if PODS >= MANY:
        assert rate >= LEAST_SHARE * PER_MINUTE
