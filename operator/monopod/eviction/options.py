"""The operator's options for evictions."""

from typing import Annotated

from pydantic import Field

from monopod.kube.options import MOST, Flag, Options


class EvictionOptions(Options):
    """Evictions."""

    evictions_per_minute: Annotated[int, Field(ge=1, le=MOST), Flag("PODS")] = 60
    """How many pods are evicted in a minute at most, over the whole cluster and whatever for."""
