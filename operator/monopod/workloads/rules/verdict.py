"""Whether a replacement would be as good as the pod that it replaces: created, in its sandbox, and on some node.

What the API server answers to a dry run is judged here for all who ask: before pods are moved, before those of a
deleted profile go, and in `kubectl fargate plan`, which tells both beforehand.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from monopod.api.reasons import Reason
from monopod.kube.objects.views import NodeView
from monopod.pods.rules.dry_run import NotSandboxed, PodDryRun, judge_pod
from monopod.pods.rules.node_demand import explain_unschedulable
from monopod.pods.rules.state import is_ready
from monopod.workloads.rules.creation import Census, Quota, fits_once_gone

Manifest = Mapping[str, Any]

_WORDS: Final = {
    Reason.REPLACEMENT_REFUSED: "a replacement can't be created",
    Reason.REPLACEMENT_NOT_SANDBOXED: "a replacement wouldn't be sandboxed",
    Reason.REPLACEMENT_UNSCHEDULABLE: "no node could take a replacement",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """To a dry run: the pod as it would be, or in which words it was refused; neither if none was sent."""

    created: dict[str, Any] | None = None
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a pod stays: what would be wrong with its replacement. As text it is the whole sentence's end."""

    reason: Reason
    saw: str

    def __str__(self) -> str:
        return f"{_WORDS[self.reason]}: {self.saw}"


def judge_answer(answer: Answer, gone: Manifest, quotas: Iterable[Quota]) -> Fault | None:
    """Whether it is refused even when the pod that it replaces is gone."""
    if answer.refusal and not fits_once_gone(answer.refusal, quotas, gone):
        return Fault(Reason.REPLACEMENT_REFUSED, answer.refusal)
    return None


def judge_quotas(answer: Answer, gone: Manifest, quotas: Sequence[Quota], census: Census) -> Fault | None:
    """Whether the quotas have capacity for it, by the pods themselves, and no other pod waits for that."""
    if lacking := census.compute_lacking():
        return Fault(Reason.REPLACEMENT_REFUSED, lacking)
    if overdrawn := census.compute_overdrawn(quotas, gone, answer.created, answer.refusal):
        name, resource = overdrawn
        saw = f"quota {name} has no {resource} left for it: its pods use more than its status says"
        return Fault(Reason.REPLACEMENT_REFUSED, saw)
    return None


def judge_sandbox(created: Manifest, namespace: str, profile: str, runtime_class: str) -> Fault | None:
    """Whether admission gave it the sandbox of the profile."""
    outcome = judge_pod(created, PodDryRun(namespace, (), profile, runtime_class))
    return Fault(Reason.REPLACEMENT_NOT_SANDBOXED, outcome.saw) if isinstance(outcome, NotSandboxed) else None


def judge_node(created: Manifest, gone: Manifest, nodes: Sequence[NodeView]) -> Fault | None:
    """Whether a node could take it. A pod that isn't Ready serves no one, and may wait for a node itself."""
    misfit = explain_unschedulable(created, nodes) if is_ready(gone) else ""
    return Fault(Reason.REPLACEMENT_UNSCHEDULABLE, misfit) if misfit else None
