"""How a part tells others that something of its own has changed, without knowing who they are."""

from collections.abc import Callable


class Signal:
    """Who wants to hear of a change subscribes when it is built."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[], None]] = []

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Has `listener` called at each change from now on."""
        self._listeners.append(listener)

    def fire(self) -> None:
        """Tells all of them."""
        for listener in self._listeners:
            listener()
