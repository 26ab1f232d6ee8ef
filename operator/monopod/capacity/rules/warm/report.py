"""What a profile says of its warm capacity, where that isn't as it should be; each with what to do."""

from typing import assert_never

from monopod.api.names import BALLOON_PRIORITY_CLASS
from monopod.api.reasons import Reason
from monopod.capacity.rules.settings import Provider
from monopod.capacity.rules.warm.state import (
    Bounded,
    BufferShort,
    Lack,
    NoPriorityClass,
    NotStarted,
    OnBadNodes,
    Refused,
    Unschedulable,
    WarmState,
)
from monopod.kube.objects.text import to_line

_UNANSWERED = (
    "balloon pods keep the room warm, because nothing implements the cluster's CapacityBuffers: to have them used, "
    "switch them on in the autoscaler (Karpenter: feature gate CapacityBuffer)"
)


def describe_warm(state: WarmState, provider: Provider) -> tuple[bool, Reason, str] | None:
    """The status, reason and message of the condition; None if there is nothing to say."""
    if state.lack:
        short = f"there is warm room for {state.ready} of {state.wanted} pods: {_describe(state.lack, provider)}"
        return False, Reason.WARM_SHORT, short
    return (True, Reason.BUFFER_NOT_IMPLEMENTED, _UNANSWERED) if state.unanswered else None


def _describe(lack: Lack, provider: Provider) -> str:
    match lack:
        case Bounded(allowed, bound):
            return (
                f"room is kept for {bound} pods of all profiles at most, which leaves {allowed} for this one; raise "
                "the chart's value warm.bound, or ask for less in spec.capacity.warm"
            )
        case NoPriorityClass():
            return f"the PriorityClass {BALLOON_PRIORITY_CLASS} doesn't exist; install Monopod's chart again"
        case Refused(answer):
            return f"the API server refuses what Monopod writes in its own namespace: {_cut(answer)}"
        case Unschedulable(message):
            todo = (
                "add nodes" if provider is Provider.NONE else "the autoscaler is to make nodes; its events say why not"
            )
            return (
                f"balloon pods find no room, so {todo}, or ask for less in spec.capacity.warm. The scheduler: "
                + _cut(message)
            )
        case NotStarted(pod, reason):
            return f"the balloon pod {pod} doesn't start ({reason}); see its events, and the chart's value pauseImage"
        case OnBadNodes(node):
            return f"node {node} isn't Ready, or has no sandbox yet; see to it"
        case BufferShort():
            return (
                "the autoscaler hasn't made the nodes that the CapacityBuffer asks for; its status, and the limits of "
                "the NodePools, say why"
            )
        case _:
            assert_never(lack)


def _cut(text: str) -> str:
    line = to_line(text)
    return line if len(line) <= 400 else f"{line[:400]}…"
