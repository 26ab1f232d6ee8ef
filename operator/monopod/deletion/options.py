"""The operator's options for the deletion of profiles."""

from typing import Annotated

from pydantic import Field

from monopod.deletion.rules.stages import DeletionDeadline
from monopod.eviction.options import EvictionOptions
from monopod.kube.options import MOST, Seconds


class DeletionOptions(EvictionOptions):
    """Deletion of profiles."""

    deletion_timeout_seconds: Annotated[Seconds, Field(ge=0, le=MOST)] = 900
    """After how long a profile's deletion has failed, beyond the time that evicting its pods takes at their rate."""

    @property
    def deletion_deadline(self) -> DeletionDeadline:
        """How long the deletion of a profile may take."""
        return DeletionDeadline(self.deletion_timeout_seconds, self.evictions_per_minute)
