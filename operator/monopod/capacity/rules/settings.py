"""What a profile says of its capacity."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from monopod.kube.objects.fields import InvalidProfile, Part


class Provider(StrEnum):
    """What makes nodes for the profile's pods."""

    AUTO = "Auto"
    KARPENTER = "Karpenter"
    CLUSTER_AUTOSCALER = "ClusterAutoscaler"
    NONE = "None"


@dataclass(frozen=True, slots=True)
class CapacitySettings:
    """A profile's `spec.capacity`.

    Attributes:
        node_pools: the NodePools that count; none: all of the cluster.
    """

    provider: Provider = Provider.AUTO
    node_pools: tuple[str, ...] = ()

    @classmethod
    def from_resource(cls, resource: Mapping[str, object]) -> "CapacitySettings":
        """Reads a FargateProfile as the API server sends it.

        Raises:
            InvalidProfile: a field holds what the API server would never store.
        """
        spec = Part(resource, error=InvalidProfile).child("spec").child("capacity")
        chosen = spec.text("provider") or Provider.AUTO
        if chosen not in list(Provider):
            raise spec.fail("provider", f"must be {', '.join(Provider)}, not {chosen!r}")
        return cls(Provider(chosen), spec.texts("nodePools"))
