"""What the operator is told about profiles."""

from typing import Protocol

from monopod.deletion.rules.stages import DeletionDeadline


class ProfileOptions(Protocol):
    """Options of the command line; times in seconds."""

    @property
    def sandbox(self) -> str:
        """The RuntimeClass of profiles that name none; "": the best of those that the cluster has."""

    @property
    def sandbox_handlers(self) -> tuple[str, ...]:
        """Handlers of RuntimeClasses that count as sandboxes; empty: all but those that are known to be none."""

    @property
    def namespace(self) -> str:
        """Monopod's own namespace."""

    @property
    def protected(self) -> frozenset[str]:
        """Namespaces that only an exact name reaches."""

    @property
    def profile_quota(self) -> int:
        """How many profiles there may be."""

    @property
    def patience(self) -> DeletionDeadline:
        """How long the deletion of a profile may take."""

    @property
    def recreate_bare_pods(self) -> bool:
        """Whether the admission policies let the operator create pods again that it moved."""

    @property
    def resync_seconds(self) -> float:
        """After how long at most everything is looked at again."""

    @property
    def longest_retry_seconds(self) -> float:
        """After how long at most what was refused is tried again."""
