"""What an outage that the watch can't make up for leaves to be learnt: from lists of the past, and from Events."""

import random

import pytest

from monopod.kube.client.api import ApiError, Json
from monopod.ledger.recorder.recovery import MOST_EVENT_PAGES, MOST_REQUESTS, PEER_LAG_SECONDS
from monopod.usage.rules.bill import Terms, compute_bill
from monopod.usage.rules.lifetime import Evidence, Interval, Watched
from tests.unit.ledger.recorder.scene import Scene

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
STAMP_MS = 3200  # how far stamps are cut, a write may take, and the fake cluster's network


@pytest.fixture
def scene() -> Scene:
    scene = Scene()
    scene.cluster.renew_lease("n1")
    return scene


async def live(scene: Scene, seconds: int, busy: int = 0) -> None:
    """Time passes, and the node renews its Lease; something else is written, too."""
    for _ in range(seconds // 10):
        for _ in range(busy):
            scene.cluster.write_something_else()
        scene.cluster.renew_lease("n1")
        await scene.wait(10)


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
    assert 0 < len(list_exact(scene)) <= MOST_REQUESTS // 32
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
        assert (Evidence.LISTED_IN_PAST in scene.check("gone").evidence) == (path != LEASES)


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


def make_web(scene: Scene, number: int, suffix: str) -> None:
    scene.cluster.create_pod(f"web-{number}", f"web-7d4b9-{suffix}", "ReplicaSet/web-7d4b9")


def begin(scene: Scene, uid: str) -> None:
    scene.cluster.report(uid, "Scheduled", f"Successfully assigned web/{uid} to n7")
    scene.cluster.report(uid, "Pulling")


async def test_a_pod_that_only_events_tell_of_is_billed_as_those_before_and_after_it(scene: Scene) -> None:
    make_web(scene, 0, "bcdfg")
    async with scene.recording():
        await scene.wait(20)
    await live(scene, 100)
    make_web(scene, 1, "hjklm")
    begin(scene, "web-1")
    await live(scene, 80)
    scene.cluster.report("web-1", "Killing")
    await scene.wait(2)
    scene.cluster.delete_pod("web-1")
    make_web(scene, 2, "npqrs")
    await live(scene, 100)
    scene.cluster.compact()
    async with scene.recording():
        await scene.wait(20)
        lifetime = scene.check("web-1")
    truth = scene.cluster.truth["web-1"]
    assert lifetime.evidence == {"ScheduledEvent", "PullingEvent", "KillingEvent", "InferredFromSiblings", "ListedGone"}
    about = lifetime.description
    assert (about.cpu_millis, about.memory_mib, about.node, about.name) == (250, 512, "n7", "web-7d4b9-hjklm")
    bill = compute_bill(lifetime, Terms(), truth.deleted or 0)
    assert bill is not None
    assert bill.seconds in {80, 81}


async def test_a_pod_of_which_nothing_else_is_known_is_not_made_up(scene: Scene) -> None:
    make_web(scene, 0, "bcdfg")
    async with scene.recording():
        await scene.wait(20)
    await live(scene, 50)
    make_web(scene, 1, "hjklm")
    begin(scene, "web-1")
    await live(scene, 50)
    scene.cluster.delete_pod("web-1")
    await live(scene, 50)
    scene.cluster.compact()
    async with scene.recording():
        await scene.wait(20)
    assert "web-1" not in scene.store.lifetimes, "no pod was made after it: its template may have been another"


async def test_a_pod_of_whose_events_some_could_not_be_read_is_not_counted(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monopod.ledger.recorder.recovery.MOST_EVENT_PAGES", 1)
    make_web(scene, 0, "bcdfg")
    async with scene.recording():
        await scene.wait(20)
    await live(scene, 50)
    for number, suffix in ((1, "hjklm"), (2, "npqrs")):
        make_web(scene, number, suffix)
        begin(scene, f"web-{number}")
    await live(scene, 50)
    for number in (1, 2):
        scene.cluster.report(f"web-{number}", "Killing")
        scene.cluster.delete_pod(f"web-{number}")
    make_web(scene, 3, "ttttt")
    await live(scene, 20)
    scene.cluster.events.sort(key=lambda event: str(event["involvedObject"]["uid"]))
    scene.cluster.compact()
    scene.cluster.page_size = 5
    async with scene.recording():
        await scene.wait(20)
        assert Evidence.KILLING_EVENT in scene.check("web-1").evidence
    assert "web-2" not in scene.store.lifetimes


async def test_an_end_in_the_gap_is_no_earlier_than_its_last_event(scene: Scene) -> None:
    scene.cluster.create_pod("x")
    async with scene.recording():
        await scene.wait(20)
    await live(scene, 60)
    scene.cluster.report("x", "Pulling")
    await live(scene, 120)
    scene.cluster.report("x", "Killing")
    killed = round(scene.clock.now().timestamp()) * 1000
    await scene.wait(3)
    scene.cluster.delete_pod("x")
    await live(scene, 120)
    scene.cluster.compact()
    async with scene.recording():
        await scene.wait(20)
        lifetime = scene.check("x")
    assert scene.end_of("x").earliest == killed
    assert {Evidence.KILLING_EVENT, Evidence.PULLING_EVENT} < lifetime.evidence
    assert lifetime.start == killed - 120_000


async def test_the_next_pod_of_a_stateful_set_shows_when_the_one_before_was_gone(scene: Scene) -> None:
    scene.cluster.create_pod("one", "db-0", "StatefulSet/db")
    async with scene.recording():
        await scene.wait(20)
    await live(scene, 60)
    scene.cluster.delete_pod("one")
    scene.cluster.create_pod("two", "db-0", "StatefulSet/db")
    await live(scene, 300)
    scene.cluster.compact()
    async with scene.recording():
        await scene.wait(20)
        lifetime = scene.check("one")
        assert scene.check("two").is_open
    assert Evidence.NAME_REUSED in lifetime.evidence
    assert scene.end_of("one").latest - scene.cluster.truth["one"].created < 100_000


@pytest.mark.parametrize("seed", range(16))
async def test_whatever_is_learnt_the_truth_is_inside(scene: Scene, seed: int) -> None:
    """Pods come and go in an outage, some report so, and the API server has forgotten more or less of it."""
    chance = random.Random(seed)
    made = 0

    def happen() -> None:
        nonlocal made
        pods = sorted(scene.cluster.pods)
        match chance.randrange(6):
            case 0 | 1:
                made += 1
                suffix = "".join(chance.choices("bcdfghjklmnpqrstvwxz2456789", k=5))
                scene.cluster.create_pod(f"pod-{made}", f"web-7d4b9-{suffix}", "ReplicaSet/web-7d4b9")
                if chance.random() < 0.7:
                    begin(scene, f"pod-{made}")
            case 2 | 3 if pods:
                uid = chance.choice(pods)
                if chance.random() < 0.5:
                    scene.cluster.report(uid, "Killing")
                scene.cluster.delete_pod(uid)
            case 4 if pods:
                scene.cluster.start_pod(chance.choice(pods))
            case _:
                scene.cluster.write_something_else()

    async def pass_turns(turns: int) -> None:
        for _ in range(turns):
            happen()
            if chance.random() < 0.5:
                scene.cluster.renew_lease(f"n{chance.randrange(3)}")
            await scene.wait(chance.choice([0.5, 3, 12]))

    async with scene.recording():
        await pass_turns(6)
        await scene.wait(1.5)
    await pass_turns(chance.choice([10, 40]))
    if chance.random() < 0.5:
        scene.cluster.compact()
        await pass_turns(10)
    scene.cluster.restart()
    async with scene.recording():
        await pass_turns(5)
        await scene.wait(30)
        for uid in scene.store.lifetimes:
            if uid in scene.cluster.truth:
                check_within_stamps(scene, uid)


def check_within_stamps(scene: Scene, uid: str) -> None:
    """A pod that only an Event tells of is no older than its Event, and Events are cut to whole seconds."""
    lifetime, truth = scene.store.lifetimes[uid], scene.cluster.truth[uid]
    assert truth.created - 1000 < lifetime.created
    if truth.deleted is None:
        assert lifetime.is_open
        return
    assert lifetime.end is not None
    assert lifetime.end.earliest - 200 <= truth.deleted <= lifetime.end.latest, (uid, truth, lifetime)
