"""Which targets of HorizontalPodAutoscalers a sandboxed pod can never exceed, so that the autoscaler adds no pod.

With `type: Resource` and `averageUtilization` an autoscaler divides the containers' usage by the pod-level request and
the overhead (kubernetes#132430). The containers can use the size at most, so with much overhead a target is beyond it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from monopod.kube.objects.fields import InvalidManifest, Part
from monopod.pods.rules.size import PodSize

KIND: Final = "HorizontalPodAutoscaler"

TOLERANCE: Final = Fraction(11, 10)
"""An autoscaler adds a pod only where usage is above its target by a tenth, by default."""

KATA_OVERHEAD: Final = PodSize(250, 320)
"""Of kata-deploy's class for QEMU: what is assumed of a RuntimeClass that no one has seen."""


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """An autoscaler with targets of utilization, in percent by resource, of whole pods.

    Attributes:
        target: the workload's, as `Deployment/web`.
    """

    name: str
    namespace: str
    target: str
    utilizations: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class OutOfReach:
    """A target that the pods of an autoscaler can't exceed.

    Attributes:
        resource: `cpu` or `memory`.
        percent: the target.
        size: of the pod, in thousandths of a CPU or MiB.
        overhead: of its RuntimeClass, in the same.
    """

    autoscaler: Autoscaler
    resource: str
    percent: int
    size: int
    overhead: int

    @property
    def largest(self) -> int:
        """The largest target in percent that pods which use all of their size do exceed."""
        reached = Fraction(100 * self.size, self.size + self.overhead) / TOLERANCE
        return -(-reached.numerator // reached.denominator) - 1

    def describe(self, assumed: str = "") -> str:
        """A sentence with the figures; `assumed` is the class whose overhead isn't known."""
        unit = "m" if self.resource == "cpu" else "Mi"
        whole = self.size + self.overhead
        share = 100 * self.size // whole
        overhead = f"its overhead ({self.overhead}{unit})"
        if assumed:
            overhead = f"the overhead of RuntimeClass {assumed}, assumed to be Kata's {self.overhead}{unit}"
        return (
            f"{KIND} {self.autoscaler.name} won't add pods: its target of {self.percent} % of {self.resource} is "
            f"counted of the pod's size ({self.size}{unit}) and {overhead}, {whole}{unit} in all, of which a pod can "
            f"use {share} %. Take a ContainerResource metric, an averageValue, or at most {self.largest} %."
        )


def find_autoscalers(documents: Iterable[object], default: str) -> Iterator[Autoscaler]:
    """The autoscalers among the documents that have a target of utilization; whatever can't be read is passed over.

    Args:
        documents: manifests of any kind.
        default: the namespace of those that name none.
    """
    for document in documents:
        if isinstance(document, Mapping) and document.get("kind") == KIND:
            try:
                found = _read(Part(document), default)
            except InvalidManifest:
                continue
            if found.utilizations:
                yield found


def _read(root: Part, default: str) -> Autoscaler:
    metadata, spec = root.child("metadata"), root.child("spec")
    target = spec.child("scaleTargetRef")
    resources = [each.child("resource") for each in spec.children("metrics") if each.text("type") == "Resource"]
    utilizations = {each.text("name"): each.child("target").number("averageUtilization") for each in resources}
    if older := spec.number("targetCPUUtilizationPercentage"):  # autoscaling/v1
        utilizations["cpu"] = older
    return Autoscaler(
        name=metadata.text("name"),
        namespace=metadata.text("namespace") or default,
        target=f"{target.text('kind')}/{target.text('name')}",
        utilizations={name: percent for name, percent in utilizations.items() if percent},
    )


def compute_out_of_reach(autoscaler: Autoscaler, size: PodSize, overhead: PodSize) -> Iterator[OutOfReach]:
    """The autoscaler's targets that pods of this size and overhead can't exceed."""
    amounts = {
        "cpu": (size.cpu_millis, overhead.cpu_millis),
        "memory": (size.memory_mib, overhead.memory_mib),
    }
    for resource, percent in autoscaler.utilizations.items():
        if resource not in amounts:
            continue
        given, beside = amounts[resource]
        # Without overhead it is the size alone that bounds usage, as a limit does anywhere.
        if beside and given * 100 <= percent * TOLERANCE * (given + beside):
            yield OutOfReach(autoscaler, resource, percent, given, beside)


def read_overhead(runtime_class: Mapping[str, object]) -> PodSize:
    """The overhead of a RuntimeClass, rounded up.

    Raises:
        InvalidManifest: it holds what the API server would never store.
    """
    return read_amounts(Part(runtime_class).child("overhead"), "podFixed")


def read_amounts(holder: Part, key: str) -> PodSize:
    """CPU and memory of a list of resources, rounded up; 0 of what it lacks."""
    amounts = holder.quantities(key)
    cpu, memory = amounts.get("cpu", Fraction(0)) * 1000, amounts.get("memory", Fraction(0)) / 2**20
    return PodSize(*(-(-each.numerator // each.denominator) for each in (cpu, memory)))
