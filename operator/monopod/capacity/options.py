"""The operator's options for capacity."""

from typing import Annotated

from pydantic import Field

from monopod.capacity.rules.images.daemon_set import PAUSE_IMAGE
from monopod.kube.options import Flag, SharedOptions


class CapacityOptions(SharedOptions):
    """Capacity."""

    pause_image: Annotated[
        str, Field(min_length=1, max_length=512, pattern=r"^[A-Za-z0-9][-A-Za-z0-9._/:@]*$"), Flag("IMAGE")
    ] = PAUSE_IMAGE
    """The image of containers that do nothing: of the pods that keep images on nodes, and of those that keep room warm.
    It waits until it is stopped."""

    warm_bound: Annotated[int, Field(ge=0, le=5000), Flag("PODS")] = 50
    """For how many pods room is kept warm at most, for all profiles together."""
