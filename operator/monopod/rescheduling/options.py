"""The operator's options for rescheduling."""

from typing import Annotated

from pydantic import Field

from monopod.kube.options import MOST, Seconds, SharedOptions


class ReschedulingOptions(SharedOptions):
    """Rescheduling."""

    replacement_timeout_seconds: Annotated[Seconds, Field(ge=0, le=MOST)] = 600
    """After how long a moved pod's replacement that isn't Ready counts against moving more. As with a Deployment's
    progressDeadlineSeconds, an image may have to be pulled, and a node to be made."""
