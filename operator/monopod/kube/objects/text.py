"""Texts in messages: lists of names, and what others say."""

from collections.abc import Sequence


def list_names(names: Sequence[str], most: int = 3) -> str:
    """A few names for a message, and how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def to_line(told: object) -> str:
    """A text or a problem as one sentence on one line, which another may follow."""
    text = " ".join(str(told).split()) or type(told).__name__
    return text if text.endswith((".", "!", "?")) else f"{text}."
