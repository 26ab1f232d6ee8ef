"""Why a task is to stop: AWS's code, and the sentence, in AWS's words where there are some.

The first cause that is found counts, and stays: what others do afterwards changes nothing.
"""

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from monopod.api.ecs.names import ECS_PROFILE, ECS_TASK_GATE
from monopod.notices.rules.notice import INTERRUPTED, INTERRUPTION
from monopod.tasks.rules.lifecycle.facts import ContainerFacts
from monopod.tasks.rules.lifecycle.failures import LONGEST_REASON
from monopod.tasks.rules.lifecycle.members import Member
from monopod.tasks.rules.lifecycle.snapshot import Snapshot
from monopod.tasks.rules.lifecycle.states import (
    BY_INFRASTRUCTURE,
    BY_NOTICE,
    BY_SPOT,
    BY_USER,
    CONTAINER_EXITED,
    FAILED_TO_START,
)
from monopod.tasks.rules.order import Role

NO_CAPACITY: Final = "Capacity is unavailable at this time. Please try again later or in a different availability zone"
EXITED: Final = "Essential container in task exited"
STOPPED_BY_USER: Final = "Task stopped by user"
LOOSE: Final = f"someone else let the task's pod out of its scheduling gate {ECS_TASK_GATE}; the pod is removed."
DISCARDED: Final = "The task's record was deleted."
OTHER_PROVIDER: Final = (
    f"the task's pod isn't on {{}}: the FargateProfile that takes it ({ECS_PROFILE}) must say spot.podChoice: Allow."
)
NOT_PREPARED: Final = "Timeout waiting for network interface provisioning to complete."

SANDBOX_PATIENCE: Final = datetime.timedelta(minutes=5)
"""How long a node may take to have a sandbox, its volumes and its network ready."""

_DRILL: Final = INTERRUPTION
_PREEMPTION: Final = "PreemptionByScheduler"
_BY_NODE: Final = frozenset({"DeletionByTaintManager", "DeletionByPodGC", "TerminationByKubelet"})
_SHORT_OF: Final = "OutOf"
_OF_THE_NODE: Final = "The node"
"""How the kubelet's sentences on an eviction begin where not the pod is to blame (pkg/kubelet/eviction/helpers.go)."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a task stops."""

    code: str
    reason: str


def find_cause(snapshot: Snapshot) -> Cause | None:
    """The first of the causes that there is."""
    found = next((cause for rule in RULES if (cause := rule(snapshot))), None)
    return found and Cause(found.code, found.reason[:LONGEST_REASON])


def find_stop_asked(snapshot: Snapshot) -> Cause | None:
    """Someone wants it stopped, or discarded: a finalizer may keep a deleted task, and with it its pod."""
    stop = snapshot.spec.get("stop")
    if not stop:
        return Cause(BY_USER, DISCARDED) if (snapshot.task.get("metadata") or {}).get("deletionTimestamp") else None
    code = str(stop.get("code") or BY_USER)
    return Cause(code, str(stop.get("reason") or (STOPPED_BY_USER if code == BY_USER else "")))


def find_unrunnable(snapshot: Snapshot) -> Cause | None:
    """Its definition can't be run."""
    return Cause(FAILED_TO_START, snapshot.problem) if snapshot.problem and not snapshot.recorded else None


def find_pod_refused(snapshot: Snapshot) -> Cause | None:
    """The API server takes no such pod, Fargate can't run it, others let it out, or another has its name."""
    if snapshot.recorded:
        return None
    if snapshot.foreign:
        return _initialization("another pod has the task's id for a name.")
    if snapshot.is_loose:
        return _initialization(LOOSE)
    if snapshot.pod and snapshot.pod.unsupported:
        return _initialization(snapshot.pod.unsupported)
    return _initialization(snapshot.around.refusal) if snapshot.around.is_refused else None


def find_no_capacity(snapshot: Snapshot) -> Cause | None:
    """Nothing took the pod in the time that the task waits."""
    if snapshot.now < snapshot.patience_ends or (snapshot.pod and (snapshot.pod.node or snapshot.pod.is_gone)):
        return None
    pod = snapshot.pod
    if pod is None:
        return _initialization(snapshot.around.refusal) if snapshot.around.refusal and not snapshot.recorded else None
    if not snapshot.recorded and snapshot.is_of_its_size and not snapshot.has_its_provider:
        return _initialization(OTHER_PROVIDER.format(snapshot.spec["capacityProviderName"]))
    if not snapshot.recorded and not snapshot.is_acceptable:
        return _initialization("no Fargate profile gives the task's pod a sandbox of the task's size.")
    if pod.other_gates:
        return _initialization(f"the pod waits behind {', '.join(pod.other_gates)}; its events say what for.")
    return Cause(FAILED_TO_START, f"{NO_CAPACITY} ({pod.unschedulable})" if pod.unschedulable else NO_CAPACITY)


def find_pod_ended_by_others(snapshot: Snapshot) -> Cause | None:
    """Someone deletes the pod, or has."""
    pod = snapshot.pod
    if not snapshot.recorded or (pod is not None and not pod.is_gone and pod.deletion is None):
        return None
    if pod is None:
        return Cause(BY_USER, "The task's pod was deleted.")
    told = f": {pod.disruption_message}" if pod.disruption_message else "."
    if pod.disruption == _DRILL or (pod.disruption == _PREEMPTION and pod.is_on_spot):
        return Cause(BY_SPOT, INTERRUPTED)
    if pod.disruption in _BY_NODE or snapshot.is_lost:
        return Cause(BY_INFRASTRUCTURE, f"The task's node ended its pod{told}")
    if pod.disruption:
        return Cause(BY_NOTICE, f"The task's pod was evicted{told}")
    if pod.is_terminal and not pod.reason:
        return None  # it had ended before: how, its containers tell
    return Cause(BY_USER, "The task's pod was deleted.")


def find_pod_ended_by_node(snapshot: Snapshot) -> Cause | None:
    """The node refused the pod, or ended it for a reason of its own."""
    pod = snapshot.pod
    if pod is None or not pod.is_terminal or not pod.reason or pod.is_stopping:
        return None
    told = f"{pod.reason}: {pod.message}".removesuffix(": ")
    if not any(facts.has_begun for facts in pod.containers.values()):
        is_short = pod.reason.startswith(_SHORT_OF)
        return Cause(FAILED_TO_START, f"{NO_CAPACITY} ({told})") if is_short else _initialization(told)
    if pod.reason == "Evicted" and not pod.message.startswith(_OF_THE_NODE):
        return Cause(CONTAINER_EXITED, f"{EXITED} ({told})")
    return Cause(BY_INFRASTRUCTURE, f"The task's node ended its pod: {told}")


def find_container_failed(snapshot: Snapshot) -> Cause | None:
    """A container won't start, and the task can't do without."""
    for member, facts in snapshot.list_members():
        failure = snapshot.failures.get(member.name)
        if failure and (member.is_essential or not facts.could_not_start):
            return Cause(FAILED_TO_START, failure)
    return None


def find_essential_exit(snapshot: Snapshot) -> Cause | None:
    """An essential container has ended."""
    if any(has_ended(member, facts) for member, facts in snapshot.list_members() if member.is_essential):
        return Cause(CONTAINER_EXITED, EXITED)
    return None


def find_not_prepared(snapshot: Snapshot) -> Cause | None:
    """The node doesn't get the sandbox, its volumes or its network ready."""
    due = compute_preparation_due(snapshot)
    if due is None or snapshot.now < due:
        return None
    return Cause(FAILED_TO_START, f"{NOT_PREPARED} The events of the pod say what its node waits for.")


def find_ended(snapshot: Snapshot) -> Cause | None:
    """All has ended, and no one said why."""
    if snapshot.pod is None or not snapshot.pod.is_terminal:
        return None
    return Cause(CONTAINER_EXITED, EXITED)


def compute_preparation_due(snapshot: Snapshot) -> datetime.datetime | None:
    """By when the node should have it ready; None if it has, or hasn't begun."""
    pod = snapshot.pod
    if pod is None or not pod.node or pod.unprepared_since is None or pod.is_terminal:
        return None
    if any(facts.has_begun for facts in pod.containers.values()):
        return None
    return pod.unprepared_since + SANDBOX_PATIENCE


def has_ended(member: Member, facts: ContainerFacts) -> bool:
    """Whether a container's process has ended for good.

    A container that others wait for is restarted in the pod when it ends. If it's essential, its first end counts.
    """
    if member.restarts:
        return bool(facts.ended) and facts.exit_code in member.ignored
    return bool(facts.ended) or (member.is_essential and member.role is Role.SIDECAR and facts.earlier_exit is not None)


def _initialization(problem: str) -> Cause:
    return Cause(FAILED_TO_START, f"ResourceInitializationError: {problem}")


RULES: Final[tuple[Callable[[Snapshot], Cause | None], ...]] = (
    find_stop_asked,
    find_unrunnable,
    find_pod_refused,
    find_no_capacity,
    find_pod_ended_by_others,
    find_pod_ended_by_node,
    find_container_failed,
    find_essential_exit,
    find_not_prepared,
    find_ended,
)
