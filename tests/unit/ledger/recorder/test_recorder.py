"""The recorder beside an observer that knows everything: restarts, outages, lost history and restored backups."""

import random

import pytest

from monopod.ledger.recorder.recorder import AUDIT_SECONDS, PROBE_SECONDS
from monopod.ledger.recorder.revision_times import CUT_MS, WRITE_MS
from monopod.usage.rules.lifetime import Evidence, Lifetime
from tests.unit.ledger.recorder.fake_store import FakeStore
from tests.unit.ledger.recorder.scene import Scene


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_what_is_there_comes_and_goes_is_recorded_exactly(scene: Scene) -> None:
    scene.cluster.create_pod("old")
    async with scene.recording():
        scene.cluster.create_pod("new")
        await scene.wait(1)
        scene.cluster.start_pod("new")
        await scene.wait(3.3)
        scene.cluster.delete_pod("new")
        await scene.wait(2)
        new, old = scene.check("new"), scene.check("old")
    assert new.end is not None
    assert new.end.is_exact
    assert new.start is not None
    assert Evidence.WATCHED_DELETION in new.evidence
    assert old.is_open
    assert new.seen_by == {"a"}


async def test_facts_and_how_far_they_were_read_are_committed_together(scene: Scene) -> None:
    async with scene.recording() as recorder:
        scene.cluster.create_pod("one")
        scene.cluster.create_pod("two")
        await scene.wait(2)
        assert scene.store.positions["a"].version == str(scene.cluster.revision)
        assert [each.uid for each in scene.store.commits[-1]] == ["one", "two"]
        assert recorder.count == 2


async def test_the_window_grows_also_where_no_pod_moves(scene: Scene) -> None:
    async with scene.recording() as recorder:
        for _ in range(4):
            await scene.wait(15)
            assert recorder.window is not None
            scene.cluster.write_something_else()
            assert scene.clock.now().timestamp() * 1000 - recorder.window.until < 16_000


async def test_a_stream_that_hangs_makes_the_window_stand_still(scene: Scene) -> None:
    async with scene.recording() as recorder:
        scene.cluster.create_pod("x")
        await scene.wait(12)
        scene.cluster.is_deaf = True
        await scene.wait(PROBE_SECONDS)
        window = recorder.window
        scene.cluster.delete_pod("x")
        await scene.wait(20)
        assert recorder.window == window
        scene.cluster.is_deaf = False
        await scene.wait(2)
        lifetime = scene.check("x")
        assert Evidence.REPLAYED_DELETION in lifetime.evidence
        assert window is not None
        assert scene.end_of("x").earliest >= window.until


@pytest.mark.parametrize("seconds", [1, 30, 180])
async def test_after_a_restart_everything_is_replayed_and_nothing_is_a_gap(scene: Scene, seconds: int) -> None:
    scene.cluster.create_pod("gone")
    scene.cluster.create_pod("stays")
    async with scene.recording():
        await scene.wait(20)
    await scene.wait(seconds / 2)
    scene.cluster.create_pod("short")
    await scene.wait(1)
    scene.cluster.delete_pod("gone")
    scene.cluster.delete_pod("short")
    await scene.wait(seconds / 2)
    async with scene.recording():
        await scene.wait(20)
        for uid in scene.cluster.truth:
            scene.check(uid)
    assert len(scene.store.windows) == 1
    # The end lies after the API server's own stamps on what happened before.
    assert scene.end_of("gone").earliest > scene.cluster.truth["short"].created - 1000


async def test_a_replayed_deletion_lies_between_the_renewals_of_leases_around_it(scene: Scene) -> None:
    scene.cluster.create_pod("gone")
    scene.cluster.create_pod("earlier")
    async with scene.recording():
        await scene.wait(20)
    for second in range(70):
        scene.cluster.renew_lease(f"n{second % 10}")
        if second in {20, 40}:
            scene.cluster.delete_pod("earlier" if second == 20 else "gone")
        await scene.wait(1)
    async with scene.recording():
        await scene.wait(20)
        for uid in ("earlier", "gone"):
            end, deleted = scene.end_of(uid), scene.cluster.truth[uid].deleted
            scene.check(uid)
            assert deleted is not None
            assert deleted - end.earliest <= 2000, "nothing before it is billed by default"
            assert end.latest - end.earliest <= 1000 + CUT_MS + WRITE_MS


async def test_after_an_outage_that_history_does_not_reach_over_there_is_a_gap_and_ends_are_intervals(
    scene: Scene,
) -> None:
    scene.cluster.create_pod("gone")
    scene.cluster.create_pod("stays")
    async with scene.recording():
        await scene.wait(20)
    until = scene.store.windows.copy().popitem()[1].until
    await scene.wait(300)
    scene.cluster.delete_pod("gone")
    scene.cluster.create_pod("new")
    await scene.wait(300)
    scene.cluster.compact()
    async with scene.recording():
        await scene.wait(5)
        lifetimes = [scene.check(uid) for uid in scene.cluster.truth]
        # (The same recorder closes nothing twice.)
        await scene.wait(AUDIT_SECONDS)
    assert [each.is_open for each in lifetimes] == [False, True, True]
    assert scene.end_of("gone").earliest == until
    assert Evidence.LISTED_GONE in lifetimes[0].evidence
    assert [each.since for each in scene.store.windows.values()][-1] > until + 590_000


async def test_a_recorder_that_lost_its_disk_learns_the_exact_end_from_the_other(scene: Scene) -> None:
    scene.cluster.create_pod("x")
    async with scene.recording("a"):
        await scene.wait(5)
    other = FakeStore()
    async with scene.recording("b", other):
        await scene.wait(30)
        scene.cluster.delete_pod("x")
        await scene.wait(30)
    scene.cluster.compact()
    async with scene.recording("a"):
        await scene.wait(2)
        assert not scene.end_of("x").is_exact
        scene.store.join([*other.lifetimes.values()])
        assert scene.end_of("x").is_exact
        scene.check("x")


async def test_a_pod_that_another_saw_alive_a_moment_too_long_does_not_stay_open(scene: Scene) -> None:
    scene.cluster.create_pod("x")
    async with scene.recording("a"):
        await scene.wait(5)
        scene.cluster.delete_pod("x")
        await scene.wait(2)
        known = scene.store.lifetimes["x"]
        late = Lifetime("x", known.description, known.created, alive=known.alive + 100, seen_by=frozenset({"b"}))
        scene.store.join([late])
        assert scene.store.lifetimes["x"].is_open
        await scene.wait(AUDIT_SECONDS + 5)
        scene.check("x")


async def test_a_restored_etcd_is_noticed_although_streams_say_nothing(scene: Scene) -> None:
    for uid in ("both", "comes back"):
        scene.cluster.create_pod(uid)
    async with scene.recording() as recorder:
        await scene.wait(10)
        snapshot = scene.cluster.take_snapshot()
        scene.cluster.delete_pod("comes back")
        scene.cluster.create_pod("never was")
        await scene.wait(10)
        assert not scene.store.lifetimes["comes back"].is_open
        scene.cluster.restore_snapshot(snapshot)
        await scene.wait(PROBE_SECONDS + 15)
        for uid in scene.cluster.truth:
            scene.check(uid)
        assert recorder.missed == 0
        scene.cluster.delete_pod("comes back")
        await scene.wait(3)
        scene.check("comes back")


async def test_versions_from_before_an_outage_say_nothing_of_a_restored_etcd(scene: Scene) -> None:
    """Which is beyond where it was before anyone asks."""
    scene.cluster.create_pod("x")
    async with scene.recording() as recorder:
        await scene.wait(11)  # no bookmark comes until the next probe
        snapshot = scene.cluster.take_snapshot()
        for _ in range(20):
            scene.cluster.write_something_else()
        await scene.wait(4)
        scene.cluster.is_away = True
        scene.cluster.restore_snapshot(snapshot)
        await scene.wait(10)
        scene.cluster.delete_pod("x")
        for _ in range(30):
            scene.cluster.write_something_else()
        scene.cluster.is_away = False
        await scene.wait(20)
        assert recorder.missed == 0
        scene.check("x")


async def test_what_the_stream_missed_an_audit_finds(scene: Scene) -> None:
    scene.cluster.create_pod("x")
    async with scene.recording() as recorder:
        await scene.wait(AUDIT_SECONDS + 5)
        audited = round(scene.clock.now().timestamp() * 1000) - 10_000
        del scene.cluster.pods["x"]  # without an event
        scene.cluster.truth["x"].deleted = round(scene.clock.now().timestamp() * 1000)
        await scene.wait(AUDIT_SECONDS + 20)
        assert recorder.missed == 1
        scene.check("x")
        assert scene.end_of("x").earliest > audited
    assert len(scene.store.windows) == 2


async def test_an_api_server_that_is_away_costs_nothing(scene: Scene) -> None:
    for number in range(3):
        scene.cluster.create_pod(f"pod-{number}")
    async with scene.recording():
        await scene.wait(10)
        scene.cluster.is_away = True
        await scene.wait(3)
        scene.cluster.delete_pod("pod-1")
        await scene.wait(40)
        scene.cluster.is_away = False
        await scene.wait(20)
        lifetime = scene.check("pod-1")
    assert Evidence.REPLAYED_DELETION in lifetime.evidence
    assert len(scene.store.windows) == 1


async def test_a_full_spool_stops_the_reading_and_nothing_is_dropped(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monopod.ledger.recorder.journal.MOST_PENDING", 3)
    async with scene.recording():
        await scene.wait(10)
        scene.store.is_full = True
        for number in range(10):
            scene.cluster.create_pod(f"pod-{number}")
        await scene.wait(30)
        position = scene.store.positions["a"].version
        assert scene.store.lifetimes == {}
        assert int(position) < scene.cluster.revision
        scene.store.is_full = False
        await scene.wait(60)
        for uid in scene.cluster.truth:
            scene.check(uid)


async def test_a_store_that_is_away_at_the_start_is_waited_for(scene: Scene) -> None:
    scene.cluster.create_pod("x")
    scene.store.is_away = True
    async with scene.recording():
        await scene.wait(20)
        assert scene.store.lifetimes == {}
        scene.store.is_away = False
        await scene.wait(20)
        scene.check("x")


async def test_a_pod_that_cannot_be_read_is_named_and_stops_no_other(scene: Scene) -> None:
    async with scene.recording() as recorder:
        scene.cluster.create_pod("odd")
        scene.cluster.pods["odd"]["spec"] = "no"
        scene.cluster.start_pod("odd")
        scene.cluster.create_pod("fine")
        await scene.wait(3)
        assert "odd" in recorder.unreadable
        scene.check("fine")
        scene.cluster.delete_pod("odd")
        await scene.wait(3)
        assert recorder.unreadable == {}


async def test_a_history_that_is_always_gone_is_no_reason_to_list_without_pause(scene: Scene) -> None:
    scene.cluster.create_pod("x")
    async with scene.recording():
        scene.cluster.forgets = True
        await scene.wait(60)
        lists = [query for kind, _, query in scene.cluster.requests if kind == "get" and "labelSelector" in query]
        assert 3 < len(lists) < 25
        scene.cluster.forgets = False
        await scene.wait(10)
        scene.cluster.delete_pod("x")
        await scene.wait(3)
        scene.check("x")


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_happens_the_truth_is_inside_and_no_pod_is_missing(scene: Scene, seed: int) -> None:
    """Pods come and go, streams break, the API server is away, recorders are killed; history reaches over all of it."""
    chance = random.Random(seed)
    number = 0

    async def live(turns: int) -> None:
        nonlocal number
        for _ in range(turns):
            match chance.randrange(8):
                case 0 | 1 | 2:
                    number += 1
                    scene.cluster.create_pod(f"pod-{number}")
                case 3 | 4 if scene.cluster.pods:
                    scene.cluster.delete_pod(chance.choice(sorted(scene.cluster.pods)))
                case 5 if scene.cluster.pods:
                    scene.cluster.start_pod(chance.choice(sorted(scene.cluster.pods)))
                case 6:
                    scene.cluster.break_connections()
                case 7:
                    scene.cluster.is_away = not scene.cluster.is_away
                case _:
                    scene.cluster.write_something_else()
            await scene.wait(chance.choice([0.05, 0.5, 2, 7]))

    for _ in range(3):
        async with scene.recording():
            await live(8)
        await live(4)
    scene.cluster.is_away = False
    async with scene.recording():
        await scene.wait(20)
        for uid in scene.cluster.truth:
            scene.check(uid)
    assert len(scene.store.windows) == 1
    assert len(scene.store.lifetimes) == number
