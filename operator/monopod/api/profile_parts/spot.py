"""How a profile's pods use Spot: `spec.spot`."""

from typing import Literal

from monopod.api.parts import Part


class Spot(Part):
    """How the profile's pods use Spot."""

    pod_choice: Literal["Ignore", "Allow"] = "Ignore"
    """Whether a pod may choose its capacity provider itself, by the annotation monopod.dev/capacity-provider (FARGATE
    or FARGATE_SPOT), which then goes before `capacityProviderStrategy`. Ignore: the annotation has no effect."""
