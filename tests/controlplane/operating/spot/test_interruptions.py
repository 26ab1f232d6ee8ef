"""An interrupted pod is told of once: by an event, a metric, and a notice to a receiver that speaks TLS."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.operating.conftest import StartOperator
from tests.controlplane.operating.lab import Json, Lab, OperatorProcess, build_profile, eventually
from tests.receiver import ReceiverThread, build_tls

NAMES = itertools.count()
NODE = "interrupted-node"
EVICTED = "EvictionByEvictionAPI"
WORDS = "Your Spot Task was interrupted."
SPOT = [{"capacityProvider": "FARGATE_SPOT"}]


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "webhook"
    folder.mkdir()
    (folder / "token").write_text("s3cret")
    return folder


@pytest.fixture
def receiver(tmp_path: Path, secrets: Path) -> Iterator[ReceiverThread]:
    context, authority = build_tls(tmp_path / "tls")
    (secrets / "ca.crt").write_text(authority.read_text())
    running = ReceiverThread(context)
    running.start()
    (secrets / "url").write_text(running.receiver.url)
    yield running
    running.close()


@pytest.fixture
def namespace(lab: Lab) -> Iterator[str]:
    """Of an active profile on Spot, and a node without a kubelet: pods that are deleted stay."""
    name = f"interrupted-{next(NAMES)}"
    lab.create_namespace(name)
    lab.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}).expect_ok()
    yield name
    lab.kubectl("delete", "pods", "--all", "-n", name, "--force", "--grace-period=0")
    for node in lab.list_all("Node"):
        if node["metadata"]["name"].startswith(NODE):
            lab.delete("Node", node["metadata"]["name"])


def run_pod(lab: Lab, namespace: str, name: str, node: str = NODE, **spec: Any) -> None:
    if not lab.get("FargateProfile", namespace):
        lab.create_profile(namespace, namespace, **{"capacityProviderStrategy": SPOT, **spec})
        lab.becomes_active(namespace)
    lab.create_pod(namespace, name)
    lab.bind_pod(namespace, name, node)


def build_disruption(reason: str) -> Json:
    return {
        "type": "DisruptionTarget", "status": "True", "reason": reason, "lastTransitionTime": "2026-01-01T00:00:00Z",
    }  # fmt: skip


def end_pod(lab: Lab, namespace: str, name: str, reason: str) -> None:
    """As kube-scheduler and the Eviction API do it: the condition first, then the deletion."""
    told = json.dumps({"status": {"conditions": [build_disruption(reason)]}})
    lab.kubectl("patch", "pod", name, "-n", namespace, "--subresource=status", "-p", told)
    lab.kubectl("delete", "pod", name, "-n", namespace, "--wait=false")


def find_events(lab: Lab, namespace: str, name: str) -> list[Json]:
    return [event for event in lab.events(namespace, name) if event["reason"] == "SpotInterruption"]


def await_event(lab: Lab, namespace: str, name: str) -> None:
    eventually(lambda: find_events(lab, namespace, name))


def count(operator: OperatorProcess, cause: str) -> float:
    return operator.metric(f'monopod_spot_interruptions_total{{cause="{cause}"}}')


def list_notices(receiver: ReceiverThread, pod: str) -> list[Json]:
    return [body for body in receiver.receiver.got if body["data"]["pod"] == pod]


def test_a_preempted_pod_is_told_of_once_and_by_the_next_operator_with_the_same_id(
    lab: Lab, namespace: str, start: StartOperator, receiver: ReceiverThread, secrets: Path
) -> None:
    operator = start("--no-leader-elect", "--webhook-secrets", str(secrets), "--webhook-cluster", "lab")
    run_pod(lab, namespace, "web-1")
    end_pod(lab, namespace, "web-1", "PreemptionByScheduler")
    [event] = eventually(lambda: find_events(lab, namespace, "web-1"))
    assert (event["type"], event["message"]) == ("Warning", WORDS)
    [notice] = eventually(lambda: list_notices(receiver, "web-1"))
    assert receiver.receiver.seen[0]["Authorization"] == "Bearer s3cret"
    assert (notice["data"]["cause"], notice["source"]) == ("Preemption", "//monopod.dev/clusters/lab")
    lab.kubectl("annotate", "pod", "web-1", "-n", namespace, "seen=again")
    operator.passes_happen()
    eventually(lambda: count(operator, "Preemption") == 1)

    operator.kill()
    following = start("--no-leader-elect", "--webhook-secrets", str(secrets), "--webhook-cluster", "lab")
    found = eventually(lambda: [one for one in [list_notices(receiver, "web-1")] if len(one) == 2])[0]
    assert found[0] == found[1]
    following.passes_happen()
    assert [event["count"] for event in find_events(lab, namespace, "web-1")] == [1]


def test_a_drained_pod_is_told_of_by_its_nodes_taint_and_one_that_is_scaled_away_isnt(
    lab: Lab, namespace: str, start: StartOperator, receiver: ReceiverThread, secrets: Path
) -> None:
    operator = start("--no-leader-elect", "--webhook-secrets", str(secrets))
    for name in ("web-1", "web-2"):
        run_pod(lab, namespace, name)
    lab.kubectl("taint", "node", NODE, "karpenter.sh/disrupted:NoSchedule")
    lab.kubectl("delete", "pod", "web-2", "-n", namespace, "--wait=false")
    end_pod(lab, namespace, "web-1", "EvictionByEvictionAPI")
    eventually(lambda: find_events(lab, namespace, "web-1"))
    [notice] = eventually(lambda: list_notices(receiver, "web-1"))
    assert notice["data"]["cause"] == "NodeDisruption"
    eventually(lambda: count(operator, "NodeDisruption") == 1)
    assert not find_events(lab, namespace, "web-2")
    assert not list_notices(receiver, "web-2")


PREEMPTION = {
    "type": "PreemptionScheduled", "status": "True", "reason": "SpotEvictionIncoming",
    "message": "Preempt Scheduled: Sat, 01 Aug 2026 12:00:30 GMT. EventId: a",
}  # fmt: skip
TERMINATING = {
    "type": "Terminating", "status": "True", "reason": "TerminationRequested",
    "message": "The cloud provider has marked this instance for termination",
}  # fmt: skip
CAUSED = [
    # Taint or condition of the node, as its writer has it · effect of the taint · reason of the pod's condition · cause
    pytest.param("aws-node-termination-handler/spot-itn", "NoSchedule", EVICTED, "SpotNotice", id="nth-spot"),
    pytest.param(
        "aws-node-termination-handler/rebalance-recommendation", "NoSchedule", EVICTED, "RebalanceRecommendation",
        id="nth-rebalance",
    ),
    pytest.param(
        "aws-node-termination-handler/scheduled-maintenance", "NoSchedule", EVICTED, "ScheduledMaintenance",
        id="nth-maintenance",
    ),
    pytest.param(
        "aws-node-termination-handler/asg-lifecycle-termination", "NoSchedule", EVICTED, "AutoScalingTermination",
        id="nth-asg",
    ),
    pytest.param("cloud.google.com/impending-node-termination", "NoSchedule", EVICTED, "SpotNotice", id="gke"),
    pytest.param(PREEMPTION, "", EVICTED, "SpotNotice", id="aks"),
    pytest.param(TERMINATING, "", EVICTED, "SpotNotice", id="openshift"),
    pytest.param(
        "remediator.kubernetes.azure.com/unschedulable", "NoSchedule", EVICTED, "NodeDisruption", id="aks drains",
    ),
    pytest.param("karpenter.sh/disrupted", "NoSchedule", EVICTED, "NodeDisruption", id="karpenter"),
    pytest.param(
        "node.cloudprovider.kubernetes.io/shutdown", "NoSchedule", "DeletionByTaintManager", "NodeShutdown",
        id="cloud controller manager",
    ),
    pytest.param(
        "node.kubernetes.io/out-of-service", "NoExecute", "DeletionByPodGC", "NodeShutdown", id="administrator",
    ),
    pytest.param("", "", "PreemptionByScheduler", "Preemption", id="scheduler"),
    pytest.param("", "", "SpotInterruption", "Drill", id="drill"),
    pytest.param("kubernetes.azure.com/scalesetpriority", "NoSchedule", EVICTED, "", id="aks from birth"),
    pytest.param(
        PREEMPTION | {"message": "SpotRebalanceRecommendation Advisory:"}, "", EVICTED, "", id="aks advises",
    ),
    pytest.param(PREEMPTION | {"type": "VMEventScheduled"}, "", EVICTED, "", id="aks, any event"),
    pytest.param("ToBeDeletedByClusterAutoscaler", "NoSchedule", EVICTED, "", id="cluster autoscaler"),
    pytest.param("", "", EVICTED, "", id="eviction"),
]  # fmt: skip


def build_node(name: str, sign: object, effect: str) -> Json:
    """With the taint of that key, or with that condition, as a kubelet may register it with one."""
    spec = {"taints": [{"key": sign, "effect": effect, "value": "x"}]} if effect else {}
    status = {"conditions": [sign]} if isinstance(sign, dict) else {}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": spec, "status": status}


def test_each_cause_in_the_table_is_known_by_what_its_writer_leaves_on_a_real_node(
    lab: Lab, namespace: str, start: StartOperator
) -> None:
    operator = start("--no-leader-elect")
    known = {cause for *_, cause in (each.values for each in CAUSED) if cause}
    before = {str(cause): count(operator, str(cause)) for cause in known}
    for number, (sign, effect, reason, _) in enumerate(each.values for each in CAUSED):
        node = f"{NODE}-{number}"
        lab.create(build_node(node, sign, str(effect))).expect_ok()
        run_pod(lab, namespace, f"web-{number}", node)
        end_pod(lab, namespace, f"web-{number}", str(reason))
    shut_down = len(CAUSED)
    run_pod(lab, namespace, f"web-{shut_down}")
    condition = build_disruption("TerminationByKubelet")
    told = {"status": {"phase": "Failed", "reason": "Terminated", "conditions": [condition]}}
    lab.kubectl(
        "patch", "pod", f"web-{shut_down}", "-n", namespace, "--subresource=status", "-p", json.dumps(told)
    )  # as the kubelet does of a node that shuts down gracefully

    causes = [str(each.values[-1]) for each in CAUSED] + ["NodeShutdown"]
    for number, cause in enumerate(causes):
        if cause:
            await_event(lab, namespace, f"web-{number}")
    operator.passes_happen()
    assert {cause: count(operator, cause) - before[cause] for cause in before} == {
        cause: causes.count(cause) for cause in before
    }
    for number, cause in enumerate(causes):
        assert bool(find_events(lab, namespace, f"web-{number}")) is bool(cause)


def test_an_operator_that_is_killed_before_it_could_send_has_the_next_one_send(
    lab: Lab, namespace: str, start: StartOperator, receiver: ReceiverThread, secrets: Path
) -> None:
    receiver.stop()
    operator = start("--no-leader-elect", "--webhook-secrets", str(secrets))
    run_pod(lab, namespace, "web-1")
    end_pod(lab, namespace, "web-1", "PreemptionByScheduler")
    eventually(lambda: find_events(lab, namespace, "web-1"))
    eventually(lambda: operator.metric("monopod_notices_waiting") == 1)
    operator.kill()
    assert not receiver.receiver.got

    receiver.start()
    following = start("--no-leader-elect", "--webhook-secrets", str(secrets))
    [notice] = eventually(lambda: list_notices(receiver, "web-1"))
    assert notice["data"]["cause"] == "Preemption"
    eventually(lambda: following.metric('monopod_notices_total{kind="SpotInterruption",result="sent"}') == 1)
    assert [event["count"] for event in find_events(lab, namespace, "web-1")] == [1], "the first has told of it so"


def test_a_receiver_that_gives_no_answer_fails_or_redirects_holds_up_nothing_else(
    lab: Lab, namespace: str, start: StartOperator, receiver: ReceiverThread, secrets: Path
) -> None:
    operator = start("--no-leader-elect", "--webhook-secrets", str(secrets))
    run_pod(lab, namespace, "web-1")
    run_pod(lab, namespace, "web-2")
    receiver.receiver.answering.clear()
    end_pod(lab, namespace, "web-1", "PreemptionByScheduler")
    eventually(lambda: receiver.receiver.seen)
    end_pod(lab, namespace, "web-2", "PreemptionByScheduler")
    eventually(lambda: find_events(lab, namespace, "web-2"))
    operator.passes_happen()
    receiver.receiver.status = 500
    receiver.release()
    eventually(lambda: len(receiver.receiver.seen) >= 2)
    receiver.receiver.status = 307
    eventually(lambda: len(receiver.receiver.seen) >= 3)
    assert (receiver.receiver.got, receiver.receiver.strays) == ([], 0)
    receiver.receiver.status = 200
    eventually(lambda: [len(list_notices(receiver, name)) for name in ("web-1", "web-2")] == [1, 1])


def test_a_receiver_that_is_away_gets_the_notice_when_it_is_back_and_the_operator_works_meanwhile(
    lab: Lab, namespace: str, start: StartOperator, receiver: ReceiverThread, secrets: Path
) -> None:
    operator = start("--no-leader-elect", "--webhook-secrets", str(secrets), "--webhook-format", "EventBridge")
    receiver.stop()
    run_pod(lab, namespace, "web-1", capacityProviderStrategy=[])
    end_pod(lab, namespace, "web-1", "SpotInterruption")
    eventually(lambda: find_events(lab, namespace, "web-1"))
    eventually(lambda: operator.metric("monopod_notices_waiting") == 1)
    operator.passes_happen()
    receiver.start()
    [event] = eventually(lambda: receiver.receiver.got)
    assert event["detail"]["podName"] == "web-1"
    assert event["detail"]["capacityProviderName"] == "FARGATE"
    assert event["detail"]["stoppedReason"] == WORDS
    eventually(lambda: operator.metric("monopod_notices_waiting") == 0)


def test_a_drill_evicts_one_pod_in_its_time_and_the_next_operator_no_second_one(
    lab: Lab, namespace: str, start: StartOperator
) -> None:
    operator = start("--no-leader-elect")
    for name in ("web-1", "web-2", "web-3"):
        run_pod(lab, namespace, name)
    lab.patch("FargateProfile", namespace, {"spec": {"spot": {"interruptionsPerHour": 1}}})
    told = eventually(lambda: read_drill(lab, namespace))
    eventually(lambda: find_events(lab, namespace, told["pod"]))
    [gone] = find_going(lab, namespace)
    assert (gone["metadata"]["name"], gone["metadata"]["uid"]) == (told["pod"], told["podUid"])
    assert gone["metadata"]["deletionGracePeriodSeconds"] == 30
    eventually(lambda: count(operator, "Drill") == 1)

    operator.kill()
    following = start("--no-leader-elect")
    following.passes_happen()
    assert lab.status(namespace)["spotDrill"] == told
    assert len(find_going(lab, namespace)) == 1
    lab.patch("FargateProfile", namespace, {"spec": {"spot": None}})
    eventually(lambda: "spotDrill" not in lab.status(namespace))


def test_more_interruptions_than_one_a_minute_are_refused(lab: Lab) -> None:
    answer = lab.create(build_profile("stormy", selectors=[{"namespace": "x"}], spot={"interruptionsPerHour": 61}))
    assert answer.status == 422
    assert "spec.spot.interruptionsPerHour" in answer.message


def read_drill(lab: Lab, profile: str) -> Json:
    told: Json = lab.status(profile).get("spotDrill") or {}
    return told


def find_going(lab: Lab, namespace: str) -> list[Json]:
    return [pod for pod in lab.list_all("Pod", namespace) if "deletionTimestamp" in pod["metadata"]]
