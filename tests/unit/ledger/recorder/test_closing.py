"""What ends because it isn't in a list."""

import pytest

from monopod.ledger.recorder.closing import Listed, close_missing, close_strays, is_stray
from monopod.usage.rules.lifetime import CONTRADICTION_MS, Interval, Lifetime, Watched
from tests.unit.ledger.recorder.lifetimes import a_lifetime

WINDOWS = [Watched("a", 0, 500), Watched("a", 600, 700), Watched("b", 0, 800), Watched("d", 0, 5000)]


def closed(
    lifetime: Lifetime, *, version: int = 10, rewound: bool = False, uids: tuple[str, ...] = ()
) -> Interval | None:
    ended = list(close_missing([lifetime], Listed(uids, version, 1000, rewound), WINDOWS, {}))
    return ended[0].end if ended else None


@pytest.mark.parametrize(
    ("lifetime", "end"),
    [
        (a_lifetime("x", seen_by="a"), Interval(700, 1000)),
        (a_lifetime("x", seen_by="b"), Interval(800, 1000)),
        (a_lifetime("x", seen_by="c", alive=300), Interval(300, 1000)),
        (a_lifetime("x", seen_by="a", alive=900), Interval(900, 1000)),
        (a_lifetime("x", seen_by="a", alive=1100), Interval(1100, 1100)),
        (a_lifetime("x", seen_by="d"), Interval(1000, 1000)),
        (a_lifetime("x", version=10), Interval(700, 1000)),
        (a_lifetime("x", version=11), None),
    ],
    ids=[
        "own",
        "the other's",
        "unknown recorder",
        "seen later",
        "a clock ahead",
        "a window ahead",
        "as old as the list",
        "newer",
    ],
)
def test_it_lasted_until_the_last_who_knew_it_stopped_watching(lifetime: Lifetime, end: Interval | None) -> None:
    assert closed(lifetime) == end


def test_what_is_listed_goes_on() -> None:
    assert closed(a_lifetime("x"), uids=("x",)) is None


def test_versions_say_nothing_once_the_api_server_went_back() -> None:
    assert closed(a_lifetime("x", version=11), rewound=True) == Interval(700, 1000)


@pytest.mark.parametrize(
    ("lifetime", "stray", "end"),
    [
        (a_lifetime("x", alive=300, gone=200), True, Interval(300, 300)),
        (a_lifetime("x", alive=300), False, Interval(300, 1000)),
        (a_lifetime("x", alive=300 + CONTRADICTION_MS, gone=200), False, None),
    ],
    ids=["seen a moment too long", "never closed", "seen again"],
)
def test_a_stray_ends_where_it_was_last_seen(lifetime: Lifetime, stray: bool, end: Interval | None) -> None:
    assert is_stray(lifetime) is stray
    ended = [*close_strays([lifetime], Listed((), 10, 1000), (), {})]
    assert end is None or ended[0].end == end


@pytest.mark.parametrize(
    ("lifetime", "end"),
    [
        (a_lifetime("x", seen_by="b", alive=300), Interval(800, 1000)),
        (a_lifetime("x", seen_by="c", alive=300), Interval(300, 1000)),
        (a_lifetime("x", seen_by="b", alive=900), Interval(900, 1000)),
        (a_lifetime("x", seen_by="d", alive=300), Interval(1000, 1000)),
        (a_lifetime("x", seen_by="b", alive=300, gone=299), Interval(300, 300)),
    ],
    ids=["that recorder's window", "unknown recorder", "seen later", "a clock ahead", "a stray"],
)
def test_what_another_recorder_left_open_lasted_until_that_one_stopped_watching(
    lifetime: Lifetime, end: Interval
) -> None:
    (ended,) = close_strays([lifetime], Listed((), 10, 1000), WINDOWS, {})
    assert ended.end == end
