"""A machine's clock that is set wrong puts nothing into the future, as long as the API server answers."""

import datetime
from datetime import UTC, timedelta
from email.utils import format_datetime

import pytest

from monopod.ledger.bounded_clock import KEPT_SECONDS, BoundedClock
from tests.unit.fake_clock import FakeClock


class SkewedClock(FakeClock):
    """One that somebody sets."""

    skew = timedelta()

    def now(self) -> datetime.datetime:
        return super().now() + self.skew


class Scene:
    def __init__(self) -> None:
        self.own = SkewedClock()
        self.clock = BoundedClock(self.own)
        self.server_skew = timedelta()

    @property
    def truth(self) -> datetime.datetime:
        return FakeClock.now(self.own)

    def answer(self, seconds: float = 0.0) -> None:
        """The API server answers something at once, which is heard after some seconds."""
        date = format_datetime((self.truth + self.server_skew).replace(tzinfo=UTC), usegmt=True)
        self.own.step(seconds)
        self.clock.hear(date, seconds)

    @property
    def ahead(self) -> float:
        return (self.clock.now() - self.truth).total_seconds()


@pytest.mark.parametrize("skew", [-3600.0, -1.0, 0.0, 0.9])
def test_a_clock_that_is_right_or_behind_is_taken_as_it_is(skew: float) -> None:
    scene = Scene()
    scene.own.skew = timedelta(seconds=skew)
    for _ in range(20):
        scene.own.step(0.37)
        scene.answer()
        assert scene.ahead == pytest.approx(skew)


def test_an_answer_that_was_long_on_its_way_does_not_set_a_right_clock_back() -> None:
    scene = Scene()
    for _ in range(3):
        scene.answer(seconds=12)
        assert scene.ahead == 0


@pytest.mark.parametrize("skew", [4.0, 3600.0, 40 * 365 * 86400.0])
def test_one_that_is_ahead_is_held_back_also_long_after_an_answer(skew: float) -> None:
    scene = Scene()
    scene.answer()
    scene.own.skew = timedelta(seconds=skew)
    for _ in range(20):
        scene.own.step(0.37)
        scene.answer()
    assert 0 <= scene.ahead <= 1
    scene.own.step(7200)
    assert 0 <= scene.ahead <= 1
    scene.own.skew = timedelta()
    assert scene.ahead == 0


def test_an_api_server_whose_clock_was_set_is_believed_at_once() -> None:
    scene = Scene()
    for hours in (-1, 0, -2, -1):
        scene.server_skew = timedelta(hours=hours)
        scene.own.step(5)
        scene.answer()
        assert scene.ahead == pytest.approx(3600 * hours, abs=1)


def test_a_machine_that_stood_still_is_not_kept_in_the_past() -> None:
    scene = Scene()
    scene.answer()
    # Nobody's clock but its own monotonic one stood still.
    scene.own.skew = scene.server_skew = timedelta(minutes=10)
    scene.own.step(5)
    scene.answer()
    assert scene.ahead == 600


def test_what_was_long_ago_does_not_count() -> None:
    scene = Scene()
    scene.server_skew = timedelta(seconds=-4)
    scene.answer()
    assert scene.ahead < -2
    scene.server_skew = timedelta(seconds=-1.5)  # drifted, by less than refutes
    for _ in range(3):
        scene.own.step(KEPT_SECONDS + 1)
        scene.answer()
    assert scene.ahead == 0


@pytest.mark.parametrize(
    "date", [None, "", "yesterday", "Thu, 99 Jan 2026 99:00:00 GMT", "Thu, 01 Jan 99999 00:00:00 GMT"]
)
def test_an_answer_without_a_date_says_nothing(date: str | None) -> None:
    scene = Scene()
    scene.clock.hear(date, 0.0)
    assert scene.ahead == 0


def test_time_passes_as_on_the_clock_beneath() -> None:
    scene = Scene()
    called: list[float] = []
    scene.clock.call_later(5, lambda: called.append(scene.clock.monotonic()))
    scene.own.step(6)
    assert called == [1005.0]
