"""What Events and successors tell after an outage, and that the truth is inside whatever is learnt."""

import random

import pytest

from monopod.usage.rules.bill import Terms, compute_bill
from monopod.usage.rules.lifetime import Evidence
from tests.unit.ledger.recorder.scene import Scene, live


@pytest.fixture
def scene() -> Scene:
    return Scene()


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
