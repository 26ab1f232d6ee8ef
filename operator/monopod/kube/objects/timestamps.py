"""Times as the API server writes them."""

import datetime


def read_time(text: str) -> datetime.datetime | None:
    """An RFC 3339 time; None if there is none."""
    return datetime.datetime.fromisoformat(text) if text else None


def format_time(moment: datetime.datetime) -> str:
    """A moment as the API server writes it."""
    return moment.astimezone(datetime.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
