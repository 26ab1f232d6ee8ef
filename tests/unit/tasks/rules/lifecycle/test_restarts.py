"""An operator that is killed at any step, or comes back late: nothing is lost, and nothing starts twice."""

import random
from copy import deepcopy
from typing import Any

import pytest

from monopod.api.ecs.task_status import ECSTaskStatus
from monopod.tasks.rules.lifecycle.states import DEPROVISIONING, PENDING, PROVISIONING, RUNNING, STOPPED
from monopod.tasks.rules.lifecycle.steps import Create, Record, Wait
from tests.unit.tasks.made import Maker, make_all
from tests.unit.tasks.rules.lifecycle.world import Fate, World, a_task

ORDER = [PROVISIONING, PENDING, RUNNING, DEPROVISIONING, STOPPED]
CONTAINER_ORDER = [PENDING, RUNNING, STOPPED]
UNSEEN = frozenset(
    {
        "healthStatus",  # which nobody sees who isn't there
        *("createdAt", "pullStartedAt", "pullStoppedAt", "startedAt", "stoppingAt", "executionStoppedAt", "stoppedAt"),
        *("connectivityAt", "lastStartedAt"),
    }
)
SECONDS = 60
DEFINITIONS = make_all(range(100))


def make_world(seed: int) -> World:
    """A task of any definition, whose containers fare differently; it is stopped or its pod deleted at some time."""
    maker = Maker(seed)
    world = World(DEFINITIONS[seed], task=a_task(enableExecuteCommand=bool(seed % 2)))
    for member in world.members:
        lasting = None if maker.random.random() < 0.4 and not member.is_awaited else maker.random.randrange(1, 30)
        code = maker.random.choice([0, 0, 1, 137])
        waits = ("ErrImagePull", "code = NotFound") if maker.random.random() < 0.05 else ("", "")
        world.fates[member.name] = Fate(lasting, code, waits=waits)
    return world


def without_unseen(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_unseen(each) for key, each in value.items() if key not in UNSEEN}
    return [without_unseen(each) for each in value] if isinstance(value, list) else value


def live(world: World, stopped_at: int, deleted_at: int, chance: random.Random | None) -> None:
    """With `chance` the operator is killed after any step, and away for some seconds."""
    away = 0
    for second in range(SECONDS):
        if second == stopped_at:
            world.stop(reason="enough")
        if second == deleted_at:
            world.delete_pod()
        if chance is None:
            world.operate()
        elif away:
            away -= 1
        else:
            world.operate(chance.randrange(4))
            away = chance.choice([0, 0, 0, 1, 7])
        world.tick()
    world.operate()


def check(world: World) -> None:
    """What holds of every task at every time."""
    assert len(set(world.released)) <= 1
    assert len(world.released) <= 1
    for before, after in zip(world.statuses, world.statuses[1:], strict=False):
        places = [ORDER.index(each["lastStatus"]) for each in (before, after)]
        assert places == sorted(places)
        moved = (before["lastStatus"], before["desiredStatus"]) != (after["lastStatus"], after["desiredStatus"])
        assert after["version"] == before["version"] + moved
        assert not (before["desiredStatus"] == STOPPED and after["desiredStatus"] == RUNNING)
        for key in before.keys() - {"version", "lastStatus", "desiredStatus", "healthStatus", "attachments", "pod"}:
            if key != "containers":
                assert after[key] == before[key], key
        for old, new in zip(before["containers"], after["containers"], strict=True):
            ways = [CONTAINER_ORDER.index(each["lastStatus"]) for each in (old, new)]
            assert ways == sorted(ways)
            assert {key: new.get(key) for key in ("exitCode", "reason") if key in old} == {
                key: old[key] for key in ("exitCode", "reason") if key in old
            }
    for each in world.statuses:
        ECSTaskStatus.model_validate(each)
    last = world.status
    order = ["createdAt", "pullStartedAt", "pullStoppedAt", "startedAt", "executionStoppedAt", "stoppedAt"]
    told = [last[key] for key in order if key in last]
    assert told == sorted(told)


@pytest.mark.parametrize("seed", range(40))
def test_states_only_go_forward_and_versions_count_them(seed: int) -> None:
    chance = random.Random(seed)
    world = make_world(seed)
    live(world, chance.randrange(2 * SECONDS), chance.randrange(3 * SECONDS), chance)
    check(world)


@pytest.mark.parametrize("seed", range(40))
def test_a_killed_operator_comes_to_the_same_end(seed: int) -> None:
    steady, killed = make_world(seed), make_world(seed)
    for world, chance in ((steady, None), (killed, random.Random(seed))):
        live(world, SECONDS - 15, -1, chance)
        for _ in range(60):
            world.operate()
            world.tick()
        check(world)
        assert world.status["lastStatus"] == STOPPED
    if steady.status["stopCode"] == killed.status["stopCode"] and "startedAt" in killed.status:
        compared = [
            {key: each.status.get(key) for key in ("version", "stopCode", "stoppedReason", "attachments")}
            for each in (steady, killed)
        ]
        assert without_unseen(compared[0]) == without_unseen(compared[1])


@pytest.mark.parametrize("seed", range(20))
def test_a_task_that_ends_by_itself_ends_alike_wherever_the_operator_is_killed(seed: int) -> None:
    """One container, so that nothing hangs on when the operator sees what."""
    definition = deepcopy(DEFINITIONS[seed])
    first = next(each for each in definition["containerDefinitions"] if each["essential"])
    definition["containerDefinitions"] = [{**first, "dependsOn": [], "volumesFrom": [], "restartPolicy": None}]
    chance, found = random.Random(seed), []
    fate = Fate(chance.randrange(1, 20), chance.choice([0, 1, 137]))
    for killing in (None, chance, chance):
        world = World(definition, fates={first["name"]: fate})
        live(world, -1, -1, killing)
        for _ in range(30):
            world.operate()
            world.tick()
        check(world)
        found.append(without_unseen(world.status))
    assert found[0]["version"] == 6
    assert found[0] == found[1] == found[2]


def test_a_pod_that_was_made_but_not_recorded_is_the_tasks_only_one() -> None:
    world = make_world(1)
    step = world.look()
    while not isinstance(step, Create):
        assert isinstance(step, Record)
        world.apply(step)
        step = world.look()
    world.apply(step)
    for _ in range(5):
        world.operate()
        world.tick()
    assert world.pods_made == 1
    assert world.released == ["pod-1"]


def test_nothing_is_done_about_a_stopped_task() -> None:
    world = make_world(1)
    world.stop()
    world.operate()
    assert world.status["lastStatus"] == STOPPED
    world.pod = {"metadata": {"uid": "x", "ownerReferences": [{"uid": "task-uid"}]}, "spec": {}, "status": {}}
    assert world.look() == Wait()
