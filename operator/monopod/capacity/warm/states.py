"""What is known of warm capacity, handed from the one who keeps it to the one who tells profiles of their capacity."""

from collections.abc import Mapping

from monopod.capacity.rules.warm.state import WarmState


class WarmStates:
    """The state of each profile that asks for warm capacity."""

    def __init__(self) -> None:
        self._states: Mapping[str, WarmState] = {}
        self.is_known = False
        """Whether anything has been found out since the operator started."""

    def get(self, profile: str) -> WarmState | None:
        """That of a profile; None if it asks for none, or nothing is known yet."""
        return self._states.get(profile)

    def replace(self, states: Mapping[str, WarmState]) -> None:
        """Takes over what was found last."""
        self._states, self.is_known = states, True
