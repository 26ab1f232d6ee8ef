"""Autoscalers whose targets the pods of profiles can't exceed: what `lint`, `explain` and `doctor` say of them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from monopod.cli.doctor.diagnosis import Check, Facts, Finding, Json, Level, Unread, unread
from monopod.cli.explain.explanation import Explanation
from monopod.kube.objects.fields import InvalidManifest, Part
from monopod.pods.rules.decision import Sandboxed
from monopod.pods.rules.size import PodSize
from monopod.workloads.rules.autoscaling import (
    KATA_OVERHEAD,
    Autoscaler,
    compute_out_of_reach,
    find_autoscalers,
    read_amounts,
    read_overhead,
)

_ACTION: Final = "Change the metric or the target: docs/concepts/pod-size-readers.md."
_HASH: Final = "pod-template-hash"


@dataclass(frozen=True, slots=True)
class Autoscalers:
    """Those that are known, and the overhead of each RuntimeClass that is."""

    known: Sequence[Autoscaler] = ()
    overheads: Mapping[str, PodSize] = field(default_factory=dict)

    def annotate(self, explanation: Explanation) -> Explanation:
        """The explanation with a note for each target that the pods can't exceed."""
        if not isinstance(explanation.decision, Sandboxed):
            return explanation
        name = explanation.decision.runtime_class
        overhead = self.overheads.get(name)
        found = (
            each
            for autoscaler in self.known
            if (autoscaler.namespace, autoscaler.target) == (explanation.namespace, explanation.source)
            for each in compute_out_of_reach(autoscaler, explanation.decision.size.row, overhead or KATA_OVERHEAD)
        )
        assumed = "" if overhead else name or "the default sandbox's"
        return replace(
            explanation, notes=tuple(dict.fromkeys([*explanation.notes, *(each.describe(assumed) for each in found)]))
        )


def find_in_documents(
    documents: Iterable[object], default: str, fetch_classes: Callable[[], Iterable[object]] = tuple
) -> Autoscalers:
    """The autoscalers and RuntimeClasses among the documents.

    Args:
        documents: manifests of any kind.
        default: the namespace of those that name none.
        fetch_classes: the cluster's RuntimeClasses, read only if there is an autoscaler that they matter to.
    """
    documents = list(documents)
    known = list(find_autoscalers(documents, default))
    classes = [each for each in documents if isinstance(each, Mapping) and each.get("kind") == "RuntimeClass"]
    return Autoscalers(known, read_overheads([*fetch_classes(), *classes])) if known else Autoscalers()


def read_overheads(classes: Iterable[object]) -> dict[str, PodSize]:
    """The overhead of each RuntimeClass by its name; without those that can't be read."""
    found = {}
    for each in classes:
        if isinstance(each, Mapping):
            with suppress(InvalidManifest):
                found[Part(each).child("metadata").text("name")] = read_overhead(each)
    return found


def check_autoscalers(facts: Facts) -> Iterator[Finding]:
    """Whether an autoscaler of pods of profiles has a target that these can't exceed."""
    for what, fact in (("The autoscalers", facts.autoscalers), ("The pods of profiles", facts.pods)):
        if isinstance(fact, Unread):
            yield unread(Check.AUTOSCALERS, what, fact)
            return
    if isinstance(facts.autoscalers, Unread) or isinstance(facts.pods, Unread):
        return
    workloads = {
        workload: sizes for pod in facts.pods if (workload := _fetch_workload(pod)) and (sizes := _measure(pod))
    }
    found = [
        (autoscaler, each)
        for autoscaler in find_autoscalers(facts.autoscalers, "")
        if (sizes := workloads.get((autoscaler.namespace, autoscaler.target)))
        for each in compute_out_of_reach(autoscaler, *sizes)
    ]
    for autoscaler, each in found:
        yield Finding(Check.AUTOSCALERS, Level.WARNING, f"Namespace {autoscaler.namespace}: {each.describe()}", _ACTION)


def _fetch_workload(pod: Json) -> tuple[str, str] | None:
    """Namespace, kind and name of what an autoscaler scales; a ReplicaSet's name ends with its pods' hash."""
    metadata = pod["metadata"]
    owner = next((each for each in metadata.get("ownerReferences") or () if each.get("controller")), None)
    if owner is None:
        return None
    kind, name = owner["kind"], owner["name"]
    suffix = f"-{(metadata.get('labels') or {}).get(_HASH)}"
    if kind == "ReplicaSet" and name.endswith(suffix):
        kind, name = "Deployment", name.removesuffix(suffix)
    return metadata["namespace"], f"{kind}/{name}"


def _measure(pod: Json) -> tuple[PodSize, PodSize] | None:
    """Its size and its overhead; None without a size."""
    spec = Part(pod).child("spec")
    with suppress(InvalidManifest):
        size = read_amounts(spec.child("resources"), "requests")
        return (size, read_amounts(spec, "overhead")) if size.cpu_millis else None
    return None
