"""What a capability is to the statuses of profiles: it contributes, and knows nothing of the others."""

from collections.abc import Mapping
from typing import Any, Protocol

from monopod.kube.objects.conditions import Contribution


class Contributor(Protocol):
    """A controller that has something to say of every profile."""

    def contribute(self, statuses: Mapping[str, Mapping[str, Any]], now: str, /) -> Mapping[str, Contribution]:
        """Its conditions and fields of each profile's status, by the profile's name; nothing is written or started.

        Args:
            statuses: those that the profiles have.
            now: an RFC 3339 time.
        """
        ...
