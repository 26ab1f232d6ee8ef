"""The operator's options for pods."""

from typing import Annotated

from pydantic import Field

from monopod.kube.options import Flag, SharedOptions

RUNTIME_CLASS_NAME = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$"


class PodOptions(SharedOptions):
    """Sandboxes."""

    sandbox: Annotated[
        str,
        Field(max_length=253, pattern=RUNTIME_CLASS_NAME),
        Flag("RUNTIMECLASS", default="the best that the cluster has: Kata's, else gVisor's"),
    ] = ""
    """The sandbox of profiles that name none: the name of a RuntimeClass, such as kata or gvisor."""
