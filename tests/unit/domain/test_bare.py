"""What is decided about a stored pod, and that no order of events loses a pod or runs it twice."""

import datetime
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, get_args

import pytest

from monopod.api.names import RECREATED_ANNOTATION
from monopod.api.stored_pod import Phase
from monopod.domain.bare import (
    Absent,
    AskForEviction,
    BarePod,
    Drop,
    Foreign,
    Original,
    Record,
    Recreate,
    Recreated,
    Renew,
    Sight,
    Stay,
    Step,
    StoredPod,
    build_recreated,
    build_stored,
    build_trial,
    decide_step,
    look,
)
from tests.unit.builders import a_pod

Manifest = dict[str, Any]

NOW = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)
MANIFEST = a_pod("toolbox").in_namespace("prod").build()
PHASES: tuple[Phase, ...] = get_args(Phase)


def a_stored_pod(phase: Phase = "Stored", **fields: Any) -> StoredPod:
    return StoredPod("prod", "toolbox", "s", "1", "web", "old", MANIFEST, phase, **fields)


def a_live_pod(uid: str = "old", phase: str = "Running", **metadata: Any) -> Manifest:
    pod = a_pod("toolbox").in_namespace("prod").build()
    pod["metadata"] |= {"uid": uid, "creationTimestamp": "2026-01-01T00:00:00Z", **metadata}
    return {**pod, "status": {"phase": phase, "conditions": []}}


def decide(stored: StoredPod, sight: Sight, *, wanted: bool | None = True) -> Step:
    return decide_step(stored, sight, NOW, wanted=wanted)


RUNS = Original(MANIFEST)


def test_a_pod_is_evicted_only_once_that_is_on_record() -> None:
    assert decide(a_stored_pod("Stored"), RUNS) == Record("Evicting")
    step = decide(a_stored_pod("Evicting"), RUNS)
    assert isinstance(step, AskForEviction)
    assert (step.pod.name, step.pod.uid) == ("toolbox", "old")


def test_nothing_is_done_to_a_pod_before_it_is_known_what_is_wanted() -> None:
    assert {decide(a_stored_pod(phase), RUNS, wanted=None) for phase in PHASES} == {Stay()}


@pytest.mark.parametrize("phase", ["Evicting", "Withdrawn", "Recreating", "Refused"])
def test_a_pod_that_is_gone_after_its_eviction_was_on_record_is_created_again(phase: Phase) -> None:
    for wanted in (True, False, None):
        assert decide(a_stored_pod(phase), Absent(), wanted=wanted) == Recreate()


@pytest.mark.parametrize("sight", [Absent(), Foreign("other"), Original(MANIFEST, terminating=True)], ids=str)
def test_a_pod_that_went_before_anyone_asked_for_its_eviction_stays_gone(sight: Sight) -> None:
    assert isinstance(decide(a_stored_pod("Stored"), sight), Drop)


@pytest.mark.parametrize("phase", ["Evicting", "Withdrawn"])
def test_a_pod_that_its_owner_deletes_stays_gone_and_an_evicted_one_is_waited_for(phase: Phase) -> None:
    assert isinstance(decide(a_stored_pod(phase), Original(MANIFEST, terminating=True)), Drop)
    assert decide(a_stored_pod(phase), Original(MANIFEST, terminating=True, disrupted=True)) == Stay()


def test_a_manifest_follows_its_pod() -> None:
    changed = {**MANIFEST, "metadata": {**MANIFEST["metadata"], "labels": {"a": "b"}}}
    assert decide(a_stored_pod("Evicting"), Original(changed)) == Renew(changed)


def test_a_pod_that_is_not_wanted_any_more_is_let_go_of_once_no_eviction_can_be_under_way() -> None:
    assert isinstance(decide(a_stored_pod("Stored"), RUNS, wanted=False), Drop)
    assert isinstance(decide(a_stored_pod("Evicting"), RUNS, wanted=False), Record)
    recent, long_ago = "2026-01-01T11:59:16Z", "2026-01-01T11:59:15Z"
    assert decide(a_stored_pod("Withdrawn", since=recent), RUNS, wanted=False) == Stay()
    assert isinstance(decide(a_stored_pod("Withdrawn", since=long_ago), RUNS, wanted=False), Drop)
    assert decide(a_stored_pod("Withdrawn", since=long_ago), RUNS) == Record("Evicting")


def test_a_pod_that_a_controller_adopted_is_not_wanted_any_more() -> None:
    assert isinstance(decide(a_stored_pod("Stored"), replace(RUNS, controlled=True)), Drop)


def test_the_new_pod_is_put_on_record_and_the_manifest_goes_once_it_has_started() -> None:
    assert decide(a_stored_pod("Evicting"), Recreated("new", started=True)) == Record("Recreating", recreated_uid="new")
    known = a_stored_pod("Recreating", recreated_uid="new")
    assert decide(known, Recreated("new", started=False)) == Stay()
    assert isinstance(decide(known, Recreated("new", started=True)), Drop)


@pytest.mark.parametrize("sight", [Absent(), Foreign("other")], ids=str)
def test_a_new_pod_that_its_owner_deletes_stays_gone(sight: Sight) -> None:
    assert isinstance(decide(a_stored_pod("Recreating", recreated_uid="new"), sight), Drop)


def test_a_name_that_is_taken_is_left_to_a_person_even_if_it_becomes_free() -> None:
    step = decide(a_stored_pod("Evicting"), Foreign("other"))
    assert isinstance(step, Record)
    assert step.phase == "NameTaken"
    assert "kubectl fargate restore toolbox -n prod" in step.message
    assert decide(a_stored_pod("NameTaken"), Foreign("other")) == Stay()
    assert decide(a_stored_pod("NameTaken"), Absent()) == Stay()


@pytest.mark.parametrize(
    ("pod", "sight"),
    [
        (None, Absent()),
        (a_live_pod("other"), Foreign("other")),
        (a_live_pod("new", annotations={RECREATED_ANNOTATION: "old"}), Recreated("new", started=True)),
        (a_live_pod("new", "Pending", annotations={RECREATED_ANNOTATION: "old"}), Recreated("new", started=False)),
        (a_live_pod("new", "Failed", annotations={RECREATED_ANNOTATION: "old"}), Recreated("new", started=True)),
        (a_live_pod("new", annotations={RECREATED_ANNOTATION: "older"}), Foreign("new")),
    ],
    ids=["none", "another", "created again", "not running yet", "over already", "created in another's place"],
)
def test_a_pod_is_known_by_its_uid_and_its_annotation(pod: Manifest | None, sight: Sight) -> None:
    assert look(a_stored_pod(), pod) == sight


def test_an_eviction_is_known_by_its_condition() -> None:
    pod = a_live_pod(deletionTimestamp="2026-01-01T00:01:00Z")
    assert look(a_stored_pod(), pod) == Original(MANIFEST, "2026-01-01T00:00:00Z", terminating=True)
    pod["status"]["conditions"] = [{"type": "DisruptionTarget", "status": "True"}]
    assert look(a_stored_pod(), pod) == Original(MANIFEST, "2026-01-01T00:00:00Z", terminating=True, disrupted=True)


def test_a_stored_pod_has_the_name_and_the_uid_of_its_pod_and_the_new_pod_says_in_whose_place_it_comes() -> None:
    stored = build_stored(BarePod("web", "kata", a_live_pod()))
    assert stored["metadata"] == {"name": "toolbox", "namespace": "prod"}
    assert stored["spec"] == {"profile": "web", "podUID": "old", "manifest": MANIFEST}
    new = build_recreated(a_stored_pod())
    assert new == {**MANIFEST, "metadata": {**MANIFEST["metadata"], "annotations": {RECREATED_ANNOTATION: "old"}}}


def test_a_trial_has_another_name() -> None:
    metadata = build_trial(BarePod("web", "kata", a_live_pod()))["metadata"]
    assert metadata == {"namespace": "prod", "generateName": "toolbox-"}


# All orders of events. The world is what the API server has; a step is decided on one state of it and written to a
# later one, as two operators may do, or one that is killed and another.


@dataclass(frozen=True)
class World:
    """What exists.

    Attributes:
        pod: what has the name; "" for nothing. `leaving` is the original while it is being evicted.
        phase: of the stored pod; None: there is none.
        recorded: whether the new pod is on record.
        version: of the stored pod.
        asked: whether an eviction is under way, that is, will be granted or not at any time.
        owner_deleted: whether the owner has deleted the pod, in whichever form.
        created: how often the pod was created again.
    """

    pod: str = "original"
    phase: Phase | None = "Stored"
    recorded: bool = False
    version: int = 1
    asked: bool = False
    owner_deleted: bool = False
    created: int = 0


SIGHTS: dict[str, Sight] = {
    "": Absent(),
    "original": RUNS,
    "leaving": Original(MANIFEST, terminating=True, disrupted=True),
    "ending": Original(MANIFEST, terminating=True),
    "pending": Recreated("new", started=False),
    "new": Recreated("new", started=True),
    "foreign": Foreign("other"),
}


@dataclass(frozen=True)
class Plan:
    """A step that an operator has decided on and not written yet, for a version of the stored pod."""

    step: Step
    version: int


def decide_in(world: World, wanted: bool, pending: tuple[Plan | None, ...] = ()) -> Plan | None:
    """The next plan; that an eviction under way comes before a withdrawn pod has settled is the one thing assumed."""
    if world.phase is None:
        return None
    under_way = world.asked or any(plan and isinstance(plan.step, AskForEviction) for plan in pending)
    since = "2026-01-01T12:00:00Z" if under_way else "2026-01-01T00:00:00Z"
    stored = a_stored_pod(world.phase, since=since, recreated_uid="new" if world.recorded else "")
    step = decide_step(stored, SIGHTS[world.pod], NOW, wanted=wanted)
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
        case Record(phase=phase, recreated_uid=uid):
            return replace(world, phase=phase, recorded=world.recorded or bool(uid), version=world.version + 1)
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
    if world.pod in ("original", "pending", "new"):
        yield replace(world, pod="ending" if world.pod == "original" else "", owner_deleted=True)


def explore(operators: int) -> set[tuple[World, tuple[Plan | None, ...]]]:
    """Every state that can be reached. A plan that is forgotten is an operator that was killed before it wrote."""
    start = (World(), (None,) * operators)
    found, open_states = {start}, [start]
    while open_states:
        world, plans = open_states.pop()
        after: list[tuple[World, tuple[Plan | None, ...]]] = [(changed, plans) for changed in happen(world)]
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
@pytest.mark.timeout(20)  # a hundred thousand states
def test_operators_killed_at_any_moment_neither_lose_a_pod_nor_create_it_twice(operators: int) -> None:
    worlds = {world for world, _ in explore(operators)}
    lost = [w for w in worlds if w.pod == "" and w.phase is None and not w.owner_deleted]
    twice = [w for w in worlds if w.created > 1 and not w.owner_deleted]
    assert (lost, twice) == ([], [])
    assert any(w.pod == "new" and w.phase is None for w in worlds)


def test_nothing_is_left_half_done() -> None:
    """From every state that one operator can reach it comes to an end by itself, whatever is wanted."""
    for (world, _), wanted in itertools.product(explore(1), (True, False)):
        state = world
        for _ in range(20):
            plan = decide_in(state, wanted)
            moved = write(state, plan) if plan else state
            state = next((after for after in happen(moved) if not after.owner_deleted or world.owner_deleted), moved)
        assert state.phase is None, (world, state, wanted)
