"""When revisions were, by the stamps on Leases, and what is replayed of these."""

import asyncio
import random
from typing import Any

import pytest

from monopod.ledger.recorder.revision_times import (
    CUT_MS,
    REPLAY_SECONDS,
    WRITE_MS,
    RevisionTimes,
    read_write,
    replay_leases,
)
from monopod.usage.rules.lifetime import Interval
from tests.unit.ledger.recorder.fake_cluster import pass_time
from tests.unit.ledger.recorder.scene import Scene

NOON = 1_795_867_200_000
ALL = Interval(0, 720_000)
LATE = CUT_MS + WRITE_MS


def test_a_version_was_written_between_the_stamps_around_it() -> None:
    times = RevisionTimes()
    assert times.narrow(3000, ALL) == Interval(0, 720_000)
    times.add_write(2000, 100_000)
    times.add_write(4000, 200_000)
    times.add_stamp(3500, 150_000)
    assert times.narrow(1999, ALL) == Interval(0, 100_000 + LATE)
    assert times.narrow(2000, ALL) == Interval(100_000, 100_000 + LATE)
    assert times.narrow(3000, ALL) == Interval(100_000, 200_000 + LATE)
    assert times.narrow(3500, ALL) == Interval(150_000, 200_000 + LATE)
    assert times.narrow(5000, ALL) == Interval(200_000, 720_000)


def test_nothing_is_concluded_where_stamps_and_versions_are_in_another_order() -> None:
    times = RevisionTimes()
    times.add_write(2000, 300_000)
    times.add_write(4000, 200_000)
    assert times.narrow(3000, ALL) == Interval(0, 720_000)
    assert times.narrow(1500, ALL) == Interval(0, 200_000 + LATE)


def test_stamps_from_outside_the_outage_tell_nothing() -> None:
    times, outage = RevisionTimes(), Interval(500_000, 720_000)
    times.add_write(2000, 100_000)  # of a clock that is far behind
    assert times.narrow(1500, outage) == outage
    times.add_write(3000, 900_000)  # of one that is far ahead
    assert times.narrow(3500, outage) == outage


@pytest.mark.parametrize("seed", range(50))
def test_the_truth_lies_within_the_bounds_of_every_version(seed: int) -> None:
    dice = random.Random(seed)
    moments, now = dict[int, int](), 0
    for version in range(1001, 1400):
        now += dice.choice([1, 30, 500, 4_000])
        moments[version] = now
    times, within = RevisionTimes(), Interval(0, now + 1)
    for version in dice.sample(sorted(moments), 40):
        stamped = (moments[version] - dice.randrange(WRITE_MS)) // 1000 * 1000
        if dice.random() < 0.7:
            times.add_write(version, stamped)
        else:
            times.add_stamp(version, stamped)
        some = dice.choice(sorted(moments))
        assert times.narrow(some, within).earliest <= moments[some] <= times.narrow(some, within).latest


def test_a_leases_last_write_is_what_the_api_server_stamped_it_with() -> None:
    def lease(version: object, *times: object) -> dict[str, Any]:
        return {"metadata": {"resourceVersion": version, "managedFields": [{"time": time} for time in times]}}

    noon = "2026-11-28T12:00:00Z"
    assert read_write(lease("7", "2026-11-28T11:59:00Z", noon)) == (7, NOON)
    odd: list[Any] = [
        {},
        {"metadata": {}},
        lease("7"),
        lease("x", noon),
        lease("7", "noon"),
        lease("7", "0001-01-01T00:00:00Z"),
    ]
    times = RevisionTimes()
    times.add_leases([*odd, {"metadata": {"managedFields": [None]}}])
    assert times.narrow(7, ALL) == ALL


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def replay(scene: Scene, first: int, seconds: float) -> RevisionTimes:
    replaying = asyncio.create_task(replay_leases(scene.cluster, scene.clock, first, scene.cluster.revision))
    await pass_time(scene.clock, seconds)
    assert replaying.done()
    return await replaying


async def test_leases_are_replayed_from_a_version_on(scene: Scene) -> None:
    first, known = scene.cluster.revision, Interval(0, 10**13)
    for _ in range(6):
        scene.cluster.renew_lease("n1")
        await scene.wait(10)
    scene.cluster.write_something_else()
    version = scene.cluster.revision
    now = round(scene.clock.now().timestamp() * 1000)
    scene.cluster.renew_lease("n1")
    times = await replay(scene, first, REPLAY_SECONDS + 0.2)
    assert now - 11_000 <= times.narrow(version, known).earliest <= now
    assert now <= times.narrow(version, known).latest <= now + LATE


@pytest.mark.parametrize("trouble", ["away", "forgotten", "deaf", "quiet"])
async def test_nobody_waits_for_long_for_what_cannot_be_replayed(scene: Scene, trouble: str) -> None:
    first = scene.cluster.revision
    scene.cluster.write_something_else()
    scene.cluster.is_away = trouble == "away"
    scene.cluster.forgets = trouble == "forgotten"
    scene.cluster.is_deaf = trouble == "deaf"
    times = await replay(scene, first, REPLAY_SECONDS + 0.2)
    assert times.narrow(first + 1, ALL) == ALL
