"""No order of events loses a pod that is moved, or creates it twice: all of them are tried on a model.

The world is what the API server has. A step is decided on one state of it and written to a later one, as two operators
may do, or one that is killed and another.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from monopod.api.stored_pod import Phase
from monopod.bare_pods.rules.steps import (
    Absent,
    AskForEviction,
    Drop,
    Foreign,
    ObservedPod,
    Original,
    Record,
    Recreate,
    Recreated,
    Stay,
    Step,
    StoredPod,
    decide_step,
)
from tests.unit.builders import a_pod

MANIFEST = a_pod("toolbox").in_namespace("prod").build()
STORED = StoredPod("prod", "toolbox", "s", "1", "web", "old", MANIFEST)


@dataclass(frozen=True)
class World:
    """What exists.

    Attributes:
        pod: what has the name; "" for nothing. `leaving` is the original while it is being evicted, `told` a new one
            that failed before it ran, once that is on record.
        phase: of the stored pod; None: there is none.
        recorded: whether the new pod is on record.
        message: of the stored pod.
        version: of the stored pod.
        asked: whether an eviction is under way, that is, will be granted or not at any time.
        owner_deleted: whether the owner has deleted the pod, in whichever form.
        created: how often the pod was created again.
    """

    pod: str = "original"
    phase: Phase | None = "Stored"
    recorded: bool = False
    message: str = ""
    version: int = 1
    asked: bool = False
    owner_deleted: bool = False
    created: int = 0


SIGHTS: dict[str, ObservedPod] = {
    "": Absent(),
    "original": Original(MANIFEST),
    "leaving": Original(MANIFEST, terminating=True, disrupted=True),
    "ending": Original(MANIFEST, terminating=True),
    "pending": Recreated("new", started=False),
    "new": Recreated("new", started=True),
    "failed": Recreated("new", started=False, fault="OutOfcpu"),
    "told": Recreated("new", started=False, fault="OutOfcpu"),
    "foreign": Foreign("other"),
}


@dataclass(frozen=True)
class Plan:
    """A step that an operator has decided on and not written yet, for a version of the stored pod."""

    step: Step
    version: int


State = tuple[World, tuple[Plan | None, ...]]
"""The world, and what each operator is about to write."""


def decide_in(world: World, wanted: bool, pending: tuple[Plan | None, ...] = ()) -> Plan | None:
    """The next plan; that an eviction under way comes before a withdrawn pod has settled is the one thing assumed."""
    if world.phase is None:
        return None
    under_way = world.asked or any(plan and isinstance(plan.step, AskForEviction) for plan in pending)
    uid = "new" if world.recorded else ""
    stored = replace(STORED, phase=world.phase, message=world.message, recreated_uid=uid)
    step = decide_step(stored, SIGHTS[world.pod], wanted=wanted, settled=not under_way)
    return None if step == Stay() else Plan(step, world.version)


def write(world: World, plan: Plan) -> World:
    """What the API server makes of a step; writes on the stored pod hold for their version only."""
    match plan.step:
        case Recreate():
            return replace(world, pod="pending", created=world.created + 1) if world.pod == "" else world
        case AskForEviction():
            return replace(world, asked=True) if world.pod == "original" else world
        case _ if world.phase is None or plan.version != world.version:
            return world
        case Record(phase, message, uid):
            pod = "told" if message and world.pod == "failed" else world.pod
            changed = replace(world, pod=pod, phase=phase, recorded=bool(uid), message=message)
            return replace(changed, version=world.version + 1)
        case Drop():
            return replace(world, phase=None)
        case _:
            return world


def happen(world: World) -> Iterator[World]:
    """What others do: the API server, a kubelet, the pod's owner."""
    if world.asked and world.pod == "original":
        yield replace(world, pod="leaving", asked=False)
        yield replace(world, asked=False)
    if world.pod in ("leaving", "ending"):
        yield replace(world, pod="")
    if world.pod == "pending":
        yield replace(world, pod="new")
        yield replace(world, pod="failed")
    if world.pod in ("failed", "told"):
        # Unless it is on record that it failed it counts as deleted by its owner. In any case it was no double.
        owner_deleted = world.owner_deleted or world.pod != "told"
        yield replace(world, pod="", owner_deleted=owner_deleted, created=world.created - 1)
    if world.pod in ("", "foreign"):
        yield replace(world, pod="" if world.pod else "foreign")
    if world.pod in ("original", "pending", "new"):
        yield replace(world, pod="ending" if world.pod == "original" else "", owner_deleted=True)


def explore(operators: int) -> set[State]:
    """Every state that can be reached. A plan that is forgotten is an operator that was killed before it wrote."""
    start: State = (World(), (None,) * operators)
    found, open_states = {start}, [start]
    while open_states:
        world, plans = open_states.pop()
        after: list[State] = [(changed, plans) for changed in happen(world)]
        for number, wanted in itertools.product(range(operators), (True, False)):
            others = plans[:number], plans[number + 1 :]
            plan = plans[number]
            if plan is None:
                if plan := decide_in(world, wanted, plans):
                    after.append((world, (*others[0], plan, *others[1])))
            else:
                after.append((world, (*others[0], None, *others[1])))
                after.append((write(world, plan), (*others[0], None, *others[1])))
        fresh = [state for state in after if state not in found and state[0].version < 8 and state[0].created < 3]
        found.update(fresh)
        open_states += fresh
    return found


@pytest.mark.parametrize("operators", [1, 2])
@pytest.mark.timeout(120)  # a hundred thousand states
def test_operators_killed_at_any_moment_neither_lose_a_pod_nor_create_it_twice(operators: int) -> None:
    worlds = {world for world, _ in explore(operators)}
    lost = [w for w in worlds if w.pod in ("", "foreign") and w.phase is None and not w.owner_deleted]
    twice = [w for w in worlds if w.created > 1 and not w.owner_deleted]
    assert (lost, twice) == ([], [])
    assert any(w.pod == "new" and w.phase is None for w in worlds)


GOING_ON = ("leaving", "", "new")
"""What comes of a pod by itself, without its owner or a stranger."""


def test_nothing_is_left_half_done() -> None:
    """From every state that one operator can reach it comes to an end by itself, whatever is wanted."""
    for (world, _), wanted in itertools.product(explore(1), (True, False)):
        state = world
        for _ in range(20):
            plan = decide_in(state, wanted)
            moved = write(state, plan) if plan else state
            state = next((after for after in happen(moved) if after.pod in GOING_ON), moved)
        assert state.phase in (None, "NameTaken"), (world, state, wanted)
