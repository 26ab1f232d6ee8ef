"""Times as objects have them and as the wire writes them."""

import datetime


def read_time(text: str | None) -> datetime.datetime | None:
    """A time of an object's; None if it has none, or what is there is no time."""
    try:
        return datetime.datetime.fromisoformat(text) if text else None
    except ValueError:
        return None


def format_time(moment: datetime.datetime) -> str:
    """A time as objects have it, to the millisecond, as AWS tells times."""
    return moment.astimezone(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
