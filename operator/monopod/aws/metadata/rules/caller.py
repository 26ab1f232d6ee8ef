"""Whether the one who asks is the task that is asked about.

    /v4/NAMESPACE/TASK/UID/INDEX[/task | /stats | /task/stats]

The path is in each container's `ECS_CONTAINER_METADATA_URI_V4` and names the task by its uid, too, which API servers
draw at random. That alone proves nothing to us: the connection has to come from the task's own address as well.
"""

import hmac
import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

_PATH: Final = re.compile(
    r"/v4/(ecs-[a-z0-9](?:[a-z0-9-]{0,57}[a-z0-9])?)/([0-9a-f]{32})"
    r"/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/([0-9]{1,2})(/task/stats|/task|/stats|)/?"
)
_ADDRESSES: Final = ("privateIPv4Address", "privateIPv6Address", "IPv6Address", "privateIpv4Address", "ipv6Address")
STOPPED: Final = "STOPPED"


class Part(StrEnum):
    """What is asked for."""

    CONTAINER = ""
    TASK = "/task"
    STATS = "/stats"
    TASK_STATS = "/task/stats"


@dataclass(frozen=True, slots=True)
class Question:
    """What a path asks.

    Attributes:
        namespace: the task's.
        task: its id.
        uid: the uid that the path has.
        index: which container of the task definition asks.
        part: what it asks for.
    """

    namespace: str
    task: str
    uid: str
    index: int
    part: Part


def read_path(path: str) -> Question | None:
    """The question that a path is; None if it is none."""
    found = _PATH.fullmatch(path)
    if not found:
        return None
    namespace, task, uid, index, part = found.groups()
    return Question(namespace, task, uid, int(index), Part(part))


def is_named(task: Mapping[str, Any], question: Question) -> bool:
    """Whether the path names this very task, and it may still run."""
    uid, status = str(task["metadata"].get("uid") or ""), task.get("status") or {}
    return hmac.compare_digest(uid, question.uid) and status.get("lastStatus") != STOPPED


def list_addresses(task: Mapping[str, Any]) -> frozenset[str]:
    """The task's addresses; none as long as it has none that is known."""
    return frozenset(filter(None, map(read_address, _list_addresses(task.get("status") or {}))))


def read_address(text: str) -> str:
    """An address as all are compared, of IPv4 as such where a socket has it as one of IPv6; "" if it is none."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def _list_addresses(status: Mapping[str, Any]) -> Iterator[str]:
    for attachment in status.get("attachments") or ():
        for detail in attachment.get("details") or ():
            if detail.get("name") in _ADDRESSES and detail.get("value"):
                yield str(detail["value"])
    for container in status.get("containers") or ():
        for interface in container.get("networkInterfaces") or ():
            yield from (str(interface[key]) for key in _ADDRESSES if interface.get(key))
