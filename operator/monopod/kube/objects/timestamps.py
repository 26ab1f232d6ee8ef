"""Times as the API server writes them."""

import datetime


def read_time(text: str) -> datetime.datetime | None:
    """An RFC 3339 time; None if there is none."""
    return datetime.datetime.fromisoformat(text) if text else None
