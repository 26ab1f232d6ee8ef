"""The operator's options for capacity."""

from typing import Annotated, Final

from pydantic import Field

from monopod.kube.options import Flag, SharedOptions

PAUSE_IMAGE: Final = "registry.k8s.io/pause:3.10.2"
"""Kubernetes' own, of some hundred kilobytes; most nodes have it already."""


class CapacityOptions(SharedOptions):
    """Capacity."""

    pause_image: Annotated[
        str, Field(min_length=1, max_length=512, pattern=r"^[A-Za-z0-9][-A-Za-z0-9._/:@]*$"), Flag("IMAGE")
    ] = PAUSE_IMAGE
    """The image of containers that do nothing: of the pods that keep images on nodes. It waits until it is stopped."""
