"""How long stopped tasks are kept: an hour, as on AWS, and a bounded number of them.

Each keeps its pod, and with it its logs. Waiters ask for ten minutes whether a task has stopped, so none that stopped
lately goes, however many there are.
"""

import datetime
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from monopod.tasks.rules.lifecycle.states import STOPPED, read_moment

KEPT_FOR: Final = datetime.timedelta(hours=1)
KEPT_AT_LEAST: Final = datetime.timedelta(minutes=15)
MOST_KEPT: Final = 1000
"""In a cluster, of those that stopped longer ago than that."""


def find_expired(tasks: Iterable[Mapping[str, Any]], now: datetime.datetime) -> Iterator[Mapping[str, Any]]:
    """The tasks whose records are to be deleted, of all tasks."""
    stopped: dict[str, list[tuple[datetime.datetime, Mapping[str, Any]]]] = defaultdict(list)
    for task in tasks:
        status = task.get("status") or {}
        if status.get("lastStatus") == STOPPED:
            ended = read_moment(status.get("stoppedAt")) or now
            stopped[task["metadata"]["namespace"]].append((ended, task))
    for kept in stopped.values():
        kept.sort(key=lambda each: each[0], reverse=True)
        for place, (ended, task) in enumerate(kept):
            if now - ended >= (KEPT_FOR if place < MOST_KEPT else KEPT_AT_LEAST):
                yield task
