"""Whose turn it is among the pods that a round lets go."""

from dataclasses import replace

from monopod.patching.rules.settings import PatchingSettings
from monopod.patching.rules.sight import SeenPod, Sight
from monopod.patching.rules.turns import (
    Evidence,
    compute_turns,
    describe_late,
    find_short,
    is_proven,
    select_settled,
)
from tests.unit.patching.rules.sights import seen, sight

SETTINGS = PatchingSettings("web", max_unavailable=2)
NOTHING = Evidence({})


def names(found: Sight, evidence: Evidence = NOTHING, *, proven: bool = True) -> list[str]:
    turns = compute_turns(found.stale, found, SETTINGS, evidence, is_proven=proven)
    return [pod.candidate.name for pod in turns.now]


def four(**more: SeenPod) -> list[SeenPod]:
    return [more.get(name) or seen(name) for name in ("a", "b", "c", "d")]


def test_of_a_workload_no_more_go_than_may_be_unavailable() -> None:
    assert names(sight(*four())) == ["a", "b"]
    assert names(sight(*four(a=seen("a", terminating=True)), web=4)) == ["b"]
    assert names(sight(*four(), seen("new", stale=False, ready=False), web=5)) == ["a"]
    assert names(sight(*four(), web=6)) == [], "two are missing already"


def test_each_workload_counts_by_itself() -> None:
    assert names(sight(*four(), seen("x", "db"), seen("y", "db"), seen("z", "db"))) == ["a", "b", "x", "y"]


def test_pods_that_serve_no_one_need_not_wait() -> None:
    found = sight(*four(b=seen("b", ready=False), c=seen("c", ready=False)))
    assert names(found) == ["b", "c"]


def test_pods_that_were_refused_let_others_of_their_workload_go_first() -> None:
    assert names(sight(*four()), Evidence({}, refused={"a", "b"})) == ["c", "d"]
    assert names(sight(*four()), Evidence({}, refused={"a", "b", "c"})) == ["a", "d"]


def test_a_workload_that_does_not_tell_how_many_it_should_have_has_as_many_as_it_had() -> None:
    found = sight(*four(), web=None)
    assert names(found, Evidence({"web": 5})) == ["a"]
    assert names(found) == ["a", "b"]


def test_bare_pods_that_are_gone_for_the_moment_count() -> None:
    pods = [replace(pod, workload="bare") for pod in four()]
    assert names(sight(*pods, bare=None)) == ["a", "b"]
    assert names(sight(*pods, bare=None), Evidence({}, missing={"prod/gone", "other/gone", "prod/a"})) == ["a"]


def test_the_first_pod_goes_alone_until_one_is_ready_in_a_new_sandbox() -> None:
    assert names(sight(*four(), seen("x", "db")), proven=False) == ["a"]
    assert names(sight(*four(a=seen("a", ready=False)), seen("x", "db")), proven=False) == ["x"], "one that is whole"
    for under_way in (seen("y", "db", terminating=True), seen("y", "db", stale=False, ready=False)):
        found = sight(*four(), seen("x", "db"), under_way, db=2)
        turns = compute_turns(found.stale, found, SETTINGS, NOTHING, is_proven=False)
        assert turns.now == ()
        assert "Deployment prod/db goes first" in turns.waiting_for


def test_what_proves_a_patch_is_a_ready_pod_from_after_it() -> None:
    assert not is_proven(sight(*four()), has_patch=True)
    assert not is_proven(sight(*four(), seen("n", stale=False, ready=False)), has_patch=True)
    assert is_proven(sight(*four(), seen("n", stale=False)), has_patch=True)
    assert is_proven(sight(*four()), has_patch=False)


def test_a_workload_that_lacks_pods_for_too_long_is_named() -> None:
    found = sight(*four(), web=6)
    short = find_short(found, SETTINGS, NOTHING)
    assert short == {"web": "2 of 6 pods of Deployment prod/web aren't Ready"}
    assert describe_late(short, set(), found) == ()
    (obstacle,) = describe_late(short, {"web"}, found)
    assert obstacle.pods == ("prod/a", "prod/b", "prod/c", "prod/d")
    assert find_short(sight(*four()), SETTINGS, NOTHING) == {}


def test_a_refusal_counts_where_nothing_is_on_its_way_or_after_long() -> None:
    words = {"a": "no", "gone": "no"}
    assert select_settled(words, sight(*four()), NOTHING, ()) == {"a": "no"}
    lacking = sight(*four(b=seen("b", ready=False)))
    assert select_settled(words, lacking, NOTHING, ()) == {}
    assert select_settled(words, lacking, NOTHING, {"web"}) == {"a": "no"}
