"""Whose turn it is of the notices that wait."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass

from monopod.notices.rules.notice import Notice, compute_subject


@dataclass(slots=True)
class Waiting:
    """A notice that waits.

    Attributes:
        since: when it was to be sent first.
        failures: how often that failed.
        taken_before: how many the receiver had taken when it first failed; None if it hasn't.
        due: when it may be tried again, by the monotonic clock.
    """

    notice: Notice
    since: datetime.datetime
    failures: int = 0
    taken_before: int | None = None
    due: float = 0.0


def list_heads(waiting: Mapping[str, Waiting]) -> dict[str, Waiting]:
    """The oldest of each subject, by id: the others of the subject wait for it, so that they keep their order."""
    heads = dict[str, tuple[str, Waiting]]()
    for key, each in waiting.items():
        heads.setdefault(compute_subject(each.notice), (key, each))
    return dict(heads.values())


def find_next(waiting: Mapping[str, Waiting], now: float) -> str | None:
    """The id of the one to be tried: of those that are due the one that has failed least, and of these the oldest.

    So one that fails alone is found out by the next, which the receiver takes.
    """
    due = {key: each.failures for key, each in list_heads(waiting).items() if each.due <= now}
    return min(due, key=due.__getitem__, default=None)
