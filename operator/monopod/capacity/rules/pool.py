"""Whether a NodePool makes nodes that a profile's pods can run on, as Karpenter itself decides it.

Karpenter compares what a pod selects with the labels and requirements of the NodePool's template, and the pod's
tolerations with its taints. Startup taints don't count. Labels that its provider gives to nodes it knows without being
told; all others have to be in the template.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from monopod.api.names import TOPOLOGY_ZONE
from monopod.capacity.rules.node_pool import CAPACITY_TYPE, INSTANCE_TYPE, POOL_LABEL, REGION
from monopod.capacity.rules.node_shape import ARCH, OS, STARTUP_TAINTS
from monopod.capacity.rules.sandbox import Sandbox, Taint
from monopod.kube.objects.fields import Part
from monopod.pods.rules.node_demand import NodeRequirement

_PROVIDED: Final = frozenset({ARCH, OS, TOPOLOGY_ZONE, REGION, INSTANCE_TYPE, CAPACITY_TYPE})
_BOUNDS: Final = ("Gte", "Lte")
"""Operators that only Karpenter knows; what they say isn't compared here."""


@dataclass(frozen=True, slots=True)
class Pool:
    """A NodePool.

    Attributes:
        provider: the API group of its node class, which is also the domain of the labels that its provider gives.
        requirements: of its template.
        limits: what all its nodes together may have, by resource.
        used: what they have.
        trouble: why it isn't Ready; "" if it is, or doesn't say.
    """

    name: str
    provider: str
    labels: Mapping[str, str]
    requirements: tuple[NodeRequirement, ...]
    taints: tuple[Taint, ...]
    startup_taints: tuple[Taint, ...]
    limits: Mapping[str, Fraction]
    used: Mapping[str, Fraction]
    trouble: str = ""

    @classmethod
    def from_resource(cls, resource: Mapping[str, object]) -> "Pool":
        """Reads a NodePool as the API server sends it.

        Raises:
            InvalidPod: it isn't as Karpenter's CRD has it.
        """
        root = Part(resource)
        spec, status = root.child("spec"), root.child("status")
        template = spec.child("template")
        node = template.child("spec")
        used = status.quantities("resources")
        if "nodes" in status.fields:
            used["nodes"] = Fraction(status.number("nodes"))
        return cls(
            root.child("metadata").text("name"),
            node.child("nodeClassRef").text("group"),
            template.child("metadata").text_map("labels"),
            tuple(
                NodeRequirement(each.text("key"), each.text("operator"), each.texts("values"))
                for each in node.children("requirements")
            ),
            _read_taints(node, "taints"),
            _read_taints(node, "startupTaints"),
            spec.quantities("limits"),
            used,
            _read_trouble(status),
        )

    def is_full_for(self, cpu_millis: int, memory_mib: int) -> bool:
        """Whether a node for a pod of this size would exceed the limits: even the smallest has as much."""
        needs = {"cpu": Fraction(cpu_millis, 1000), "memory": Fraction(memory_mib * 2**20), "nodes": Fraction(1)}
        return any(self.used.get(key, 0) + need > self.limits[key] for key, need in needs.items() if key in self.limits)


def _read_taints(node: Part, key: str) -> tuple[Taint, ...]:
    return tuple(Taint(each.text("key"), each.text("value"), each.text("effect")) for each in node.children(key))


def _read_trouble(status: Part) -> str:
    for condition in status.children("conditions"):
        if condition.text("type") == "Ready" and condition.text("status") == "False":
            return condition.text("message") or condition.text("reason") or "it doesn't say why"
    return ""


@dataclass(frozen=True, slots=True)
class Fits:
    """Karpenter makes nodes of the pool for the pods.

    Attributes:
        missing: the startup taint that the pool lacks, so that pods come before the sandbox.
    """

    missing: Taint | None = None


@dataclass(frozen=True, slots=True)
class LabelMissing:
    """The pool's nodes don't have a label, as KEY=VALUE, that the pods select."""

    label: str


@dataclass(frozen=True, slots=True)
class TaintNotTolerated:
    """The pool's nodes have a taint that the pods don't tolerate."""

    taint: Taint


Fit = Fits | LabelMissing | TaintNotTolerated


def judge_pool(pool: Pool, sandbox: Sandbox, zones: Sequence[str]) -> Fit:
    """Whether the pool's nodes take pods of a RuntimeClass in these zones (none: any)."""
    for key, value in sorted(sandbox.node_selector.items()):
        if not _may_have(pool, key, value):
            return LabelMissing(f"{key}={value}")
    if zones and not any(_may_have(pool, TOPOLOGY_ZONE, zone) for zone in zones):
        return LabelMissing(f"{TOPOLOGY_ZONE}={'|'.join(zones)}")
    for taint in pool.taints:
        if taint.effect != "PreferNoSchedule" and not any(each.tolerates(taint) for each in sandbox.tolerations):
            return TaintNotTolerated(taint)
    named = {taint.key for taint in pool.startup_taints}
    return Fits(next((Taint(key) for key in sandbox.node_selector if key in STARTUP_TAINTS and key not in named), None))


def _may_have(pool: Pool, key: str, value: str) -> bool:
    """Whether a node of the pool may have the label."""
    if key == POOL_LABEL:
        return value == pool.name
    said = [each for each in pool.requirements if each.key == key]
    if not all(each.operator in _BOUNDS or each.matches({key: value}) for each in said):
        return False
    if key in pool.labels:
        return pool.labels[key] == value
    return bool(said) or key in _PROVIDED or key.partition("/")[0] == pool.provider
