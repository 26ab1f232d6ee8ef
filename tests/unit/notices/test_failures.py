"""A notice that the receiver fails at holds up no other; a receiver that fails at all of them isn't asked by each."""

import pytest

from monopod.kube.metrics import NOTICES, NOTICES_WAITING
from monopod.notices.options import NoticeOptions
from monopod.notices.rules.notice import Notice, compute_id
from monopod.notices.webhook import LONGEST, PAUSE_OF_ALL, PAUSE_OF_ONE, Webhook
from tests.receiver import Receiver
from tests.unit.fake_clock import FakeClock
from tests.unit.notices.builders import a_task, an_interruption
from tests.unit.running import PROBLEMS, running


class Passing:
    """A webhook, and time that passes in steps, at each of which all that is due is tried."""

    def __init__(self, receiver: Receiver) -> None:
        self.clock = FakeClock()
        self.hook = Webhook(NoticeOptions(webhook_url=receiver.url), PROBLEMS, self.clock)
        self._receiver = receiver

    def send(self, *notices: Notice) -> None:
        for notice in notices:
            self.hook.send(notice)

    async def rest(self) -> None:
        """Until nothing more happens without time passing."""
        queue = self.hook.controller
        await self._receiver.wait_for(lambda: not queue.depth and not queue._working, "a rest")

    async def step(self, seconds: float) -> None:
        self.clock.step(seconds)
        await self.rest()


def list_ids(receiver: Receiver) -> list[str]:
    return [body["id"] for body in receiver.got]


def ids(*notices: Notice) -> list[str]:
    return [compute_id(notice) for notice in notices]


BAD = an_interruption("bad")
GOOD = [an_interruption(f"web-{number}") for number in range(5)]


@pytest.mark.parametrize("status", [404, 500, 503])
async def test_one_that_fails_alone_holds_up_no_other_and_pauses_longer_each_time(
    receiver: Receiver, status: int
) -> None:
    passing = Passing(receiver)
    receiver.status_of = {compute_id(BAD): status}
    async with running(passing.hook.controller):
        passing.send(BAD, *GOOD[:3])
        await passing.rest()
        await passing.step(PAUSE_OF_ALL.first)
        assert list_ids(receiver) == ids(*GOOD[:3])
        passing.send(GOOD[3])
        await passing.rest()
        assert list_ids(receiver) == ids(*GOOD[:4]), "at once"
        before = len(receiver.seen)
        for _ in range(240):
            await passing.step(5)
        assert 8 <= len(receiver.seen) - before <= 12, "after 2, 4, 8 … 300 seconds"
        passing.send(GOOD[4])
        await passing.rest()
        assert list_ids(receiver) == ids(*GOOD), "at once, too"
        receiver.status_of = {}
        await passing.step(PAUSE_OF_ONE.longest)
    assert list_ids(receiver) == ids(*GOOD, BAD)


async def test_the_only_one_that_waits_may_fail_alone_and_the_next_waits_for_seconds(receiver: Receiver) -> None:
    passing = Passing(receiver)
    receiver.status_of = {compute_id(BAD): 500}
    async with running(passing.hook.controller):
        passing.send(BAD)
        for _ in range(100):
            await passing.step(1)
        passing.send(GOOD[0])
        await passing.step(PAUSE_OF_ALL.longest)
    assert list_ids(receiver) == ids(GOOD[0])


async def test_those_about_the_same_keep_their_order_and_go_on_when_the_first_is_given_up(receiver: Receiver) -> None:
    passing, expired = Passing(receiver), NOTICES.labels("TaskStateChange", "expired")._value
    before = expired.get()
    receiver.status_of = {compute_id(a_task(1)): 500}
    async with running(passing.hook.controller):
        passing.send(a_task(1), a_task(2), GOOD[0])
        await passing.rest()
        for _ in range(100):
            await passing.step(10)
        assert list_ids(receiver) == ids(GOOD[0])
        passing.send(a_task(3))
        await passing.step(LONGEST.total_seconds() - 900)
    assert list_ids(receiver) == ids(GOOD[0], a_task(3))
    assert expired.get() == before + 2, "the first failed for a day, and the second waited for it"


async def test_a_receiver_that_fails_at_all_is_asked_by_one_at_a_time_however_many_wait(receiver: Receiver) -> None:
    passing = Passing(receiver)
    receiver.status = 500
    many = [an_interruption(f"many-{number}") for number in range(50)]
    async with running(passing.hook.controller):
        passing.send(*many)
        await passing.rest()
        assert len(receiver.seen) == 1
        for _ in range(200):
            await passing.step(1)
        assert 20 <= len(receiver.seen) <= 25, "after 1, 2, 4, 8 and each 10 seconds"
        waiting = NOTICES_WAITING.collect()
        assert [sample.value for metric in waiting for sample in metric.samples] == [50]
        receiver.status = 200
        await passing.step(PAUSE_OF_ALL.longest)
        await passing.step(PAUSE_OF_ONE.first)
    assert sorted(list_ids(receiver)) == sorted(ids(*many))


@pytest.mark.parametrize("status", [429, 503])
async def test_a_pause_that_the_receiver_asks_for_is_kept_by_all(receiver: Receiver, status: int) -> None:
    passing = Passing(receiver)
    receiver.status_of, receiver.retry_after = {compute_id(BAD): status}, "120"
    async with running(passing.hook.controller):
        passing.send(GOOD[0], BAD, GOOD[1])
        await passing.rest()
        for _ in range(119):
            await passing.step(1)
        passing.send(GOOD[2])
        await passing.rest()
        assert (list_ids(receiver), len(receiver.seen)) == (ids(GOOD[0]), 2)
        await passing.step(1)
        assert list_ids(receiver) == ids(*GOOD[:3])
        assert len(receiver.seen) == 5, "and the one that was to wait is tried again, and is to wait again"
        passing.send(GOOD[3])
        await passing.step(119)
        assert (compute_id(GOOD[3]) in list_ids(receiver)) is (status == 503), "by 429 all are to wait, else it alone"
        assert len(receiver.seen) == 5 + (status == 503)
        receiver.status_of = {}
        await passing.step(1)
    assert sorted(list_ids(receiver)) == sorted(ids(BAD, *GOOD[:4]))
