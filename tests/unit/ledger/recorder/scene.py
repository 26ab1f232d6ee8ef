"""A recorder beside a cluster in which time is stepped; it may be killed and started again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from monopod.ledger.recorder.journal import Journal
from monopod.ledger.recorder.nodes import Nodes
from monopod.ledger.recorder.recorder import Recorder
from monopod.usage.rules.lifetime import Interval, Lifetime
from tests.unit.fake_clock import FakeClock
from tests.unit.ledger.recorder.fake_cluster import FakeCluster, pass_time
from tests.unit.ledger.recorder.fake_store import FakeStore, Inline
from tests.unit.running import PROBLEMS

SLACK_MS = 200  # of the fake cluster's network


class Scene:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.cluster = FakeCluster(self.clock)
        self.store = FakeStore()
        self.recorders = 0

    @asynccontextmanager
    async def recording(self, name: str = "a", store: FakeStore | None = None) -> AsyncIterator[Recorder]:
        """Killed at the end, without a last commit."""
        store = store or self.store
        journal = Journal(name, store, Inline(), PROBLEMS, self.clock)
        nodes = Nodes(self.cluster, PROBLEMS, self.clock)
        nodes.renewals["n1"] = 0
        recorder = Recorder(name, "monopod-system", self.cluster, store, journal, nodes, Inline(), PROBLEMS, self.clock)
        tasks = [asyncio.create_task(journal.run()), asyncio.create_task(recorder.run())]
        self.recorders += 1
        try:
            await self.wait(1)
            yield recorder
            for task in tasks:
                assert not task.done(), task.exception()
        finally:
            self.recorders -= 1
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def wait(self, seconds: float) -> None:
        if self.recorders:
            await pass_time(self.clock, seconds)
        else:
            self.clock.step(seconds)

    def end_of(self, uid: str) -> Interval:
        end = self.store.lifetimes[uid].end
        assert end is not None
        return end

    def check(self, uid: str) -> Lifetime:
        """Holds what is stored of a pod against the truth."""
        lifetime, truth = self.store.lifetimes[uid], self.cluster.truth[uid]
        assert lifetime.created <= truth.created < lifetime.created + 1000
        if truth.deleted is None:
            assert lifetime.is_open
        else:
            end = lifetime.end
            assert end is not None, lifetime
            assert end.earliest - SLACK_MS <= truth.deleted <= end.latest, (uid, truth, lifetime)
        return lifetime


async def live(scene: Scene, seconds: int) -> None:
    """Time passes, and a node renews its Lease."""
    for _ in range(seconds // 10):
        scene.cluster.renew_lease("n1")
        await scene.wait(10)
