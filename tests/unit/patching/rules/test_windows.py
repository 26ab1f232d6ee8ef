"""When windows are open, on clocks that change."""

import datetime
import random
from zoneinfo import ZoneInfo

import pytest

from monopod.patching.rules.windows import (
    InvalidWindow,
    Opening,
    Window,
    build_window,
    find_next,
    find_open,
    parse_schedule,
)

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = datetime.timedelta(hours=1)
DAY = datetime.timedelta(days=1)


def utc(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)


def a_window(schedule: str, duration: datetime.timedelta = 4 * HOUR, zone: datetime.tzinfo = BERLIN) -> Window:
    return build_window(schedule, duration, zone)


def list_openings(window: Window, since: str, count: int) -> list[str]:
    """The next openings, in UTC."""
    found, moment = [], utc(since)
    for _ in range(count):
        moment = find_next([window], moment)
        opening = find_open([window], moment)
        assert opening is not None
        found.append(f"{opening.opens:%m-%dT%H:%M} {opening.closes:%m-%dT%H:%M}")
        moment = opening.closes
    return found


SEASONS: dict[str, tuple[str, str, list[str]]] = {
    "at two in winter is one in UTC": ("0 2 * * *", "2026-01-10T12:00", ["01-11T01:00 01-11T05:00"]),
    "at two in summer is midnight in UTC": ("0 2 * * *", "2026-07-10T12:00", ["07-11T00:00 07-11T04:00"]),
    "spring: a time that is skipped comes an hour later, and lasts as long": (
        "30 2 * * *",
        "2026-03-28T06:00",
        ["03-29T01:30 03-29T05:30", "03-30T00:30 03-30T04:30"],
    ),
    "spring: a time before the change lasts as long as ever": (
        "30 1 * * *",
        "2026-03-28T06:00",
        ["03-29T00:30 03-29T04:30"],
    ),
    "spring: Sunday at three is the moment of the change": (
        "0 3 * * SUN",
        "2026-03-28T06:00",
        ["03-29T01:00 03-29T05:00"],
    ),
    "autumn: a time that comes twice counts the first time": (
        "30 2 * * *",
        "2026-10-24T06:00",
        ["10-25T00:30 10-25T04:30", "10-26T01:30 10-26T05:30"],
    ),
    "autumn: after the change it is winter": ("0 3 * * *", "2026-10-24T06:00", ["10-25T02:00 10-25T06:00"]),
    "a Saturday that is a Friday in UTC": ("30 0 * * SAT", "2026-07-06T00:00", ["07-10T22:30 07-11T02:30"]),
    "the first of the month": ("0 2 1 * *", "2026-01-10T12:00", ["02-01T01:00 02-01T05:00", "03-01T01:00 03-01T05:00"]),
    "by date or by weekday, where both are said": (
        "0 2 13 * FRI",
        "2026-01-10T12:00",
        ["01-13T01:00 01-13T05:00", "01-16T01:00 01-16T05:00"],
    ),
    "both, where one begins with a star": ("0 2 */2 * FRI", "2026-01-10T12:00", ["01-23T01:00 01-23T05:00"]),
    "29 February, two years later": ("0 2 29 FEB *", "2026-01-10T12:00", ["02-29T01:00 02-29T05:00"]),
}


@pytest.mark.parametrize(("schedule", "since", "openings"), SEASONS.values(), ids=SEASONS)
def test_a_window_opens_on_the_clocks_of_its_place(schedule: str, since: str, openings: list[str]) -> None:
    assert list_openings(a_window(schedule), since, len(openings)) == openings


ELSEWHERE: dict[str, tuple[str, str, str, str]] = {
    "Lord Howe's clocks change by half an hour": (
        "Australia/Lord_Howe",
        "15 2 * * *",
        "2026-10-03T10:00",
        "10-03T15:45",
    ),
    "Beirut's skip midnight": ("Asia/Beirut", "0 0 * * *", "2026-03-28T12:00", "03-28T22:00"),
    "Kathmandu is a quarter of an hour off": ("Asia/Kathmandu", "0 2 * * *", "2026-03-28T00:00", "03-28T20:15"),
    "south of the equator": ("America/Santiago", "30 0 * * *", "2026-09-05T12:00", "09-06T04:30"),
    "UTC": ("UTC", "0 2 * * *", "2026-03-29T00:00", "03-29T02:00"),
}


@pytest.mark.parametrize(("zone", "schedule", "since", "opens"), ELSEWHERE.values(), ids=ELSEWHERE)
def test_every_places_clocks_change_in_their_own_way(zone: str, schedule: str, since: str, opens: str) -> None:
    window = a_window(schedule, HOUR, ZoneInfo(zone))
    assert f"{find_next([window], utc(since)):%m-%dT%H:%M}" == opens


def test_a_window_is_open_from_its_first_moment_to_before_its_last() -> None:
    window, second = a_window("0 2 * * *"), datetime.timedelta(seconds=1)
    opens, closes = utc("2026-01-11T01:00"), utc("2026-01-11T05:00")
    assert find_open([window], opens - second) is None
    assert find_open([window], opens) == find_open([window], closes - second) == Opening(opens, closes)
    assert find_open([window], closes) is None
    assert find_next([window], closes) == opens + DAY
    assert find_next([window], opens + HOUR) == opens + HOUR, "it is open"


def test_a_window_of_some_days_is_open_on_all_of_them() -> None:
    weekend = a_window("0 18 * * FRI", 3 * DAY)
    for moment in ("2026-03-27T17:00", "2026-03-28T12:00", "2026-03-30T16:59"):  # across a change of the clocks
        assert find_open([weekend], utc(moment)) == Opening(utc("2026-03-27T17:00"), utc("2026-03-30T17:00"))
    assert find_open([weekend], utc("2026-03-30T17:00")) is None


def test_without_windows_any_time_is_good_and_of_several_the_one_that_lasts_longest_counts() -> None:
    now = utc("2026-01-11T02:00")
    assert find_next([], now) == now
    assert find_open([], now) is not None
    short, long = a_window("0 2 * * *"), a_window("30 1 * * *", 8 * HOUR)
    assert find_open([short, long], now) == Opening(utc("2026-01-11T00:30"), utc("2026-01-11T08:30"))
    assert find_next([long, short], utc("2026-01-11T12:00")) == utc("2026-01-12T00:30")


def test_openings_that_overlap_are_one_after_the_other() -> None:
    window = a_window("0 * * * *", 2 * HOUR)
    assert find_open([window], utc("2026-01-11T02:30")) == Opening(utc("2026-01-11T02:00"), utc("2026-01-11T04:00"))


FIELDS = {
    "*/15 * * * *": ((0, 15, 30, 45), None),
    "5/20 * * * *": ((5, 25, 45), None),
    "1-5,10,50-59/3 * * * *": ((1, 2, 3, 4, 5, 10, 50, 53, 56, 59), None),
    "0 * * * MON-FRI": ((0,), frozenset({1, 2, 3, 4, 5})),
    "0 * * * 5-7": ((0,), frozenset({5, 6, 0})),
    "0 * * * sat,Sun": ((0,), frozenset({6, 0})),
    "@weekly": ((0,), frozenset({0})),
}


@pytest.mark.parametrize(("text", "expected"), FIELDS.items(), ids=FIELDS)
def test_schedules_are_crons(text: str, expected: tuple[tuple[int, ...], frozenset[int] | None]) -> None:
    schedule = parse_schedule(text)
    assert schedule.minutes == expected[0]
    assert expected[1] is None or schedule.weekdays == expected[1]


REFUSED = {
    "* * * *": "must have five fields",
    "0 2 * * SAT 4h": "must have five fields",
    "": "must have five fields",
    "60 * * * *": "'60' isn't within 0 to 59",
    "0 24 * * *": "'24' isn't within 0 to 23",
    "0 2 0 * *": "'0' isn't within 1 to 31",
    "0 2 * 13 *": "'13' isn't within 1 to 12",
    "0 2 * * 8": "'8' isn't within 0 to 7",
    "0 5-2 * * *": "'5-2' isn't within 0 to 23",
    "0 2 * * CAT": "'cat' is no number and none of sun, mon",
    "*/0 * * * *": "'*/0' has a step of 0",
    "0 2 * * SAT#1": "'sat#1' is no part of a schedule",
    "0 2 L * *": "'l' is no number",
    "-1 * * * *": "'-1' is no part of a schedule",
    "0 2 30 2 *": "never comes",
    "0 2 31 4,6,9,11 *": "never comes",
    "\u0661 * * * *": "is no part of a schedule",
}


@pytest.mark.parametrize(("schedule", "why"), REFUSED.items(), ids=REFUSED)
def test_what_is_no_schedule_is_refused(schedule: str, why: str) -> None:
    with pytest.raises(InvalidWindow) as refused:
        a_window(schedule)
    assert why in str(refused.value)


@pytest.mark.parametrize("duration", [datetime.timedelta(), datetime.timedelta(minutes=14), 7 * DAY + HOUR, -HOUR])
def test_a_window_lasts_a_quarter_of_an_hour_to_a_week(duration: datetime.timedelta) -> None:
    with pytest.raises(InvalidWindow, match="15 minutes to 7 days"):
        a_window("0 2 * * *", duration)


def test_the_next_opening_is_what_looking_at_every_minute_finds() -> None:
    draw = random.Random(17)
    zones = [ZoneInfo(name) for name in ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Beirut")]
    minute = datetime.timedelta(minutes=1)
    for _ in range(40):
        schedule = (
            f"{draw.choice((0, 15, 30, 45))} {draw.choice((0, 1, 2, 3, 23))} * * {draw.choice(('*', 'SUN', '6'))}"
        )
        window = a_window(schedule, draw.choice((HOUR, 5 * HOUR)), draw.choice(zones))
        changes = ("2026-03-07T00:00", "2026-03-28T00:00", "2026-10-03T00:00", "2026-10-24T00:00", "2026-11-01T00:00")
        start = utc(draw.choice(changes)) + draw.randrange(48 * 60) * minute
        expected = start
        while not find_open([window], expected):
            expected += minute
        assert find_next([window], start) == expected, (schedule, window.zone, start)


def look_through(window: Window, now: datetime.datetime) -> Opening | None:
    """The opening that is going on and lasts longest, by all of them."""
    minute_by_minute = (
        datetime.datetime.combine(day, datetime.time(hour, minute), window.zone).astimezone(datetime.UTC)
        for age in range(window.duration.days + 3)
        if window.schedule.includes(day := now.astimezone(window.zone).date() - age * DAY)
        for hour in window.schedule.hours
        for minute in window.schedule.minutes
    )
    starts = [start for start in minute_by_minute if start <= now < start + window.duration]
    return Opening(max(starts), max(starts) + window.duration) if starts else None


CHANGES = {
    "Europe/Berlin": ("2026-03-29T01:00", "2026-10-25T01:00"),
    "America/New_York": ("2026-03-08T07:00", "2026-11-01T06:00"),
    "Australia/Lord_Howe": ("2026-04-04T15:00", "2026-10-03T15:30"),  # by half an hour
    "Asia/Beirut": ("2026-03-28T22:00", "2026-10-24T21:00"),  # at midnight
    "America/Havana": ("2026-03-08T05:00", "2026-11-01T05:00"),
    "America/St_Johns": ("2006-04-02T03:31", "2006-10-29T02:31"),  # at one minute past midnight
    "Africa/Casablanca": ("2026-02-15T02:00", "2026-03-22T02:00"),  # for a month
    "Pacific/Apia": ("2011-12-30T10:00",),  # by a whole day
    "UTC": ("2026-06-10T00:00",),
}


@pytest.mark.parametrize("zone", CHANGES)
def test_what_is_open_is_what_looking_through_all_openings_finds(zone: str) -> None:
    draw = random.Random(zone)
    for _ in range(60):
        minutes, hours = draw.choice(("0", "15", "*/20", "5,59")), draw.choice(("*", "0", "2", "0-3", "22,23", "*/5"))
        days = draw.choice(("* * *", "* * *", "* * SUN", "* * MON-FRI", "29-31 * 5", "*/3 * *"))
        duration = draw.choice((HOUR, 4 * HOUR, 26 * HOUR, 7 * DAY, datetime.timedelta(minutes=15)))
        window = a_window(f"{minutes} {hours} {days}", duration, ZoneInfo(zone))
        for _ in range(8):
            spread = draw.choice((2, 2, 24, 96)) * 3600
            now = utc(draw.choice(CHANGES[zone])) + datetime.timedelta(seconds=draw.randint(-spread, spread))
            assert find_open([window], now) == look_through(window, now), (window, now)


def test_windows_that_open_each_minute_for_a_week_are_no_work() -> None:
    """Within this tier's two seconds; a look through all openings of ten such windows takes one by itself."""
    windows = [a_window("* * * * *", 7 * DAY, ZoneInfo(zone)) for zone in (*CHANGES, "Asia/Tokyo")]
    now = utc("2026-06-10T12:00:30")
    for number in range(100):
        moment = now + number * HOUR
        opening = find_open(windows, moment)
        assert opening == Opening(moment.replace(second=0), moment.replace(second=0) + 7 * DAY)
