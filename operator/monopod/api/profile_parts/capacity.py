"""What makes nodes for a profile's pods: `spec.capacity`."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from monopod.api.parts import ATOMIC_LIST, Part
from monopod.api.profile_fields import NodePoolNames
from monopod.api.rules import Rule, for_kind

MAX_WARM = 100

_MEMORY_GB = {
    "0.25": ("0.5", "1", "2"),
    "0.5": range(1, 5),
    "1": range(2, 9),
    "2": range(4, 17),
    "4": range(8, 31),
    "8": range(16, 61, 4),
    "16": range(32, 121, 8),
}
SIZES = tuple(f"{cpu}vCPU {memory}GB" for cpu, amounts in _MEMORY_GB.items() for memory in amounts)
"""Fargate's sizes, as the annotation CapacityProvisioned writes them; a test holds them to `pods.rules.size`."""


class Warm(Part):
    """Room that is kept for the profile's next pods, so that they needn't wait for a node: so many pods of a size."""

    model_config = ConfigDict(
        json_schema_extra=for_kind(
            Rule(
                "has(self.replicas) != has(self.percent)",
                "warm needs either replicas or percent, and not both: how many pods there is to be room for",
            )
        )
    )

    replicas: Annotated[int | None, Field(ge=0, le=MAX_WARM)] = None
    """For how many pods; at most 100."""

    percent: Annotated[int | None, Field(ge=1, le=100)] = None
    """For how many pods, as a percentage of the profile's pods that run: rounded up, at least 1, at most 100 pods."""

    size: Annotated[
        str | None,
        Field(max_length=20),
        Rule(
            f"self in {list(SIZES)}",
            "must be a size of Fargate's as the annotation CapacityProvisioned has it, such as '0.25vCPU 0.5GB', "
            "'1vCPU 2GB' or '16vCPU 120GB'",
        ),
    ] = None
    """Their size, as the annotation CapacityProvisioned has it: `0.5vCPU 1GB`. Default: the most frequent one of the
    profile's pods that run; of none, the smallest."""


class Capacity(Part):
    """What makes nodes for the profile's pods. Monopod makes none: it watches, and says why they don't come."""

    model_config = ConfigDict(
        json_schema_extra=for_kind(
            Rule(
                "!has(self.nodePools) || self.nodePools.size() == 0 || self.provider in ['Auto', 'Karpenter']",
                "only Karpenter has NodePools: leave nodePools out, or let provider be Karpenter or Auto",
            )
        )
    )

    provider: Literal["Auto", "Karpenter", "ClusterAutoscaler", "None"] = "Auto"
    """What makes nodes. Auto: Karpenter, if one of its NodePools fits the profile's pods, else nothing.
    ClusterAutoscaler has to be said, because nothing in the API tells of it. None: the nodes are those that there
    are."""

    node_pools: Annotated[NodePoolNames, Field(json_schema_extra=ATOMIC_LIST)] = Field(default_factory=list)
    """The Karpenter NodePools whose nodes the pods use, by name; at most 20. They are read and never written. Default:
    all."""

    warm: Warm | None = None
    """Room that is kept for the profile's next pods. Default: none."""
