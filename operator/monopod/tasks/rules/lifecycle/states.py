"""The words of a task's status, and how times stand in it."""

import datetime
from typing import Final

PROVISIONING: Final = "PROVISIONING"
PENDING: Final = "PENDING"
RUNNING: Final = "RUNNING"
DEPROVISIONING: Final = "DEPROVISIONING"
STOPPED: Final = "STOPPED"

HEALTHY: Final = "HEALTHY"
UNHEALTHY: Final = "UNHEALTHY"
UNKNOWN: Final = "UNKNOWN"

FAILED_TO_START: Final = "TaskFailedToStart"
CONTAINER_EXITED: Final = "EssentialContainerExited"
BY_USER: Final = "UserInitiated"
BY_NOTICE: Final = "TerminationNotice"
BY_SPOT: Final = "SpotInterruption"
BY_INFRASTRUCTURE: Final = "InfrastructureHealth"


def format_time(moment: datetime.datetime) -> str:
    """RFC 3339, with milliseconds, as precise as AWS tells times."""
    return moment.astimezone(datetime.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_moment(text: object) -> datetime.datetime | None:
    """A time in a status or on an object; None if there is none."""
    if not isinstance(text, str) or not text:
        return None
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
