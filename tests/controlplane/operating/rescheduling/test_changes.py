"""What changes while pods are moved: profiles, the API server's health, the operator itself."""

import datetime
import json
import random
import signal
import time
from collections.abc import Iterator

import pytest

from monopod.rescheduling.rules.plans import MARGIN_SECONDS
from tests.controlplane.operating.bare_pods.scene import forbid
from tests.controlplane.operating.conftest import StartOperator, run_lab
from tests.controlplane.operating.instants import Instants
from tests.controlplane.operating.lab import Lab, eventually
from tests.controlplane.operating.moving import (
    QUICK,
    await_all_moved,
    blockers,
    create_namespace,
    marks,
    pods_of,
    progress,
    protect,
    rescheduled,
    run_workload,
    uids,
)
from tests.controlplane.operating.observer import Observer
from tests.controlplane.operating.relay import Relay

MARGIN = datetime.timedelta(seconds=MARGIN_SECONDS)


@pytest.fixture(scope="module")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with run_lab("changes", tmp_path_factory.mktemp("changes"), fake_nodes=2) as lab:
        yield lab


@pytest.mark.eks("2.create-only")
def test_a_profile_that_keeps_existing_pods_moves_none(lab: Lab, start: StartOperator) -> None:
    operator = start(*QUICK)
    create_namespace(lab, "kept")
    run_workload(lab, "Deployment", "kept", 2)
    before = uids(lab, "kept")
    lab.create_profile("web", "kept", existingPods="Keep")
    eventually(lambda: rescheduled(lab, "web") == "ExistingPodsKept")
    operator.passes_happen(3)
    assert uids(lab, "kept") == before
    assert progress(lab, "web") == {}


def test_a_paused_profile_stands_still_until_it_goes_on(lab: Lab, start: StartOperator) -> None:
    operator = start(*QUICK)
    create_namespace(lab, "paused")
    run_workload(lab, "Deployment", "paused", 2)
    before = uids(lab, "paused")
    lab.create_profile("web", "paused", paused=True)
    eventually(lambda: rescheduled(lab, "web") == "Paused")
    operator.passes_happen(3)
    assert (uids(lab, "paused"), progress(lab, "web")["waiting"]) == (before, 2)
    lab.patch("FargateProfile", "web", {"spec": {"paused": False}})
    await_all_moved(lab, "web")
    assert marks(lab, "paused") == {"web"}


def test_no_pod_is_evicted_whose_replacement_would_have_no_sandbox(lab: Lab, start: StartOperator) -> None:
    """Admission is away without the operator's knowledge, which looks at the policies at each resync."""
    operator = start("--no-leader-elect", "--evictions-per-minute", "60000", "--resync-seconds", "600")
    create_namespace(lab, "stopped")
    run_workload(lab, "Deployment", "stopped", 3)
    lab.create_profile("web", "stopped", paused=True)
    eventually(lambda: progress(lab, "web").get("waiting") == 3)
    # As if it had been enforced for as long as its pods exist: what is created from now on should be sandboxed.
    newest = max(pod["metadata"]["creationTimestamp"] for pod in pods_of(lab, "stopped"))
    begun = (datetime.datetime.fromisoformat(newest) - MARGIN).strftime("%Y-%m-%dT%H:%M:%SZ")
    status = {"enforcedSince": begun, "rescheduling": {"startedAt": begun}}
    lab.kubectl(
        "patch", "fargateprofile", "web", "--subresource=status", "--type=merge", "-p", json.dumps({"status": status})
    )
    names = ("monopod-pods", "monopod-sandbox")
    kinds = ("MutatingAdmissionPolicyBinding", "ValidatingAdmissionPolicyBinding")
    lab.patch("FargateProfile", "web", {"spec": {"tags": {"seen": "yes"}}})
    eventually(lambda: progress(lab, "web")["startedAt"] == begun)
    kept = {(kind, name): lab.get(kind, name) for kind in kinds for name in names}
    for (kind, name), binding in kept.items():
        if binding:
            lab.delete(kind, name)
    try:
        eventually(lambda: _is_admitted_bare(lab, "stopped"))
        before = uids(lab, "stopped")
        lab.patch("FargateProfile", "web", {"spec": {"paused": False}})
        eventually(lambda: "ReplacementNotSandboxed" in blockers(lab, "web"))
        assert uids(lab, "stopped") == before
        evicted = 'monopod_evictions_total{answer="evicted",purpose="rescheduling"}'
        assert operator.metric(evicted) == 0, "the dry run showed it"
    finally:
        for binding in kept.values():
            if binding:
                lab.restore(binding)
    eventually(lambda: not _is_admitted_bare(lab, "stopped"))
    await_all_moved(lab, "web")
    assert marks(lab, "stopped") == {"web"}


def _is_admitted_bare(lab: Lab, namespace: str) -> bool:
    """Whether a pod would pass without a mark."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "trial", "namespace": namespace},
        "spec": {"containers": [{"name": "app", "image": "app"}]},
    }
    answer = lab.create(pod, dry_run=True)
    return answer.ok and "monopod.dev/profile" not in answer.body["metadata"].get("labels", {})


def test_pods_move_to_the_profile_that_wins_by_its_name(lab: Lab, start: StartOperator) -> None:
    start(*QUICK)
    create_namespace(lab, "swapped")
    lab.create_profile("b", "swapped")
    lab.becomes_active("b")
    run_workload(lab, "Deployment", "swapped", 3)
    assert marks(lab, "swapped") == {"b"}
    lab.create_profile("a", "swapped")
    eventually(lambda: marks(lab, "swapped") == {"a"})
    await_all_moved(lab, "a")
    eventually(lambda: progress(lab, "b") == {})


def test_a_profile_that_is_deleted_meanwhile_moves_nothing_more(lab: Lab, start: StartOperator) -> None:
    start(*QUICK)
    create_namespace(lab, "deleted")
    run_workload(lab, "Deployment", "deleted", 3)
    protect(lab, "deleted", "100%")
    before = uids(lab, "deleted")
    lab.create_profile("web", "deleted")
    eventually(lambda: rescheduled(lab, "web") == "Blocked")
    lab.delete_profile("web")
    lab.delete("PodDisruptionBudget", "keep", "deleted")
    lab.create_profile("other", "elsewhere-*")
    await_all_moved(lab, "other")
    assert uids(lab, "deleted") == before


def test_a_namespace_that_goes_away_is_no_trouble(lab: Lab, start: StartOperator) -> None:
    operator = start(*QUICK)
    create_namespace(lab, "leaving-a")
    create_namespace(lab, "leaving-b")
    for namespace in ("leaving-a", "leaving-b"):
        run_workload(lab, "Deployment", namespace, 2)
        protect(lab, namespace, "100%")
    lab.create_profile("web", "leaving-*")
    eventually(lambda: progress(lab, "web").get("blocked") == 4)
    lab.kubectl("delete", "namespace", "leaving-a", "--wait=false")
    eventually(lambda: progress(lab, "web").get("blocked") == 2)
    lab.delete("PodDisruptionBudget", "keep", "leaving-b")
    await_all_moved(lab, "web")
    assert marks(lab, "leaving-b") == {"web"}
    assert operator.process.poll() is None


@pytest.mark.parametrize("status", [410, 429, 500])
def test_an_api_server_in_trouble_is_asked_less_and_nothing_is_evicted_blindly(
    lab: Lab, start: StartOperator, status: int
) -> None:
    namespace = f"trouble-{status}"
    create_namespace(lab, namespace)
    run_workload(lab, "Deployment", namespace, 3)
    with Relay(lab.server, lab.tls) as relay:
        operator = start(*QUICK, kubeconfig=lab.write_kubeconfig(relay.url))
        lab.create_profile("web", namespace, paused=True)
        eventually(lambda: rescheduled(lab, "web") == "Paused")
        began = time.monotonic()
        with relay.troubled(status, f"/namespaces/{namespace}/pods"):
            lab.patch("FargateProfile", "web", {"spec": {"paused": False}})
            failed = 'monopod_rescheduling_scans_total{extent="whole",result="failed"}'
            eventually(lambda: operator.metric(failed) >= 3)
            # 2 seconds after the first, and 4 after the second.
            assert time.monotonic() - began > 5
            assert marks(lab, namespace) == {None}
            assert progress(lab, "web")["progress"] == "0/3"
        await_all_moved(lab, "web")
    assert marks(lab, namespace) == {"web"}


def test_an_operator_that_is_killed_at_random_moves_each_pod_once(lab: Lab, start: StartOperator, seed: int) -> None:
    flags = ("--no-leader-elect", "--evictions-per-minute", "300")
    operator = start(*flags)
    create_namespace(lab, "killed")
    run_workload(lab, "Deployment", "killed", 8)
    protect(lab, "killed", 7)
    moments = sorted(random.Random(seed).sample(range(1, 8), 3))
    with Observer(lab, "killed") as observer:
        lab.create_profile("web", "killed")
        begun = eventually(lambda: progress(lab, "web"))
        for moment in moments:
            eventually(lambda: len(observer.ended) >= moment)  # noqa: B023 called at once
            operator.kill()
            operator = start(*flags)
        await_all_moved(lab, "web")
    assert observer.fewest >= 7
    assert len(observer.ended) == 8, "no replacement was evicted"
    assert progress(lab, "web")["startedAt"] == begun["startedAt"]
    assert progress(lab, "web")["progress"] == "8/8"
    assert marks(lab, "killed") == {"web"}


def test_a_workload_left_without_its_pod_is_waited_for_by_the_next_operator_too(lab: Lab, start: StartOperator) -> None:
    """What refuses its replacement lets dry runs pass, so that it is evicted for nothing."""
    namespace = "emptied"
    create_namespace(lab, namespace)
    run_workload(lab, "Deployment", namespace, 1, labels={"example.com/forbidden": "yes"})
    forbid(lab, namespace, dry_runs=False)
    operator = start(*QUICK)
    lab.create_profile("web", namespace)
    missing = "1 of 1 pods of Deployment emptied/web don't exist"
    eventually(lambda: missing in lab.condition("web", "Rescheduled").get("message", ""))
    told = lab.status("web")
    operator.kill()
    operator = start(*QUICK)
    scans = 'monopod_rescheduling_scans_total{{extent="{}",result="ok"}}'
    eventually(lambda: operator.metric(scans.format("search")) + operator.metric(scans.format("whole")) >= 2)
    operator.passes_happen(3)
    assert (lab.status("web")["rescheduling"], lab.condition("web", "Rescheduled")) == (
        told["rescheduling"],
        next(one for one in told["conditions"] if one["type"] == "Rescheduled"),
    )
    lab.delete("ValidatingAdmissionPolicyBinding", f"forbid-{namespace}")
    await_all_moved(lab, "web")
    assert marks(lab, namespace) == {"web"}


PER_MINUTE = 60


@pytest.mark.timeout(900)
def test_the_bound_on_evictions_holds_while_the_leader_changes(lab: Lab, start: StartOperator) -> None:
    """The leader stands still, another takes over, and the old one wakes up with an eviction in its hands."""
    flags = ("--evictions-per-minute", str(PER_MINUTE), "--lease-seconds", "15")
    create_namespace(lab, "handover")
    run_workload(lab, "Deployment", "handover", 24)
    leader = start("--identity", "first", *flags)
    eventually(lambda: lab.lease_holder() == "first")
    start("--identity", "second", *flags)
    with Instants(lab, "handover") as instants:
        lab.create_profile("web", "handover", maxUnavailable="50%")
        eventually(lambda: len(instants.evictions) >= 3)
        leader.process.send_signal(signal.SIGSTOP)
        eventually(lambda: lab.lease_holder() == "second")
        eventually(lambda: len(instants.evictions) >= 6)
        leader.process.send_signal(signal.SIGCONT)
        eventually(lambda: len(instants.evictions) >= 24, 400)
    # One more than the rate, because a window may begin with one; and one for when the API server comes to it.
    assert instants.count_most_evictions(10) <= 10 * PER_MINUTE / 60 + 2
    assert leader.process.wait(timeout=60) == 1
