"""The controller of tasks, against an API server that fails, two of them at once, and after each of its deaths."""

import copy
import datetime
import random
from typing import Any

import pytest
from pydantic import ValidationError

from monopod.api.ecs.task_status import ECSTaskStatus
from monopod.kube.client.api import ApiError, Cause
from monopod.notices.rules.notice import TaskStateChange, compute_id
from monopod.tasks import controller
from monopod.tasks.controller import LONGEST_PAUSE
from monopod.tasks.options import TaskOptions
from monopod.tasks.rules.lifecycle.states import RUNNING, STOPPED
from tests.unit.running import running, settle
from tests.unit.tasks.cluster import ClusterApi, Operator
from tests.unit.tasks.definitions import a_definition
from tests.unit.tasks.rules.lifecycle.test_restarts import check, make_world
from tests.unit.tasks.rules.lifecycle.world import TASK_ID, Fate, World

DELETED = {"deletionTimestamp": "2026-05-01T12:00:06Z", "finalizers": ["example.com/a"]}


async def live(operators: list[Operator], seconds: int) -> None:
    world = operators[0].api.world
    for _ in range(seconds):
        for operator in operators:
            operator.watch()
        await settle(100)
        world.tick()
        operators[0].api.touch_pod()
        for operator in operators:
            operator.clock.step(1)
        await settle(100)


async def run(world: World, seconds: int = 20, **options: Any) -> Operator:
    operator = Operator(ClusterApi(world), **options)
    async with running(*operator.runner.controllers):
        await live([operator], seconds)
    return operator


async def test_a_task_lives_and_ends() -> None:
    world = World(a_definition(), fates={"app": Fate(runs=4, code=2)})
    operator = await run(world)
    assert world.status["lastStatus"] == STOPPED
    assert [version for version, _, _ in world.path] == [1, 2, 3, 4, 5, 6]
    assert world.container()["exitCode"] == 2
    assert operator.api.requests.count("create pods") == 1


async def test_each_change_of_a_tasks_state_is_told_and_a_recent_one_again_by_the_next_operator() -> None:
    world = World(a_definition(), fates={"app": Fate(runs=4, code=2)})
    operator = await run(world)
    told = [notice for notice in operator.sent if isinstance(notice, TaskStateChange)]
    assert [(each.version, each.members["lastStatus"]) for each in told] == [
        (version, last) for version, last, _ in world.path
    ]
    assert told[-1].members["containers"][0]["exitCode"] == 2
    assert told[-1].cluster == "prod"
    following = Operator(operator.api)
    following.watch()
    assert [compute_id(notice) for notice in following.sent] == [compute_id(told[-1])]


async def test_a_stop_is_one_change_of_the_pod() -> None:
    world = World(a_definition())
    operator = Operator(ClusterApi(world))
    async with running(*operator.runner.controllers):
        await live([operator], 6)
        assert world.status["lastStatus"] == RUNNING
        world.stop()
        operator.api.touch_task()
        await live([operator], 8)
    assert world.status["lastStatus"] == STOPPED
    assert operator.api.requests.count("patch") == 2


async def test_a_deleted_task_that_a_finalizer_keeps_is_stopped() -> None:
    """Its pod goes when the record does, which may be never."""
    world = World(a_definition())
    operator = Operator(ClusterApi(world))
    async with running(*operator.runner.controllers):
        await live([operator], 6)
        assert world.status["lastStatus"] == RUNNING
        world.task["metadata"] |= DELETED
        operator.api.touch_task()
        await live([operator], 10)
    assert world.status["lastStatus"] == STOPPED
    assert world.status["stoppedReason"] == "The task's record was deleted."
    assert world.container()["exitCode"] == 143


async def test_a_task_that_was_deleted_before_it_began_has_no_pod() -> None:
    world = World(a_definition())
    world.task["metadata"] |= DELETED
    operator = await run(world)
    assert world.status["lastStatus"] == STOPPED
    assert "create pods" not in operator.api.requests


async def test_a_pod_that_is_deleted_leaves_its_exit_code() -> None:
    world = World(a_definition())
    operator = Operator(ClusterApi(world))
    async with running(*operator.runner.controllers):
        await live([operator], 6)
        world.delete_pod()
        await live([operator], 6)
    assert world.pod is None
    assert world.container()["exitCode"] == 143


@pytest.mark.parametrize(
    "refusal",
    [
        ApiError(403, "Forbidden", "exceeded quota"),
        ApiError(422, "Invalid", "denied by a policy", (Cause("Invalid", "not now"),)),
    ],
    ids=lambda refusal: refusal.reason,
)
async def test_what_is_refused_for_now_is_tried_again(refusal: ApiError) -> None:
    world = World(a_definition())
    operator = Operator(api := ClusterApi(world))
    api.refusals = [refusal] * 3
    async with running(*operator.runner.controllers):
        await live([operator], 15)
    assert world.status["lastStatus"] == RUNNING


async def test_what_is_refused_for_good_fails_the_task() -> None:
    world = World(a_definition())
    operator = Operator(api := ClusterApi(world))
    cause = Cause("FieldValueRequired", "Required value", "spec.containers[0].image")
    api.refusals = [ApiError(422, "Invalid", "spec.containers[0].image: Required value", (cause,))]
    async with running(*operator.runner.controllers):
        await live([operator], 3)
    assert world.status["stoppedReason"].endswith("Required value")
    assert world.status["lastStatus"] == STOPPED


INVALID = ApiError(
    422, "Invalid", "status.containers: Too long", (Cause("FieldValueTooLong", "Too long", "status.containers"),)
)


@pytest.mark.parametrize("refused", ["containers", "pod"])
async def test_a_task_whose_status_is_refused_fails_instead_of_hanging(refused: str) -> None:
    world = World(a_definition())
    operator = Operator(ClusterApi(world))
    operator.api.refuse_status = lambda status: INVALID if status.get(refused) else None
    async with running(*operator.runner.controllers):
        await live([operator], 3)
    assert world.why == (
        "TaskFailedToStart",
        "ResourceInitializationError: the API server refuses the task's status: status.containers: Too long",
    )
    assert world.status["lastStatus"] == STOPPED
    assert world.pod is None
    assert world.released == []
    ECSTaskStatus.model_validate(world.status)


async def test_a_running_task_whose_status_is_refused_says_so_and_asks_less_and_less_often() -> None:
    world = World(a_definition())
    operator = Operator(ClusterApi(world))
    async with running(*operator.runner.controllers):
        await live([operator], 6)
        operator.api.refuse_status = lambda status: INVALID
        operator.api.requests.clear()
        world.stop()
        operator.api.touch_task()
        operator.watch()
        for _ in range(60):
            await settle(10)
            operator.clock.step(5)
        asked = operator.api.requests.count("record")
        assert 10 <= asked <= 300 / LONGEST_PAUSE + 10
    assert set(operator.events) == {(TASK_ID, "StatusRefused", INVALID.message)}


async def test_a_status_that_a_policy_refuses_is_tried_again() -> None:
    world = World(a_definition())
    operator = Operator(ClusterApi(world))
    operator.api.refuse_status = lambda status: ApiError(422, "Invalid", "denied by a policy", (Cause("", "no"),))
    async with running(*operator.runner.controllers):
        await live([operator], 3)
        assert world.status == {}
        operator.api.refuse_status = lambda status: None
        await live([operator], 10)
    assert world.status["lastStatus"] == RUNNING


async def test_a_running_task_whose_status_is_refused_runs_on_until_it_is_to_stop() -> None:
    world = World(a_definition())
    operator = Operator(ClusterApi(world))
    async with running(*operator.runner.controllers):
        await live([operator], 6)
        operator.api.refuse_status = lambda status: INVALID
        operator.api.touch_task()
        world.set_state({"waiting": {"reason": "CrashLoopBackOff"}})
        await live([operator], 3)
        assert world.pod
        assert "activeDeadlineSeconds" not in world.pod["spec"]
        world.stop()
        operator.api.touch_task()
        await live([operator], 8)
        assert world.pod["spec"]["activeDeadlineSeconds"] == 1
        assert world.status["lastStatus"] == RUNNING
        operator.api.refuse_status = lambda status: None
        await live([operator], 10)
    assert world.why == ("UserInitiated", "Task stopped by user")


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("decide_step", "what is to be done can't be decided: KeyError: 'name'"),
        ("build_task_pod", "the task's pod can't be built: KeyError: 'name'"),
    ],
)
async def test_a_task_that_nobody_thought_of_fails_instead_of_hanging(
    monkeypatch: pytest.MonkeyPatch, broken: str, reason: str
) -> None:
    def fail(*args: Any) -> None:
        raise KeyError("name")

    monkeypatch.setattr(controller, broken, fail)
    world = World(a_definition())
    await run(world, 5)
    assert world.why == ("TaskFailedToStart", f"ResourceInitializationError: {reason}")
    assert world.status["lastStatus"] == STOPPED
    assert world.pods_made == 0


EFS = {"name": "data", "efsVolumeConfiguration": {"fileSystemId": "fs-1"}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("fs-1=nfs.example.com:/a", {"nfs": {"server": "nfs.example.com", "path": "/a"}}),
        ("fs-1=claim/shared", {"persistentVolumeClaim": {"claimName": "shared"}}),
    ],
)
async def test_a_file_system_is_what_the_installation_says(given: str, expected: Any) -> None:
    world = World(a_definition(volumes=[EFS]))
    await run(world, 6, ecs_file_system=(given,))
    assert world.pod
    assert world.pod["spec"]["volumes"] == [{"name": "data", **expected}]


async def test_a_file_system_that_nobody_names_fails_the_task() -> None:
    world = World(a_definition(volumes=[EFS]))
    await run(world, 6, ecs_file_system=("fs-2=claim/shared",))
    assert world.pods_made == 0
    assert world.status["stoppedReason"] == (
        "ResourceInitializationError: failed to set up EFS volumes: volumes[0].efsVolumeConfiguration.fileSystemId: "
        "nothing is known of the file system fs-1: the chart's ecs.fileSystems doesn't name it."
    )


@pytest.mark.parametrize(
    "given", ["fs-1", "fs-1=", "fs-1=server", "fs-1=claim/", "fs-1=claim/A_b", "a=b:c", "x=y:/z=w"]
)
def test_a_source_that_is_none_is_refused(given: str) -> None:
    with pytest.raises(ValidationError):
        TaskOptions(ecs_file_system=(given,))


async def test_a_task_waits_for_capacity_as_long_as_the_option_says() -> None:
    world = World(a_definition(), has_capacity=False)
    await run(world, 12, ecs_capacity_seconds=10)
    assert world.status["stoppedReason"].startswith("Capacity is unavailable")
    assert world.pod is None


async def test_a_pod_that_runs_though_nobody_recorded_it_is_evicted() -> None:
    world = World(a_definition())
    create = world._create

    def create_and_let_out(pod: dict[str, Any]) -> None:
        create(pod)
        pod["spec"] |= {"schedulingGates": [], "nodeName": "node-1"}

    world._create = create_and_let_out  # type: ignore[method-assign]  # somebody is faster than the operator
    operator = await run(world, 8)
    assert world.pod is None
    assert world.pods_made == operator.api.requests.count("create eviction") == 1
    assert world.status["lastStatus"] == STOPPED
    assert "someone else let the task's pod out" in world.why[1]


async def test_an_unadmitted_pod_isnt_replaced_in_a_rush() -> None:
    world = World(a_definition(), is_admitted=False)
    await run(world, 30)
    assert world.released == []
    assert 3 <= world.pods_made <= 8


async def test_a_record_goes_an_hour_after_its_task_has_stopped() -> None:
    world = World(a_definition(), fates={"app": Fate(runs=4)})
    operator = Operator(ClusterApi(world))
    async with running(*operator.runner.controllers):
        await live([operator], 20)
        for minutes, deleted in ((59, False), (2, True)):
            world.now += datetime.timedelta(minutes=minutes)
            operator.clock.step(31)
            await settle()
            assert ("delete" in operator.api.requests) is deleted


async def test_a_record_that_cannot_be_deleted_keeps_no_other() -> None:
    world = World(a_definition(), fates={"app": Fate(runs=4)})
    operator = Operator(ClusterApi(world))
    async with running(*operator.runner.controllers):
        await live([operator], 20)
        other = copy.deepcopy(world.task)
        other["metadata"] |= {"name": "f" * 32, "uid": "another"}
        operator.caches.ecs_tasks.observe("ADDED", other)
        operator.api.refusals = [ApiError(403, "Forbidden", "denied by a policy")] * 2
        world.now += datetime.timedelta(hours=2)
        operator.clock.step(31)
        await settle()
    assert operator.api.requests.count("delete") == 2


@pytest.mark.parametrize("seed", range(25))
async def test_two_operators_on_a_bad_line_run_one_pod(seed: int) -> None:
    """Each takes itself for the leader; each request may be lost, or its answer; now and then one is born again."""
    chance = random.Random(seed)
    world = make_world(seed)
    api = ClusterApi(world, chance)
    for life in range(4):
        operators = [Operator(api), Operator(api)]
        controllers = [each for operator in operators for each in operator.runner.controllers]
        async with running(*controllers):
            await live(operators, 12)
            if life == 2:
                world.stop()
                api.touch_task()
    api.chance = None
    operator = Operator(api)
    async with running(*operator.runner.controllers):
        await live([operator], 30)
    check(world)
    assert world.status["lastStatus"] == STOPPED
