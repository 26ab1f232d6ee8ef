"""What makes nodes for a profile's pods: `spec.capacity`."""

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from monopod.api.parts import ATOMIC_LIST, Part
from monopod.api.profile_fields import NodePoolNames
from monopod.api.rules import Rule, for_kind


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
