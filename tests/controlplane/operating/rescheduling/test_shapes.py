"""No workload ends below what it had, whatever its shape and whenever the operator is killed; its profile says so.

Beside the operator a watch counts the Ready pods of each workload at every instant, and `kubectl fargate rollout
--watch` runs from the beginning. By default each shape is there once: MONOPOD_OBSERVED_WORKLOADS=50 is the whole.
"""

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import pytest

from monopod.api.reasons import Reason
from tests.controlplane.operating.bare_pods.scene import refuse
from tests.controlplane.operating.conftest import StartOperator, run_lab
from tests.controlplane.operating.instants import Instant, Instants
from tests.controlplane.operating.lab import ROOT, Json, Lab, OperatorProcess, eventually
from tests.controlplane.operating.moving import (
    QUICK,
    build_pod_spec,
    create_namespace,
    marks,
    pods_of,
    progress,
    protect,
    ready_pods,
    rescheduled,
    run_workload,
    uids,
)

WATCHED = {"watched": "yes"}
SMALL = {name: {"cpu": "100m", "memory": "100Mi"} for name in ("requests", "limits")}


@dataclass(frozen=True)
class Workload:
    """One that runs before any profile does.

    Attributes:
        namespace: where; it begins with the name of the profile that takes it.
        fate: why none of its pods moves, or "" if all of them do.
        most_gone: how many of its pods may lack at any instant.
        pod: what is special about its pods.
    """

    namespace: str
    name: str
    kind: str = "Deployment"
    replicas: int = 1
    fate: Reason | None = None
    most_gone: int = 0
    pod: Json = field(default_factory=dict)

    @property
    def profile(self) -> str:
        return self.namespace.partition("-")[0]

    @property
    def is_left(self) -> bool:
        return self.fate in (Reason.BARE_PODS_LEFT, Reason.RUNNING_JOBS_LEFT)


COUNTED: Json = {"containers": [{"name": "app", "image": "app", "resources": SMALL}]}
JOB: Json = {"restartPolicy": "Never", "tolerations": []}
"""No node takes it, because fake ones end it at once; so it is never Ready, and stays for all that."""

SHAPES = (
    Workload("free-all", "one", most_gone=1),
    Workload("free-all", "three", replicas=3, most_gone=1),
    Workload("free-all", "budget", replicas=3, most_gone=1),
    Workload("free-all", "ordered", "StatefulSet", 2, most_gone=1),
    Workload("free-all", "set", "ReplicaSet", 2, most_gone=1),
    Workload("free-all", "bare", "Pod", most_gone=1),
    Workload("free-all", "job", "Job", fate=Reason.RUNNING_JOBS_LEFT, pod=JOB),
    Workload("held-nothing", "several", replicas=2, most_gone=1),
    Workload("held-nothing", "bare-kept", "Pod", fate=Reason.BARE_PODS_LEFT),
    Workload("held-nothing", "host", fate=Reason.PODS_UNSUPPORTED, pod={"hostNetwork": True}),
    Workload("held-nothing", "exhausted", replicas=2, fate=Reason.BUDGET_EXHAUSTED),
    Workload("held-quota", "full-one", fate=Reason.REPLACEMENT_REFUSED, pod=COUNTED),
    Workload("held-quota", "full-set", "StatefulSet", 2, fate=Reason.REPLACEMENT_REFUSED, pod=COUNTED),
    Workload("held-security", "newer", replicas=2, fate=Reason.REPLACEMENT_REFUSED),
    Workload("held-policy", "forbidden", fate=Reason.REPLACEMENT_REFUSED),
    Workload("homeless-all", "nowhere", replicas=2, fate=Reason.REPLACEMENT_UNSCHEDULABLE),
    Workload("homeless-all", "bare-nowhere", "Pod", fate=Reason.BARE_POD_NOT_RECREATABLE),
)
PROFILES: Mapping[str, Json] = {
    "free": {"barePods": "Recreate"},
    "held": {},
    "homeless": {"runtimeClassName": "homeless", "barePods": "Recreate"},
}
COPIES = max(1, round(int(os.environ.get("MONOPOD_OBSERVED_WORKLOADS") or 1) / len(SHAPES)))
KILLS = 3 + COPIES
CHANGES_PER_POD = 6
"""At least so many changes come of a pod's move; kills are spread over them."""
DEADLINE = 240.0 + 120 * COPIES


@pytest.fixture(scope="module")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with run_lab("shapes", tmp_path_factory.mktemp("shapes"), fake_nodes=1 + COPIES) as lab:
        yield lab


def run(lab: Lab, each: Workload) -> None:
    if each.kind == "Pod":
        metadata = {"name": each.name, "namespace": each.namespace, "labels": {"app": each.name, **WATCHED}}
        lab.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": build_pod_spec()}).expect_ok()
    else:
        run_workload(
            lab, each.kind, each.namespace, each.replicas, each.name, labels=WATCHED, await_ready=False, **each.pod
        )


def count_ready(lab: Lab, workloads: Iterable[Workload]) -> dict[str, int]:
    return {each.name: len(ready_pods(lab, each.namespace, each.name)) for each in workloads}


def run_all(lab: Lab, workloads: Sequence[Workload]) -> None:
    """Creates them, and afterwards what their replacements will meet with."""
    namespaces = dict.fromkeys(each.namespace for each in workloads)
    for namespace in namespaces:
        create_namespace(lab, namespace)
    for each in workloads:
        run(lab, each)
    expected = {each.name: 0 if each.kind == "Job" else each.replicas for each in workloads}
    eventually(lambda: count_ready(lab, workloads) == expected, DEADLINE)
    eventually(lambda: all(pods_of(lab, each.namespace, each.name) for each in workloads))
    for each in workloads:
        if each.fate is Reason.BUDGET_EXHAUSTED:
            protect(lab, each.namespace, "100%", each.name, each.name)
        elif each.name.startswith("budget"):
            protect(lab, each.namespace, each.replicas - 1, each.name, each.name)
    for namespace in namespaces:
        if namespace.startswith("held-quota"):
            # Three pods of 100Mi; each would need 512Mi instead.
            quota = {
                "metadata": {"name": "full", "namespace": namespace},
                "spec": {"hard": {"requests.memory": "700Mi"}},
            }
            lab.create({"apiVersion": "v1", "kind": "ResourceQuota", **quota}).expect_ok()
        elif namespace.startswith("held-security"):
            lab.patch(
                "Namespace", namespace, {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}
            )
        elif namespace.startswith("held-policy"):
            refuse(lab, namespace, f"no-pods-in-{namespace}", "false", "no new pods here")


def create_profiles(lab: Lab) -> None:
    runtime_class = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "homeless"}}
    scheduling = {"nodeSelector": {"sandboxes": "nowhere"}}
    lab.create({**runtime_class, "handler": "runsc", "scheduling": scheduling}).expect_ok()
    for name, spec in PROFILES.items():
        lab.create_profile(name, f"{name}-*", **spec)


def watch_rollout(lab: Lab, profile: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "monopod.cli", "rollout", profile, "--watch"]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "operator")}
    kubeconfig = ("--kubeconfig", str(lab.kubeconfig_path))
    return subprocess.Popen([*command, *kubeconfig], env=env, stdout=subprocess.PIPE, text=True)


@contextmanager
def watch_rollouts(lab: Lab) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """`kubectl fargate rollout --watch` of each profile, as one types it right after `kubectl apply`."""
    running = {name: watch_rollout(lab, name) for name in PROFILES}
    try:
        yield running
    finally:
        for each in running.values():
            each.kill()
            each.communicate()


def kill_again_and_again(start: StartOperator, instants: Instants, moments: Sequence[int]) -> OperatorProcess:
    operator = start(*QUICK, "--no-leader-elect")
    for moment in moments:
        eventually(lambda: instants.changes >= moment, DEADLINE)  # noqa: B023 called at once
        operator.kill()
        operator = start(*QUICK, "--no-leader-elect")
    return operator


def tells(lab: Lab, profile: str, reason: str, counts: Mapping[str, int]) -> bool:
    return rescheduled(lab, profile) == reason and progress(lab, profile).items() >= counts.items()


def await_end(lab: Lab, workloads: Sequence[Workload], find_violations: Callable[[], Sequence[Instant]]) -> None:
    """Waits until each profile says what is true of its workloads, or a workload lacks more than it may."""
    for profile in PROFILES:
        own = [each for each in workloads if each.profile == profile]
        blocked = sum(each.replicas for each in own if each.fate and not each.is_left)
        left = sum(each.replicas for each in own if each.is_left)
        reason = "Blocked" if blocked else "AllMoved"
        counts = {"waiting": 0, "blocked": blocked, "left": left}
        is_told = partial(tells, lab, profile, reason, counts)
        eventually(lambda: find_violations() or is_told(), DEADLINE)  # noqa: B023 called at once
        assert find_violations() == []
        told = progress(lab, profile)
        fates = {f"{each.namespace}/{each.name}": each.fate for each in own if each.fate}
        for blocker in told["blockers"]:
            for pod in blocker["examples"]:
                assert {fate for name, fate in fates.items() if pod.startswith(name)} == {blocker["reason"]}, blocker
        if COPIES == 1:
            named = {pod for blocker in told["blockers"] for pod in blocker["examples"]}
            assert {name for name in fates if any(pod.startswith(name) for pod in named)} == fates.keys()


@pytest.mark.timeout(3 * DEADLINE)
def test_no_workload_ends_below_what_it_had_whenever_the_operator_is_killed(
    lab: Lab, start: StartOperator, seed: int
) -> None:
    workloads = [
        replace(each, namespace=f"{each.namespace}-{copy}", name=f"{each.name}-{copy}")
        for each in SHAPES
        for copy in range(COPIES)
    ]
    run_all(lab, workloads)
    before = count_ready(lab, workloads)
    stays = {each.name: uids(lab, each.namespace, each.name) for each in workloads if each.fate}
    moving = sum(each.replicas for each in workloads if not each.fate)
    minimums = {each.name: before[each.name] - each.most_gone for each in workloads}
    with Instants(lab, "", "watched=yes") as instants:
        draw = random.Random(seed)
        moments = sorted(instants.changes + draw.randrange(moving * CHANGES_PER_POD) for _ in range(KILLS))
        create_profiles(lab)
        with watch_rollouts(lab) as rollouts:
            operator = kill_again_and_again(start, instants, moments)
            await_end(lab, workloads, lambda: instants.find_violations(minimums))
            # What the next one knows of verdicts is nothing.
            operator.kill()
            start(*QUICK, "--no-leader-elect").passes_happen(3)
            await_end(lab, workloads, lambda: instants.find_violations(minimums))
            told = {name: each.communicate(timeout=DEADLINE)[0] for name, each in rollouts.items()}
            codes = {name: each.returncode for name, each in rollouts.items()}
    assert codes["held"] == codes["homeless"] == 1
    # Killed in the middle of an eviction, the operator leaves a budget that counts the pod as gone for two minutes.
    assert codes["free"] == 0 or "PodDisruptionBudget" in told["free"], told["free"]
    with watch_rollout(lab, "free") as again:
        again.communicate(timeout=DEADLINE)
    assert again.returncode == 0
    assert instants.find_violations(minimums) == []
    assert count_ready(lab, workloads) == before
    assert {each.name: uids(lab, each.namespace, each.name) for each in workloads if each.fate} == stays
    assert all(marks(lab, each.namespace, each.name) == {each.profile} for each in workloads if not each.fate)
    assert len(instants.evictions) == moving, "no replacement was evicted"
