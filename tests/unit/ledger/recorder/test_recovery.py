"""What an outage that the watch can't make up for leaves to be learnt from lists of the past."""

import pytest

from monopod.kube.client.api import ApiError, Json
from monopod.kube.clock import sleep
from monopod.ledger.recorder.recovery import MOST_EVENT_PAGES, MOST_REQUESTS, PAST_SECONDS, PEER_LAG_SECONDS
from monopod.usage.rules.lifetime import Evidence, Interval, Watched
from tests.unit.ledger.recorder.fake_cluster import LEASES
from tests.unit.ledger.recorder.scene import Scene, live

STAMP_MS = 3200  # how far stamps are cut, a write may take, and the fake cluster's network


@pytest.fixture
def scene() -> Scene:
    return Scene()


def list_exact(scene: Scene, path: str = "/api/v1/pods") -> list[Json]:
    return [query for kind, of, query in scene.cluster.requests if (kind, of) == ("get", path) and is_exact(query)]


def list_events(scene: Scene) -> list[Json]:
    return [query for _, path, query in scene.cluster.requests if path == "/api/v1/events"]


def is_exact(query: Json) -> bool:
    return query.get("resourceVersionMatch") == "Exact"


def get_width(end: Interval) -> int:
    return end.latest - end.earliest


async def go_through_an_outage(scene: Scene) -> None:
    """Five minutes: one pod is gone in them, another comes and goes, a third stays."""
    for uid in ("gone", "stays"):
        scene.cluster.create_pod(uid)
        scene.cluster.start_pod(uid)
    async with scene.recording():
        await scene.wait(20)
    await live(scene, 120)
    scene.cluster.delete_pod("gone")
    await live(scene, 50)
    scene.cluster.create_pod("short")
    await scene.wait(3)
    scene.cluster.start_pod("short")
    await live(scene, 60)
    scene.cluster.delete_pod("short")
    await live(scene, 70)


async def test_lists_of_the_past_narrow_ends_and_show_what_came_and_went(scene: Scene) -> None:
    await go_through_an_outage(scene)
    scene.cluster.restart()
    async with scene.recording() as recorder:
        assert recorder.is_synced, "the watch doesn't wait for the past"
        await scene.wait(20)
        gone, short = scene.check("gone"), scene.check("short")
        assert scene.check("stays").is_open
        assert recorder.count == 1
    assert len(list_exact(scene)) <= 11
    for lifetime in (gone, short):
        assert Evidence.LISTED_IN_PAST in lifetime.evidence
        assert lifetime.end is not None
        assert get_width(lifetime.end) <= 320_000 / 12 + 10_000 + STAMP_MS  # a Lease is renewed every ten seconds
    assert short.start is not None
    assert Evidence.LISTED_GONE in gone.evidence
    assert Evidence.LISTED_GONE not in short.evidence
    windows = sorted(scene.store.windows.values(), key=lambda window: window.since)
    assert len(windows) == 2, "a gap is a gap: shorter-lived pods may be unknown still"


async def test_what_etcd_has_compacted_stays_as_wide_as_it_was(scene: Scene) -> None:
    await go_through_an_outage(scene)
    scene.cluster.compact()
    async with scene.recording():
        await scene.wait(20)
        gone = scene.check("gone")
    assert "short" not in scene.store.lifetimes
    assert Evidence.LISTED_IN_PAST not in gone.evidence
    assert 0 < len(list_exact(scene, LEASES)) < 12, "it stops asking for what is refused"


async def test_of_a_past_that_is_half_gone_the_rest_is_listed(scene: Scene) -> None:
    scene.cluster.create_pod("early")
    scene.cluster.create_pod("late")
    async with scene.recording():
        await scene.wait(20)
    await live(scene, 300)
    scene.cluster.delete_pod("early")
    await live(scene, 200)
    scene.cluster.compact()
    await live(scene, 60)
    scene.cluster.delete_pod("late")
    await live(scene, 100)
    scene.cluster.restart()
    async with scene.recording():
        await scene.wait(20)
        early, late = scene.check("early"), scene.check("late")
    assert early.end is not None
    assert late.end is not None
    assert get_width(early.end) < 600_000, "a list that doesn't show it says that it was gone"
    assert get_width(late.end) < 160_000 / 6 + 10_000 + STAMP_MS


async def test_without_leases_lists_still_show_what_came_and_went(scene: Scene) -> None:
    scene.cluster.leases.clear()
    scene.cluster.create_pod("x")
    async with scene.recording():
        await scene.wait(20)
    for number in range(30):
        scene.cluster.write_something_else()
        if number == 10:
            scene.cluster.create_pod("short")
        if number == 25:
            scene.cluster.delete_pod("short")
        await scene.wait(10)
    scene.cluster.restart()
    async with scene.recording():
        await scene.wait(20)
        assert Evidence.LISTED_IN_PAST in scene.check("short").evidence


async def test_what_another_recorder_watched_is_asked_of_nobody(scene: Scene) -> None:
    await go_through_an_outage(scene)
    scene.cluster.restart()
    async with scene.recording():
        await scene.wait(1)
        now = round(scene.clock.now().timestamp() * 1000)
        watching = Watched("b", now - 1_000_000, now - 60_000)
        scene.store.join([], watched=[watching])
        await scene.wait(PEER_LAG_SECONDS / 2)
        scene.store.join([], watched=[Watched("b", watching.since, now + 5_000)])
        await scene.wait(PEER_LAG_SECONDS * 2)
    assert list_exact(scene) == []


async def test_another_recorder_that_has_stopped_too_is_not_waited_for_long(scene: Scene) -> None:
    await go_through_an_outage(scene)
    scene.cluster.restart()
    async with scene.recording():
        now = round(scene.clock.now().timestamp() * 1000)
        scene.store.join([], watched=[Watched("b", now - 1_000_000, now - 60_000)])
        await scene.wait(PEER_LAG_SECONDS * 2)
        scene.check("short")
    assert list_exact(scene)


async def test_after_a_restored_backup_of_etcd_versions_of_the_past_say_nothing(scene: Scene) -> None:
    scene.cluster.create_pod("x")
    async with scene.recording():
        await live(scene, 30)
        snapshot = scene.cluster.take_snapshot()
        await live(scene, 30)
        scene.cluster.restore_snapshot(snapshot)
        await scene.wait(60)
        assert scene.check("x").is_open
        assert len(scene.store.windows) == 2
    assert (list_exact(scene), list_events(scene)) == ([], [])


async def test_what_is_learnt_of_an_outage_is_dropped_if_etcd_is_restored_meanwhile(scene: Scene) -> None:
    """Versions are given again, to something else: pods of the new past would have come and gone in the old."""
    snapshot = scene.cluster.take_snapshot()
    async with scene.recording():
        await live(scene, 20)
        scene.cluster.is_away = True
        await live(scene, 60)
        scene.cluster.is_away = False
        scene.cluster.restart()
        while len(scene.store.windows) == 1:
            await scene.wait(0.1)
        scene.cluster.restore_snapshot(snapshot)
        scene.cluster.leases.clear()
        scene.cluster.create_pod("new")
        scene.cluster.write_something_else()
        scene.cluster.write_something_else()
        scene.cluster.write_something_else()
        await scene.wait(40)
        assert scene.check("new").contradictions == 0
        assert Evidence.LISTED_IN_PAST not in scene.check("new").evidence


async def test_after_the_stream_missed_something_the_past_is_not_asked(scene: Scene) -> None:
    """Nobody knows from which version on."""
    scene.cluster.create_pod("x")
    async with scene.recording() as recorder:
        await live(scene, 70)
        scene.cluster.truth["x"].deleted = round(scene.clock.now().timestamp() * 1000)
        del scene.cluster.pods["x"]  # without an event
        for _ in range(120):
            scene.cluster.write_something_else()
            await scene.wait(1)
        assert recorder.missed == 1
        scene.check("x")
    assert (list_exact(scene), list_events(scene)) == ([], [])


async def test_of_outages_that_follow_each_other_the_longest_is_looked_up(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monopod.ledger.recorder.recovery.PAUSE_SECONDS", 400)
    async with scene.recording():
        for seconds in (20, 60, 40):
            await live(scene, 20)
            scene.cluster.is_away = True
            await live(scene, seconds // 2)
            scene.cluster.create_pod(f"short-{seconds}")
            await live(scene, seconds // 2)
            scene.cluster.delete_pod(f"short-{seconds}")
            await scene.wait(1)
            scene.cluster.is_away = False
            scene.cluster.restart()
            await scene.wait(8)
        await scene.wait(400)
        scene.check("short-20")
        scene.check("short-60")
    assert "short-40" not in scene.store.lifetimes


async def test_a_short_outage_of_the_api_server_is_worth_few_lists(scene: Scene) -> None:
    scene.cluster.create_pod("x")
    async with scene.recording():
        await live(scene, 30)
        scene.cluster.is_away = True
        await scene.wait(5)
        scene.cluster.delete_pod("x")
        for _ in range(20):
            scene.cluster.renew_lease("n1")
            await scene.wait(0.5)
        scene.cluster.is_away = False
        scene.cluster.restart()
        await scene.wait(30)
        scene.check("x")
        assert scene.end_of("x").latest - scene.end_of("x").earliest < 12_000
    assert 0 < len(list_exact(scene)) <= 11


async def test_an_api_server_that_goes_away_again_is_waited_for(scene: Scene) -> None:
    await go_through_an_outage(scene)
    scene.cluster.restart()
    async with scene.recording():
        await scene.wait(3)
        scene.cluster.is_away = True
        await scene.wait(10)
        scene.cluster.is_away = False
        await scene.wait(40)
        scene.check("short")


async def test_what_is_asked_is_bounded_in_a_large_cluster(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monopod.ledger.recorder.recovery.PAGE_SIZE", 1)
    for number in range(30):
        scene.cluster.create_pod(f"pod-{number}")
        scene.cluster.report(f"pod-{number}", "Started")
        scene.cluster.report(f"pod-{number}", "Pulled")
    await go_through_an_outage(scene)
    scene.cluster.restart()
    begun, scene.cluster.page_size = len(scene.cluster.requests), 1
    async with scene.recording():
        await scene.wait(40)
        scene.check("gone")
    paged = [query for _, _, query in scene.cluster.requests[begun:] if is_exact(query) or "continue" in query]
    assert 0 < len(list_exact(scene)) <= MOST_REQUESTS // 33
    assert len(list_events(scene)) == MOST_EVENT_PAGES
    assert len(paged) <= MOST_REQUESTS + MOST_EVENT_PAGES + 40, "40 are the list itself"


@pytest.mark.parametrize("path", ["/api/v1/events", LEASES])
async def test_what_is_refused_is_said_and_the_rest_goes_on(
    scene: Scene, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await go_through_an_outage(scene)
    scene.cluster.restart()
    get = scene.cluster.get

    async def refuse(of: str, query: Json | None = None) -> Json:
        if of == path:
            raise ApiError(403, "Forbidden", "no")
        return await get(of, query)

    monkeypatch.setattr(scene.cluster, "get", refuse)
    async with scene.recording() as recorder:
        await scene.wait(30)
        assert recorder.is_synced
        assert Evidence.LISTED_IN_PAST in scene.check("gone").evidence


async def test_what_answers_without_regard_to_versions_is_not_believed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await go_through_an_outage(scene)
    scene.cluster.restart()
    get = scene.cluster.get

    async def answer_now(of: str, query: Json | None = None) -> Json:
        now = {key: value for key, value in (query or {}).items() if not key.startswith("resourceVersion")}
        return await get(of, now)

    monkeypatch.setattr(scene.cluster, "get", answer_now)
    async with scene.recording():
        await scene.wait(30)
        assert Evidence.LISTED_IN_PAST not in scene.check("gone").evidence


async def test_an_api_server_for_which_lists_are_hard_work_is_left_half_of_its_time(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    await go_through_an_outage(scene)
    scene.cluster.restart()
    get = scene.cluster.get

    async def work(of: str, query: Json | None = None) -> Json:
        if is_exact(query or {}) and of == "/api/v1/pods":
            await sleep(scene.clock, 5)
        return await get(of, query)

    monkeypatch.setattr(scene.cluster, "get", work)
    async with scene.recording():
        await scene.wait(PAST_SECONDS + 10)
        scene.check("gone")
    assert 3 <= len(list_exact(scene)) <= PAST_SECONDS / 10 + 1
    assert list_events(scene), "they have their own time"


async def test_a_store_that_is_away_meanwhile_loses_nothing_of_what_was_learnt(scene: Scene) -> None:
    await go_through_an_outage(scene)
    scene.cluster.restart()
    async with scene.recording():
        await scene.wait(4)
        scene.store.is_away = True
        await scene.wait(30)
        asked = len(list_exact(scene))
        scene.store.is_away = False
        await scene.wait(20)
        scene.check("short")
    assert asked == len(list_exact(scene)) > 0
