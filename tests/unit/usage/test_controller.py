"""The operator asks the ledger again and again, and profiles say what it last answered."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from monopod.usage.controller import ASK_SECONDS, UsageReader
from monopod.usage.ledger_question import LedgerTrouble
from monopod.usage.options import UsageOptions
from monopod.usage.rules.profile_cost import STALE_SECONDS, ProfileCost, ProfileCosts
from tests.unit.fake_api import FakeApi
from tests.unit.fake_clock import FakeClock
from tests.unit.running import PROBLEMS, running, settle


class Scene:
    """A ledger that may be away, and a profile's status."""

    def __init__(self, ledger: str = "monopod-ledger") -> None:
        self.clock = FakeClock()
        self.is_away = False
        self.month = Decimal(1)
        self.asked = 0
        self.told = 0
        self.status: dict[str, Any] = {}
        self.reader = UsageReader(FakeApi(), UsageOptions(ledger=ledger), PROBLEMS, self.clock, self.ask)
        self.reader.changed.subscribe(self.hear)
        self.reader.begin()

    def hear(self) -> None:
        self.told += 1

    async def ask(self) -> ProfileCosts:
        self.asked += 1
        if self.is_away:
            raise LedgerTrouble("away")
        return ProfileCosts(self.clock.now(), "USD", {"web": ProfileCost(month=self.month)})

    async def pass_time(self, seconds: float) -> None:
        self.clock.step(seconds)
        await settle()

    def say(self) -> dict[str, Any] | None:
        """The status' part, after it was written."""
        now = self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        self.status = dict(self.reader.contribute({"web": self.status}, now)["web"].fields)
        usage: dict[str, Any] | None = self.status.get("usage")
        return usage


async def test_the_ledger_is_asked_every_few_minutes_and_each_answer_is_told() -> None:
    scene = Scene()
    async with running(scene.reader.controller):
        assert (scene.asked, scene.told) == (1, 1)
        first = scene.say()
        scene.month = Decimal(2)
        await scene.pass_time(ASK_SECONDS)
        second = scene.say()

    assert first
    assert second
    assert (first["costThisMonth"], second["costThisMonth"]) == ("1.0000", "2.0000")
    assert (scene.asked, scene.told) == (2, 2)


async def test_a_ledger_that_is_away_is_asked_less_and_less_and_what_it_said_goes_after_an_hour() -> None:
    scene = Scene()
    async with running(scene.reader.controller):
        said = scene.say()
        scene.is_away = True
        await scene.pass_time(ASK_SECONDS)
        assert scene.say() == said
        for _ in range(12):
            await scene.pass_time(ASK_SECONDS)
        asked, gone = scene.asked, scene.say()
        scene.is_away = False
        await scene.pass_time(ASK_SECONDS)
        assert scene.say() is not None

    assert said
    assert gone is None
    assert asked < 25
    assert timedelta(seconds=13 * ASK_SECONDS) > timedelta(seconds=STALE_SECONDS)


async def test_without_a_ledger_nothing_is_asked_and_what_was_said_goes() -> None:
    scene = Scene(ledger="")
    scene.status = {"usage": {"costPerHour": "1.0000", "observedAt": "2026-01-01T00:16:00Z"}}
    async with running(scene.reader.controller):
        await scene.pass_time(ASK_SECONDS)
        assert scene.say() is None

    assert scene.asked == 0
