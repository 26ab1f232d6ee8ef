"""Others have a hand in the move of a pod without a controller: its owner, a stranger, budgets, administrators."""

from collections.abc import Iterator

import pytest

from tests.controlplane.operating.bare_pods.scene import (
    await_phase,
    find_phase,
    find_pod,
    find_stored,
    find_uid,
    get_profile,
    is_leaving,
    is_moved,
    let_go,
    move,
    restore,
    run_pod,
)
from tests.controlplane.operating.conftest import StartOperator, run_lab
from tests.controlplane.operating.lab import Json, Lab, OperatorProcess, eventually
from tests.controlplane.operating.moving import QUICK, blockers, create_namespace, protect


@pytest.fixture(scope="module")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with run_lab("bare-pods", tmp_path_factory.mktemp("bare"), fake_nodes=1) as lab:
        yield lab


def test_a_name_that_someone_else_took_is_left_to_a_person(lab: Lab, start: StartOperator) -> None:
    create_namespace(lab, "taken")
    run_pod(lab, "taken", hold=True)
    first = start(*QUICK)
    move(lab, "web", "taken")
    eventually(lambda: is_leaving(lab, "taken"))
    first.kill()
    let_go(lab, "taken")
    eventually(lambda: not find_uid(lab, "taken"))
    stranger = run_pod(lab, "taken")
    second = start(*QUICK)
    eventually(lambda: find_stored(lab, "taken") == "NameTaken")
    eventually(lambda: "NameTaken" in blockers(lab, "web"))
    assert restore(lab, "toolbox", "-n", "taken").exit_code == 1
    lab.delete("Pod", "toolbox", "taken")
    eventually(lambda: not find_uid(lab, "taken"))
    second.passes_happen(2)
    assert (find_uid(lab, "taken"), find_stored(lab, "taken")) == ("", "NameTaken")
    assert restore(lab, "--all", "-n", "taken").exit_code == 0
    assert find_uid(lab, "taken") != stranger
    eventually(lambda: not find_stored(lab, "taken"))
    let_go(lab, "taken")


def test_a_pod_that_its_owner_deletes_while_it_is_stored_stays_deleted(lab: Lab, start: StartOperator) -> None:
    create_namespace(lab, "deleted")
    run_pod(lab, "deleted", hold=True)
    protect(lab, "deleted", 1, app="toolbox")
    operator = start(*QUICK)
    move(lab, "web", "deleted")
    eventually(lambda: find_stored(lab, "deleted") == "Evicting")
    lab.delete("Pod", "toolbox", "deleted")
    eventually(lambda: not find_stored(lab, "deleted"))
    let_go(lab, "deleted")
    eventually(lambda: not find_uid(lab, "deleted"))
    operator.passes_happen(2)
    assert (find_uid(lab, "deleted"), find_stored(lab, "deleted")) == ("", "")


def test_a_pod_is_evicted_only_as_its_budget_allows_and_as_it_is_then(lab: Lab, start: StartOperator) -> None:
    create_namespace(lab, "budget")
    old = run_pod(lab, "budget")
    protect(lab, "budget", 1, app="toolbox")
    operator = start(*QUICK)
    move(lab, "web", "budget")
    eventually(lambda: find_stored(lab, "budget") == "Evicting")
    eventually(lambda: "BudgetExhausted" in blockers(lab, "web"))
    lab.patch("Pod", "toolbox", {"metadata": {"labels": {"late": "yes"}}}, "budget")
    operator.passes_happen(2)
    assert find_uid(lab, "budget") == old
    lab.delete("PodDisruptionBudget", "keep", "budget")
    eventually(lambda: is_moved(lab, "budget", "web"))
    assert find_pod(lab, "budget")["metadata"]["labels"]["late"] == "yes"


TWO_MINUTES_LATER = """
import datetime
from monopod.kube.clock import SystemClock
now = SystemClock.now
SystemClock.now = lambda clock: now(clock) + datetime.timedelta(seconds=125)
"""


def test_a_pod_that_does_not_go_keeps_no_other_waiting_and_comes_back(lab: Lab, start: StartOperator) -> None:
    create_namespace(lab, "stuck")
    held = run_pod(lab, "stuck", "held", hold=True)
    others = ("one", "two")
    for name in others:
        run_pod(lab, "stuck", name)
    first = start(*QUICK)
    move(lab, "web", "stuck")
    eventually(lambda: is_leaving(lab, "stuck", "held"))
    first.kill()
    start(*QUICK, patch=TWO_MINUTES_LATER)
    eventually(lambda: all(is_moved(lab, "stuck", "web", name) for name in others))
    assert find_uid(lab, "stuck", "held") == held
    eventually(lambda: blockers(lab, "web").get("PodsTerminating", {}).get("examples") == ["stuck/held"])
    let_go(lab, "stuck", "held")
    eventually(lambda: is_moved(lab, "stuck", "web", "held"))
    let_go(lab, "stuck", "held")


def test_what_is_not_evicted_yet_is_let_go_of_when_the_profile_is_paused_or_deleted(
    lab: Lab, start: StartOperator
) -> None:
    before = {}
    for name in ("paused", "dropped"):
        create_namespace(lab, name)
        before[name] = run_pod(lab, name)
        protect(lab, name, 1, app="toolbox")
    start(*QUICK)
    for name in before:
        move(lab, name, name)
    for name in before:
        await_phase(lab, name, "Evicting")
    lab.patch("FargateProfile", "paused", {"spec": {"paused": True}})
    lab.delete("FargateProfile", "dropped")
    for name in before:
        await_phase(lab, name, "Withdrawn")
        lab.delete("PodDisruptionBudget", "keep", name)
    for name in before:
        await_phase(lab, name, "")
    assert {name: find_uid(lab, name) for name in before} == before
    lab.patch("FargateProfile", "paused", {"spec": {"paused": False}})
    eventually(lambda: is_moved(lab, "paused", "paused"))


def test_what_is_evicted_is_kept_for_a_person_if_no_profile_reaches_its_namespace_any_more(
    lab: Lab, start: StartOperator
) -> None:
    create_namespace(lab, "orphaned")
    old = run_pod(lab, "orphaned", hold=True)
    start(*QUICK)
    move(lab, "web", "orphaned")
    eventually(lambda: is_leaving(lab, "orphaned"))
    lab.delete_profile("web")
    let_go(lab, "orphaned")
    await_phase(lab, "orphaned", "Refused")
    stored = lab.get("StoredPod", "toolbox", "orphaned") or {}
    assert "only in namespaces that a Fargate profile reaches" in stored["status"]["message"]
    assert restore(lab, "toolbox", "-n", "orphaned").exit_code == 0
    eventually(lambda: find_phase(lab, "orphaned") == "Running" and not find_stored(lab, "orphaned"))
    assert find_uid(lab, "orphaned") != old
    assert get_profile(lab, "orphaned") is None
    let_go(lab, "orphaned")


def test_a_namespace_that_is_deleted_meanwhile_takes_everything_with_it(lab: Lab, start: StartOperator) -> None:
    for name in ("doomed", "living"):
        create_namespace(lab, name)
    run_pod(lab, "doomed", hold=True)
    run_pod(lab, "living")
    operator = start(*QUICK)
    move(lab, "web", "doomed", "living")
    eventually(lambda: is_leaving(lab, "doomed"))
    lab.kubectl("delete", "namespace", "doomed", "--wait=false")
    eventually(lambda: "deletionTimestamp" in (lab.get("Namespace", "doomed") or {"metadata": {}})["metadata"])
    let_go(lab, "doomed")
    eventually(lambda: lab.get("Namespace", "doomed") is None)
    eventually(lambda: is_moved(lab, "living", "web"))
    operator.passes_happen(1)


def test_many_pods_are_moved_a_few_at_a_time(lab: Lab, start: StartOperator) -> None:
    create_namespace(lab, "many")
    names = [f"pod-{number}" for number in range(12)]
    for name in names:
        run_pod(lab, "many", name)
    start(*QUICK)
    move(lab, "web", "many", maxUnavailable=3)
    fewest = len(names)

    def all_moved() -> bool:
        nonlocal fewest
        running = [pod for pod in lab.list_all("Pod", "many") if pod["status"].get("phase") == "Running"]
        fewest = min(fewest, len(running))
        return all(is_moved(lab, "many", "web", name) for name in names)

    eventually(all_moved)
    assert fewest >= len(names) - 3


def test_only_the_operator_writes_stored_pods(lab: Lab, operator: OperatorProcess) -> None:
    del operator
    create_namespace(lab, "guarded")
    manifest: Json = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": []}}
    stored: Json = {
        "apiVersion": "monopod.dev/v1beta1",
        "kind": "StoredPod",
        "metadata": {"name": "p", "namespace": "guarded"},
        "spec": {"profile": "web", "podUID": "1", "manifest": manifest},
    }
    answer = lab.create(stored)
    assert answer.status == 403
    assert "Only Monopod's operator creates and changes StoredPods" in answer.message
