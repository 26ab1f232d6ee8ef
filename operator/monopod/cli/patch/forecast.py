"""Which sandboxes a patch makes stale, and what would become of their pods, before it is written as text or JSON.

The decisions are those of `monopod.patching.rules`. Added is what a person wants to know beforehand: what budgets would
say now.
"""

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from monopod.api.names import TOPOLOGY_ZONE
from monopod.eviction.rules.budgets import Budget, foretell
from monopod.eviction.rules.order import OverBudget, SeveralBudgets
from monopod.kube.objects.fields import Part
from monopod.patching.rules.rounds import Done, Round, compute_round
from monopod.patching.rules.staleness import Patch, StalePod, find_stale, read_sandbox_start
from monopod.patching.rules.windows import Window
from monopod.pods.rules.state import has_ended, is_ready

Manifest = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Terms:
    """What is asked.

    Attributes:
        patch: the patch of the RuntimeClass, if there was one; noticed now.
        wait: from the notice to the first eviction.
        max_age: how old a sandbox may become in any case.
        windows: when pods may be evicted.
    """

    runtime_class: str
    patch: Patch | None
    wait: datetime.timedelta
    max_age: datetime.timedelta | None
    windows: Sequence[Window]
    now: datetime.datetime


@dataclass(frozen=True, slots=True)
class Replacement:
    """A pod whose sandbox is to be replaced.

    Attributes:
        refusal: why its eviction would be refused now; "" if it wouldn't.
    """

    pod: StalePod
    zone: str
    refusal: str


@dataclass(frozen=True, slots=True)
class PatchPlan:
    """What becomes of the pods of a RuntimeClass.

    Attributes:
        sandboxes: how many there are.
        replacements: those that are to be replaced, in the order in which they go.
    """

    terms: Terms
    sandboxes: int
    round: Round
    replacements: tuple[Replacement, ...]


def build_plan(
    terms: Terms, pods: Iterable[Manifest], nodes: Iterable[Manifest], budgets: Sequence[Budget]
) -> PatchPlan:
    """What becomes of the pods, of which only those of the RuntimeClass count.

    Raises:
        InvalidManifest: an object holds what the API server would never store.
    """
    zones = {node["metadata"]["name"]: _read_zone(node) for node in nodes}
    mine = [pod for pod in pods if Part(pod).child("spec").text("runtimeClassName") == terms.runtime_class]
    by_uid = {pod["metadata"]["uid"]: pod for pod in mine}
    found = [find_stale(pod, terms.patch, terms.wait, terms.max_age, terms.now) for pod in mine]
    current = compute_round([pod for pod in found if pod], zones, terms.windows, terms.now, {})
    stale = () if isinstance(current, Done) else current.stale
    replacements = tuple(
        Replacement(pod, zones.get(pod.node, ""), _describe_refusal(by_uid[pod.uid], budgets)) for pod in stale
    )
    running = sum(read_sandbox_start(pod) is not None and not has_ended(pod) for pod in mine)
    return PatchPlan(terms, running, current, replacements)


def _read_zone(node: Manifest) -> str:
    return Part(node).child("metadata").text_map("labels").get(TOPOLOGY_ZONE, "")


def _describe_refusal(pod: Manifest, budgets: Sequence[Budget]) -> str:
    match foretell(pod, is_ready(pod), budgets):
        case None:
            return ""
        case OverBudget(budgets=names, message=said):
            return f"PodDisruptionBudget {', '.join(names)}: {said}"
        case SeveralBudgets():
            return "several PodDisruptionBudgets select it"
