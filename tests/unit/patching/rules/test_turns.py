"""Whose turn it is among the pods that a round lets go."""

from dataclasses import replace

from monopod.patching.rules.scan import PodState, ProfileScan
from monopod.patching.rules.settings import PatchingSettings
from monopod.patching.rules.turns import (
    Evidence,
    compute_turns,
    describe_late,
    describe_overtaken,
    find_short,
    follow_evictions,
    is_proven,
    select_settled,
)
from tests.unit.patching.rules.scans import scan, seen

SETTINGS = PatchingSettings("web", max_unavailable=2)
NOTHING = Evidence({})


def names(found: ProfileScan, evidence: Evidence = NOTHING, *, proven: bool = True) -> list[str]:
    turns = compute_turns(found.stale, found, SETTINGS, evidence, is_proven=proven)
    return [pod.candidate.name for pod in turns.now]


def four(**more: PodState) -> list[PodState]:
    return [more.get(name) or seen(name) for name in ("a", "b", "c", "d")]


def test_of_a_workload_no_more_go_than_may_be_unavailable() -> None:
    assert names(scan(*four())) == ["a", "b"]
    assert names(scan(*four(a=seen("a", terminating=True)), web=4)) == ["b"]
    assert names(scan(*four(), seen("new", stale=False, ready=False), web=5)) == ["a"]
    assert names(scan(*four(), web=6)) == [], "two are missing already"


def test_each_workload_counts_by_itself() -> None:
    assert names(scan(*four(), seen("x", "db"), seen("y", "db"), seen("z", "db"))) == ["a", "b", "x", "y"]


def test_pods_that_serve_no_one_need_not_wait() -> None:
    found = scan(*four(b=seen("b", ready=False), c=seen("c", ready=False)))
    assert names(found) == ["b", "c"]


def test_pods_that_were_refused_let_others_of_their_workload_go_first() -> None:
    assert names(scan(*four()), Evidence({}, refused={"a", "b"})) == ["c", "d"]
    assert names(scan(*four()), Evidence({}, refused={"a", "b", "c"})) == ["a", "d"]


def test_a_workload_that_does_not_tell_how_many_it_should_have_has_as_many_as_it_had() -> None:
    found = scan(*four(), web=None)
    assert names(found, Evidence({"web": 5})) == ["a"]
    assert names(found) == ["a", "b"]


def test_bare_pods_that_are_gone_for_the_moment_count() -> None:
    pods = [replace(pod, workload="bare") for pod in four()]
    assert names(scan(*pods, bare=None)) == ["a", "b"]
    assert names(scan(*pods, bare=None), Evidence({}, missing={"prod/gone", "other/gone", "prod/a"})) == ["a"]


def test_the_first_pod_goes_alone_until_one_is_ready_in_a_new_sandbox() -> None:
    assert names(scan(*four(), seen("x", "db")), proven=False) == ["a"]
    assert names(scan(*four(a=seen("a", ready=False)), seen("x", "db")), proven=False) == ["x"], "one that is whole"
    for under_way in (seen("y", "db", terminating=True), seen("y", "db", stale=False, ready=False)):
        found = scan(*four(), seen("x", "db"), under_way, db=2)
        turns = compute_turns(found.stale, found, SETTINGS, NOTHING, is_proven=False)
        assert turns.now == ()
        assert "Deployment prod/db goes first" in turns.waiting_for


def test_pods_that_never_become_ready_hold_up_their_own_workload_alone_after_a_while() -> None:
    crashing = seen("y", "db", stale=False, ready=False)
    found = scan(*four(), seen("x", "db"), crashing, db=2)
    assert names(found, proven=False) == []
    late = Evidence({}, is_overtaken=True)
    assert names(found, late, proven=False) == ["a"], "one at a time"
    only = scan(seen("x", "db"), crashing, db=2)
    assert names(only, late, proven=False) == [], "no workload loses a second"
    (obstacle,) = describe_overtaken(found)
    assert obstacle.pods == ("prod/x",), "so that it doesn't hold up the next zone"
    assert "a pod of Deployment prod/db isn't Ready in the new sandbox" in obstacle.message
    assert names(found, late) == ["a", "b", "x"], "once one has come up they have their turns"


def test_the_next_first_pod_is_of_another_namespace_if_there_is_one() -> None:
    pods = [seen("a"), seen("n", "near"), seen("z", "far"), seen("y", "db", stale=False, ready=False)]
    found = scan(*pods, db=1)
    far = replace(pods[2], candidate=replace(pods[2].candidate, namespace="other"))
    found = replace(found, pods=(*pods[:2], far, pods[3]))
    assert names(found, Evidence({}, is_overtaken=True), proven=False) == ["z"]


def test_what_proves_a_patch_is_a_ready_pod_from_after_it() -> None:
    assert not is_proven(scan(*four()), has_patch=True)
    assert not is_proven(scan(*four(), seen("n", stale=False, ready=False)), has_patch=True)
    assert is_proven(scan(*four(), seen("n", stale=False)), has_patch=True)
    assert is_proven(scan(*four()), has_patch=False)


def test_what_was_decided_without_an_eviction_lets_no_pod_go_in_place_of_the_evicted_one() -> None:
    found = scan(*four(d=seen("d", terminating=True)), web=4)
    turns = compute_turns(found.stale, found, SETTINGS, Evidence({}, refused={"a", "c"}), is_proven=True)
    assert [pod.uid for pod in turns.now] == ["b"]
    assert follow_evictions(turns, found, {"b"}, {}) == turns
    assert follow_evictions(turns, found, {"d", "unknown"}, {}) == turns, "the scan shows that"
    assert follow_evictions(turns, found, {"a"}, {}).now == (), "with b as well three of the workload would be gone"


def test_a_workload_that_lacks_pods_for_too_long_is_named() -> None:
    found = scan(*four(), web=6)
    short = find_short(found, SETTINGS, NOTHING)
    assert short == {"web": "2 of 6 pods of Deployment prod/web aren't Ready"}
    assert describe_late(short, set(), found) == ()
    (obstacle,) = describe_late(short, {"web"}, found)
    assert obstacle.pods == ("prod/a", "prod/b", "prod/c", "prod/d")
    assert find_short(scan(*four()), SETTINGS, NOTHING) == {}


def test_a_refusal_counts_where_nothing_is_on_its_way_or_after_long() -> None:
    words = {"a": "no", "gone": "no"}
    assert select_settled(words, scan(*four()), NOTHING, ()) == {"a": "no"}
    lacking = scan(*four(b=seen("b", ready=False)))
    assert select_settled(words, lacking, NOTHING, ()) == {}
    assert select_settled(words, lacking, NOTHING, {"web"}) == {"a": "no"}
    both = scan(*four(), seen("x", "db", ready=False))
    assert select_settled(words, both, NOTHING, ()) == {}, "a budget may select the pods of both"
    away = replace(both, workloads={**both.workloads, "db": replace(both.workloads["db"], namespace="other")})
    assert select_settled(words, away, NOTHING, ()) == {"a": "no"}
