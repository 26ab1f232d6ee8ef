"""What profiles and pods say of Spot: the provider, Spot's nodes, classes of priority and grace periods."""

from collections.abc import Sequence
from dataclasses import replace

from monopod.api.names import CAPACITY_PROVIDER_ANNOTATION, CAPACITY_PROVIDER_LABEL, FARGATE_SPOT, SPOT_CLASSES
from monopod.pods.rules.nodes import REQUIRED
from monopod.pods.rules.selection import Profile, SpotReclaim
from tests.controlplane.conftest import PRIORITY_CLASS
from tests.controlplane.differential.draws import Draw, Manifest


def draw_providers(draw: Draw, profiles: Sequence[Profile]) -> list[Profile]:
    """The profiles, some on Spot; and in some clusters Spot's nodes have a label."""
    label = "kind=spot" if draw.maybe(0.3) else ""
    reclaim: SpotReclaim = "None" if label and draw.maybe(0.5) else "Preemption"
    return [
        replace(
            each,
            capacity_provider="FARGATE_SPOT" if draw.maybe(0.3) else "FARGATE",
            spot_node_label=label,
            spot_reclaim=reclaim,
            pod_choice="Allow" if draw.maybe(0.3) else "Ignore",
        )
        for each in profiles
    ]


def ask_for_spot(draw: Draw, pod: Manifest) -> None:
    """What has to do with Spot in a pod: its grace period, class, mark and choice, what it says of Spot's nodes."""
    spec = pod["spec"]
    if draw.maybe(0.2):
        spec["terminationGracePeriodSeconds"] = draw.choice((0, 1, 119, 120, 121, 600))
    if draw.maybe(0.15):
        spec["priorityClassName"] = draw.choice((PRIORITY_CLASS, *SPOT_CLASSES))
    if draw.maybe(0.05):
        pod["metadata"].setdefault("labels", {})[CAPACITY_PROVIDER_LABEL] = draw.choice(("FARGATE", FARGATE_SPOT, ""))
    if draw.maybe(0.2):
        known = draw.choice(("FARGATE", FARGATE_SPOT))
        chosen = draw.choice(("fargate_spot", "SPOT", "")) if draw.maybe(0.2) else known
        pod["metadata"].setdefault("annotations", {})[CAPACITY_PROVIDER_ANNOTATION] = chosen
    terms = spec.get("affinity", {}).get("nodeAffinity", {}).get(REQUIRED, {}).get("nodeSelectorTerms", [])
    for term in terms:
        if draw.maybe(0.2):
            operator = draw.choice(("In", "NotIn"))
            term.setdefault("matchExpressions", []).append({"key": "kind", "operator": operator, "values": ["spot"]})


def draw_on_demand(draw: Draw, profiles: Sequence[Profile]) -> str:
    """In some namespaces, workloads of some profiles that run on demand, or did; owners that pods have, and others."""
    if draw.maybe(0.5):
        return ""
    entries = [
        f"{each.name}/{owner}{draw.choice(('=', '=', '~'))}2026-01-01T00:00:00Z,1"
        for each in profiles
        for owner in ("1", "11")
        if draw.maybe(0.5)
    ]
    return " ".join(entries)


def own_as_a_workload(draw: Draw, pod: Manifest) -> None:
    """Some pods are a ReplicaSet's."""
    if "ownerReferences" not in pod["metadata"] and draw.maybe(0.3):
        owner = {"kind": "ReplicaSet", "apiVersion": "apps/v1", "name": "owner", "uid": draw.choice(("1", "11", "2"))}
        pod["metadata"]["ownerReferences"] = [{**owner, "controller": draw.maybe(0.9)}]
