"""Lists of names in messages."""

from collections.abc import Sequence


def list_names(names: Sequence[str], most: int = 3) -> str:
    """A few names for a message, and how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
