"""The operator's options for isolation."""

from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

from monopod.isolation.rules.addresses import read_block_cidr
from monopod.isolation.rules.network_policies import METADATA
from monopod.kube.options import Flag, Words
from monopod.pods.options import PodOptions


def _check_cidr(cidr: str) -> str:
    """No rule could be written with anything else, and all traffic of pods would be denied."""
    read_block_cidr(cidr)
    return cidr


Cidr = Annotated[
    str,
    AfterValidator(_check_cidr),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9A-Fa-f.:]+/[0-9]{1,3}$"}),
]


class IsolationOptions(PodOptions):
    """Isolation."""

    node_cidrs: Annotated[
        tuple[Cidr, ...], Field(alias="node_cidr"), Words, Flag("CIDR", default="the addresses that the nodes report")
    ] = ()
    """A network that the cluster's nodes are in, which pods reach only if a security group names the entity Nodes."""

    metadata_addresses: Annotated[
        tuple[Cidr, ...],
        Field(alias="metadata_address", min_length=1),
        Words,  # after the bound, which is of the values and not of the variable's text
        Flag("CIDR", default="those of the well-known clouds, as in the chart's values"),
    ] = METADATA
    """Where a cloud's metadata service listens, which no security group may allow."""

    allow_metadata_service: bool = False
    """Let security groups allow the addresses of `--metadata-address`, whose credentials are the node's."""

    @property
    def blocked_addresses(self) -> tuple[str, ...]:
        """The metadata services that no security group may allow; none where groups may."""
        return () if self.allow_metadata_service else self.metadata_addresses
