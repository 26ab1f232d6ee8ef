"""When pods may be evicted: windows that a schedule opens, on the clock of a place, for some time.

The schedule is cron's, in five fields: minute, hour, day of the month, month, day of the week. If both days are
restricted, one of them suffices. It names times on the clocks of the window's time zone, and clocks change:

- A time that they skip in spring is moved forward by what they skip: 02:30 becomes 03:30, so that the window opens.
- A time that they show twice in autumn counts once, the first time.

A window stays open for its duration, however the clocks change meanwhile: four hours are four hours.
"""

import datetime
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from monopod.kube.objects.fields import InvalidManifest

MIN_DURATION: Final = datetime.timedelta(minutes=15)
MAX_DURATION: Final = datetime.timedelta(days=7)
"""Evictions keep a distance, so that a shorter window lets hardly a pod go; and a longer one is none."""

_DAY: Final = datetime.timedelta(days=1)
_LONGEST_SEARCH_DAYS: Final = 8 * 366 + 1
"""A schedule may be for 29 February, and there may be none for eight years."""

_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MACROS: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
}
_ITEM: Final = re.compile(r"(?:\*|([0-9a-z]+)(?:-([0-9a-z]+))?)(?:/([0-9]{1,2}))?")
_STARTS_WITH_STAR: Final = re.compile(r"\*")


_UNITS: Final = {"d": 86_400, "h": 3_600, "m": 60}
_LENGTH: Final = re.compile(r"([0-9]{1,5})([dhm])")


class InvalidWindow(InvalidManifest):
    """A schedule or a duration that can't be read, or a window that never opens."""


def parse_duration(text: str) -> datetime.timedelta:
    """Reads days, hours and minutes, as in `7d`, `36h` or `1h30m`.

    Raises:
        InvalidWindow: it isn't one.
    """
    parts = _LENGTH.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise InvalidWindow(f"must be a duration such as 7d, 36h or 1h30m, not {text!r}")
    return datetime.timedelta(seconds=sum(int(number) * _UNITS[unit] for number, unit in parts))


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a window opens, on the clocks of its place; weekdays count from Sunday, 0.

    Attributes:
        either_day: whether one of the two kinds of days suffices, as both are restricted.
    """

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool

    def includes(self, day: datetime.date) -> bool:
        """Whether it opens on this day."""
        if day.month not in self.months:
            return False
        by_date, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return by_date or by_weekday if self.either_day else by_date and by_weekday


@dataclass(frozen=True, slots=True)
class Window:
    """A time in which pods may be evicted.

    Attributes:
        zone: the time zone of the schedule.
    """

    schedule: Schedule
    duration: datetime.timedelta
    zone: datetime.tzinfo


@dataclass(frozen=True, slots=True)
class Opening:
    """One time that windows are open, in UTC."""

    opens: datetime.datetime
    closes: datetime.datetime


def parse_schedule(text: str) -> Schedule:
    """Reads cron's five fields, or a word such as `@weekly`.

    Raises:
        InvalidWindow: it isn't a schedule.
    """
    fields = _MACROS.get(text.strip().lower(), text).lower().split()
    if len(fields) != 5:
        raise InvalidWindow(f"must have five fields (minute, hour, day, month, weekday), not {text!r}")
    minutes = _parse_field(fields[0], 0, 59)
    hours = _parse_field(fields[1], 0, 23)
    days = _parse_field(fields[2], 1, 31)
    months = _parse_field(fields[3], 1, 12, _MONTHS)
    weekdays = {number % 7 for number in _parse_field(fields[4], 0, 7, _WEEKDAYS)}
    either = not (_STARTS_WITH_STAR.match(fields[2]) or _STARTS_WITH_STAR.match(fields[4]))
    return Schedule(
        tuple(sorted(minutes)), tuple(sorted(hours)), frozenset(days), frozenset(months), frozenset(weekdays), either
    )


def _parse_field(text: str, least: int, most: int, names: Sequence[str] = ()) -> set[int]:
    found: set[int] = set()
    for item in text.split(","):
        parts = _ITEM.fullmatch(item)
        if parts is None:
            raise InvalidWindow(f"{item!r} is no part of a schedule")
        first, last, step = parts.groups()
        if step is not None and int(step) == 0:
            raise InvalidWindow(f"{item!r} has a step of 0")
        start = _parse_number(first, least, names) if first else least
        # `5/10` means from 5 on, as for Kubernetes' CronJobs.
        end = _parse_number(last, least, names) if last else start if first and not step else most
        if not least <= start <= end <= most:
            raise InvalidWindow(f"{item!r} isn't within {least} to {most}")
        found.update(range(start, end + 1, int(step or 1)))
    return found


def _parse_number(text: str, least: int, names: Sequence[str]) -> int:
    if text in names:
        return names.index(text) + least
    if not text.isdecimal() or len(text) > 2:
        raise InvalidWindow(f"{text!r} is no number" + (f" and none of {', '.join(names)}" if names else ""))
    return int(text)


def build_window(schedule: str, duration: datetime.timedelta, zone: datetime.tzinfo) -> Window:
    """A window of these.

    Raises:
        InvalidWindow: the schedule can't be read or never comes, or the duration is too short or too long.
    """
    if not MIN_DURATION <= duration <= MAX_DURATION:
        raise InvalidWindow("a window lasts 15 minutes to 7 days")
    window = Window(parse_schedule(schedule), duration, zone)
    # 2096 to 2104 has no leap year in between: what doesn't come there never does.
    if next(_list_days(window.schedule, datetime.date(2096, 3, 1), _LONGEST_SEARCH_DAYS), None) is None:
        raise InvalidWindow(f"the schedule {schedule!r} never comes")
    return window


def find_open(windows: Sequence[Window], now: datetime.datetime) -> Opening | None:
    """The opening that is going on now, the one that lasts longest; None if there is none.

    Without windows any time is good: an opening without an end in sight.
    """
    if not windows:
        return Opening(now, datetime.datetime.max.replace(tzinfo=datetime.UTC))
    found = (
        Opening(last, last + window.duration)
        for window in windows
        if (last := _find_last_start(window, now)) and now < last + window.duration
    )
    return max(found, key=lambda opening: opening.closes, default=None)


def find_next(windows: Sequence[Window], moment: datetime.datetime) -> datetime.datetime:
    """The first moment from this one on at which a window is open: this one, if one is."""
    if find_open(windows, moment):
        return moment
    return min(_find_start(window, moment) for window in windows)


def _find_last_start(window: Window, now: datetime.datetime) -> datetime.datetime | None:
    """When it opened last, if it may still be open: of its openings that is the one that lasts longest."""
    local = now.astimezone(window.zone)
    first = (now - window.duration).astimezone(window.zone).date() - _DAY
    found: datetime.datetime | None = None
    for age in range((local.date() - first).days + 1):
        day = local.date() - age * _DAY
        # A change of the clocks may swap the order of two days, but of no more.
        if found and day < found.astimezone(window.zone).date() - _DAY:
            break
        if window.schedule.includes(day):
            starts = [start for start in _list_latest_starts(window, day, local) if start <= now]
            found = max((*starts, found) if found else starts, default=None)
    return found


def _list_latest_starts(window: Window, day: datetime.date, local: datetime.datetime) -> Iterable[datetime.datetime]:
    """The last start of the day, as far as it has gone; where the clocks change about then, all of the day's."""
    noon = datetime.datetime.combine(day, datetime.time(12), window.zone)
    if (noon - _DAY).utcoffset() != (noon + _DAY).utcoffset():
        return _list_starts(window, day)
    hours, minutes = window.schedule.hours, window.schedule.minutes
    if day < local.date():
        return [_get_start(window, day, hours[-1], minutes[-1])]
    earlier = [(hour, minutes[-1]) for hour in hours if hour < local.hour][-1:]
    same = [(local.hour, minute) for minute in minutes if minute <= local.minute and local.hour in hours][-1:]
    return [_get_start(window, day, *each) for each in earlier + same]


def _find_start(window: Window, moment: datetime.datetime) -> datetime.datetime:
    day = moment.astimezone(window.zone).date() - _DAY
    for each in _list_days(window.schedule, day, _LONGEST_SEARCH_DAYS + 2):
        if found := min((start for start in _list_starts(window, each) if start > moment), default=None):
            return found
    raise InvalidWindow("the schedule never comes")  # `build_window` has seen that it does


def _list_days(schedule: Schedule, first: datetime.date, count: int) -> Iterator[datetime.date]:
    days = (first + index * _DAY for index in range(count))
    return (day for day in days if schedule.includes(day))


def _list_starts(window: Window, day: datetime.date) -> Iterator[datetime.datetime]:
    """The moments of the day at which it opens, in UTC; around a change of the clocks not in order."""
    for hour in window.schedule.hours:
        for minute in window.schedule.minutes:
            yield _get_start(window, day, hour, minute)


def _get_start(window: Window, day: datetime.date, hour: int, minute: int) -> datetime.datetime:
    """The moment of a time on its clocks."""
    local = datetime.datetime.combine(day, datetime.time(hour, minute), window.zone)
    # fold is 0: of a time that is shown twice the first, and a skipped one with the offset from before.
    return local.astimezone(datetime.UTC)
