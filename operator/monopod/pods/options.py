"""The operator's options for pods."""

from typing import Annotated, Literal

from pydantic import Field

from monopod.kube.options import Flag, SharedOptions

_NAME = "[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
NODE_LABEL = f"^(([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?{_NAME}={_NAME})?$"
RUNTIME_CLASS_NAME = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$"


class PodOptions(SharedOptions):
    """Sandboxes."""

    sandbox: Annotated[
        str,
        Field(max_length=253, pattern=RUNTIME_CLASS_NAME),
        Flag("RUNTIMECLASS", default="the best that the cluster has: Kata's, else gVisor's"),
    ] = ""
    """The sandbox of profiles that name none: the name of a RuntimeClass, such as kata or gvisor."""

    spot_node_label: Annotated[
        str,
        Field(max_length=380, pattern=NODE_LABEL),
        Flag("KEY=VALUE", default="no nodes are Spot's"),
    ] = ""
    """The label of Spot's nodes, such as karpenter.sh/capacity-type=spot: pods on Spot run there, others elsewhere."""

    spot_reclaim: Literal["Preemption", "None"] = "Preemption"
    """How pods on Spot give way. Preemption: the scheduler takes their room for pods of higher priority, as all others
    have. None: their priority is that of others. Only where Spot's nodes have a label: on nodes of others pods on Spot
    always give way."""
