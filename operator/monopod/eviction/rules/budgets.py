"""What PodDisruptionBudgets would say to an eviction, foretold from their status for a person who only asks.

Source: Kubernetes documentation, "Specifying a Disruption Budget", and the Eviction API's own rules. Nothing is evicted
on this word: budgets change all the time, and whether an eviction is allowed, the API server alone says.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from monopod.eviction.rules.order import OverBudget, SeveralBudgets
from monopod.kube.objects.fields import Part
from monopod.kube.objects.label_selector import LabelSelector


@dataclass(frozen=True, slots=True)
class Budget:
    """A PodDisruptionBudget.

    Attributes:
        selector: None selects nothing, an empty one everything.
        allowed: how many more of its pods may go now.
        healthy: how many of its pods are Ready, of `wanted`.
        always_unhealthy: whether pods that aren't Ready may go at any time.
    """

    namespace: str
    name: str
    selector: LabelSelector | None
    allowed: int
    healthy: int
    wanted: int
    always_unhealthy: bool

    @classmethod
    def from_resource(cls, resource: Mapping[str, Any]) -> "Budget":
        """Reads a PodDisruptionBudget as the API server sends it."""
        root = Part(resource)
        metadata, spec, status = root.child("metadata"), root.child("spec"), root.child("status")
        selects = spec.fields.get("selector") is not None
        return cls(
            metadata.text("namespace"),
            metadata.text("name"),
            LabelSelector.from_dict(spec.child("selector").fields) if selects else None,
            status.number("disruptionsAllowed"),
            status.number("currentHealthy"),
            status.number("desiredHealthy"),
            spec.text("unhealthyPodEvictionPolicy") == "AlwaysAllow",
        )

    def selects(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Whether the budget is about a pod."""
        return self.namespace == namespace and self.selector is not None and self.selector.matches(labels)


def foretell(pod: Mapping[str, Any], is_ready: bool, budgets: Iterable[Budget]) -> OverBudget | SeveralBudgets | None:
    """How the Eviction API would refuse the pod now; None if it would not."""
    root = Part(pod)
    metadata = root.child("metadata")
    if root.child("status").text("phase") == "Pending":
        return None  # it is nowhere, so no one misses it
    found = [each for each in budgets if each.selects(metadata.text("namespace"), metadata.text_map("labels"))]
    if len(found) > 1:
        return SeveralBudgets()
    for budget in found:
        spared = not is_ready and (budget.always_unhealthy or 0 < budget.wanted <= budget.healthy)
        if budget.allowed < 1 and not spared:
            said = f"it needs {budget.wanted} healthy pods and has {budget.healthy}"
            return OverBudget((budget.name,), said)
    return None
