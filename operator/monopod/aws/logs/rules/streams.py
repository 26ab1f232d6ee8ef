"""Which groups and streams there are: those that tasks write to, and the groups that task definitions name."""

import datetime
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from monopod.kube.objects.timestamps import read_time
from monopod.tasks.rules.pod.names import name_in_pod
from monopod.tasks.rules.view import View

LATE_MILLIS: Final = 60_000
"""Clocks of nodes and of the operator differ, and what a container wrote at its end is written a moment later."""

_GROUP: Final = "awslogs-group"
_ID: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Stream:
    """The log of one container of a task.

    Attributes:
        group: the name of its group.
        name: its own name.
        namespace: where the task's pod is.
        pod: the pod's name.
        container: the container's name in the pod.
        created: since when there is the task, in milliseconds.
        ended: when its containers had ended; None if they run, or are yet to.
        is_over: whether nothing more will be written.
    """

    group: str
    name: str
    namespace: str
    pod: str
    container: str
    created: int
    ended: int | None = None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will be written."""
        return self.ended is not None

    def may_have(self, start: int | None, end: int | None) -> bool:
        """Whether an event of this time may be in it; both in milliseconds, None where it is open."""
        is_too_old = start is not None and self.ended is not None and self.ended + LATE_MILLIS < start
        is_too_new = end is not None and self.created - LATE_MILLIS > end
        return not is_too_old and not is_too_new


def read_task_id(stream: str) -> str | None:
    """The task that a stream of this name is of; None if it's no stream's name."""
    last = stream.rpartition("/")[2]
    return last if _ID.fullmatch(last) else None


def list_streams(tasks: Iterable[Mapping[str, Any]], group: str | None = None) -> Iterator[Stream]:
    """The streams of tasks, or those of one group."""
    for task in tasks:
        metadata, status = task["metadata"], task.get("status") or {}
        ended = status.get("executionStoppedAt") or status.get("stoppedAt") or ""
        for log in status.get("logs") or ():
            if group is None or log["group"] == group:
                yield Stream(
                    group=log["group"],
                    name=log["stream"],
                    namespace=metadata["namespace"],
                    pod=metadata["name"],
                    container=name_in_pod(log["container"]),
                    created=_read_millis(status.get("createdAt") or metadata["creationTimestamp"]) or 0,
                    ended=_read_millis(ended),
                )


def list_named_groups(definition: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """The groups that a task definition's containers write to, with the time of its registration.

    `kubectl` may have written anything into it; what is no container names no group.
    """
    spec = definition["spec"]
    since = _read_millis(spec.get("registeredAt") or definition["metadata"]["creationTimestamp"]) or 0
    for container in View(spec["definition"]).children("containerDefinitions"):
        configuration = container.child("logConfiguration")
        group = configuration.child("options").text(_GROUP)
        if configuration.text("logDriver") == "awslogs" and group:
            yield group, since


def collect_groups(tasks: Iterable[Mapping[str, Any]], definitions: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """All groups with the time since when there are such, by name."""
    found: dict[str, int] = {}
    named = [(stream.group, stream.created) for stream in list_streams(tasks)]
    for group, since in (*named, *(each for definition in definitions for each in list_named_groups(definition))):
        found[group] = min(since, found.get(group, since))
    return dict(sorted(found.items()))


def _read_millis(text: str) -> int | None:
    moment: datetime.datetime | None = read_time(text)
    return None if moment is None else int(moment.timestamp() * 1000)
