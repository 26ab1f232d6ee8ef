"""Which pods are being interrupted, and by what: told by a pod's condition, and by its node's taints and conditions.

    on its way out ──► DisruptionTarget? ── no: someone deleted it, or it was scaled away
                            └── yes ──► its reason is a cause? ── no ──► is one of its node's signs? ── no: an eviction
                                            └── yes ──► interrupted           └── yes ──► interrupted

Each cause is what one system writes, so that no interruption is guessed; CAUSES names it and its source. What says more
than that a node goes is none: AKS has VMEventScheduled of reboots and freezes, too, and taints Spot's nodes from their
birth. Karpenter's conditions are its NodeClaims', Cluster API's its Machines'; of nodes they write taints or nothing.
"""

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from monopod.api.names import CAPACITY_PROVIDER_LABEL, FARGATE, FARGATE_SPOT, PROFILE_LABEL
from monopod.notices.rules.notice import INTERRUPTION, NoticedPod, SpotInterruption

_DISRUPTION: Final = "DisruptionTarget"
_BY_KUBELET: Final = "TerminationByKubelet"
_SHUT_DOWN: Final = "Terminated"
"""The kubelet's `status.reason` of pods that it ends because the node shuts down (pkg/kubelet/nodeshutdown). Those that
it evicts for want of memory have the same condition and another reason."""


_LONGEST_GRACE: Final = 366 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Cause:
    """Why pods are interrupted.

    Attributes:
        name: as metrics and notices have it.
        condition: the reason of the pod's condition DisruptionTarget; "" if it is told by the node.
        taint: the key of the node's taint; "" if it is told by a condition.
        node_condition: the type of the node's condition, as NodeView reads it; "" if it is told otherwise.
        source: who writes that.
    """

    name: str
    condition: str = ""
    taint: str = ""
    node_condition: str = ""
    source: str = ""


DRILL: Final = "Drill"
_HANDLER: Final = "aws-node-termination-handler"

CAUSES: Final = (
    Cause(DRILL, condition=INTERRUPTION, source="`kubectl fargate interrupt`"),
    Cause("Preemption", condition="PreemptionByScheduler", source="kube-scheduler: a pod on demand takes the room"),
    Cause("SpotNotice", taint=f"{_HANDLER}/spot-itn", source="AWS Node Termination Handler"),
    Cause("SpotNotice", taint="cloud.google.com/impending-node-termination", source="GKE"),
    Cause("SpotNotice", node_condition="PreemptionScheduled", source="AKS's node problem detector"),
    Cause("SpotNotice", node_condition="Terminating", source="OpenShift's termination handlers, on AWS, Azure and GCP"),
    Cause("RebalanceRecommendation", taint=f"{_HANDLER}/rebalance-recommendation", source="the same handler"),
    Cause("ScheduledMaintenance", taint=f"{_HANDLER}/scheduled-maintenance", source="the same handler"),
    Cause("AutoScalingTermination", taint=f"{_HANDLER}/asg-lifecycle-termination", source="the same handler"),
    Cause("NodeDisruption", taint="karpenter.sh/disrupted", source="Karpenter, of interruptions and consolidation"),
    Cause("NodeDisruption", taint="remediator.kubernetes.azure.com/unschedulable", source="AKS, when it drains a node"),
    Cause("NodeShutdown", taint="node.cloudprovider.kubernetes.io/shutdown", source="the cloud's controller manager"),
    Cause("NodeShutdown", taint="node.kubernetes.io/out-of-service", source="administrators and their tools"),
)
"""The first that holds is told. A node that shuts down gracefully needs no taint: its kubelet says so on the pod."""


def find_interruption(
    pod: Mapping[str, Any], taints: Iterable[str], conditions: Iterable[str] = (), *, is_chosen: bool = False
) -> SpotInterruption | None:
    """The interruption of a pod of a profile; None if it isn't being interrupted.

    Args:
        pod: as the API server has it.
        taints: the keys of its node's taints.
        conditions: the types of its node's conditions that tell of interruptions.
        is_chosen: whether the drill that its profile asks for has chosen it.
    """
    metadata, status = pod["metadata"], pod.get("status") or {}
    labels = metadata.get("labels") or {}
    condition = _find_disruption(status)
    if condition is None or PROFILE_LABEL not in labels:
        return None
    provider = FARGATE_SPOT if labels.get(CAPACITY_PROVIDER_LABEL) == FARGATE_SPOT else FARGATE
    is_shut_down = condition.get("reason") == _BY_KUBELET and status.get("reason") == _SHUT_DOWN
    found = _find_cause(str(condition.get("reason")), frozenset(taints), frozenset(conditions))
    cause = "NodeShutdown" if is_shut_down else found
    cause = DRILL if is_chosen else cause
    # Pods on demand may be drained, too. Only a drill ends them in Spot's words.
    if not cause or (provider == FARGATE and cause != DRILL):
        return None
    times = _read_deletion(metadata) or (_read_shutdown(pod, condition) if is_shut_down else None)
    if times is None:
        return None
    told = NoticedPod(metadata["namespace"], metadata["name"], metadata["uid"], labels[PROFILE_LABEL])
    return SpotInterruption(told, cause, provider, *times)


def _find_disruption(status: Mapping[str, Any]) -> Mapping[str, Any] | None:
    found = (each for each in status.get("conditions") or () if each.get("type") == _DISRUPTION)
    return next((each for each in found if each.get("status") == "True"), None)


def _find_cause(reason: str, taints: frozenset[str], conditions: frozenset[str]) -> str:
    for cause in CAUSES:
        of_node = cause.taint in taints or cause.node_condition in conditions
        if (cause.condition == reason) if cause.condition else of_node:
            return cause.name
    return ""


def _read_deletion(metadata: Mapping[str, Any]) -> tuple[datetime.datetime, datetime.datetime] | None:
    """When SIGTERM came, and when SIGKILL comes at the latest."""
    ends = _read_time(metadata.get("deletionTimestamp"))
    return (ends - _read_grace(metadata.get("deletionGracePeriodSeconds")), ends) if ends else None


def _read_shutdown(
    pod: Mapping[str, Any], condition: Mapping[str, Any]
) -> tuple[datetime.datetime, datetime.datetime] | None:
    """The same of a pod that its node ends, and nobody deletes."""
    began = _read_time(condition.get("lastTransitionTime"))
    grace = (pod.get("spec") or {}).get("terminationGracePeriodSeconds")
    return (began, began + _read_grace(grace)) if began else None


def _read_grace(seconds: object) -> datetime.timedelta:
    """A grace period: whoever deletes a pod may say one of any length, beyond what times can tell."""
    known = min(seconds, _LONGEST_GRACE) if isinstance(seconds, int) else 0
    return datetime.timedelta(seconds=known)


def _read_time(text: object) -> datetime.datetime | None:
    return datetime.datetime.fromisoformat(text) if isinstance(text, str) and text else None
