"""What the operator is told about isolation."""

from typing import Protocol


class IsolationOptions(Protocol):
    """Options of the command line; times in seconds."""

    @property
    def sandbox(self) -> str:
        """The RuntimeClass of profiles that name none; "": the best of those that the cluster has."""

    @property
    def node_cidrs(self) -> tuple[str, ...]:
        """The networks of the nodes; empty: the addresses that the nodes tell."""

    @property
    def metadata_addresses(self) -> tuple[str, ...]:
        """The metadata services that no security group opens; none where groups may."""

    @property
    def longest_retry_seconds(self) -> float:
        """After how long at most what was refused is tried again."""
