"""The purposes of evictions share one bound, and none of them is starved."""

import itertools
from collections import Counter
from dataclasses import replace

import pytest

from monopod.eviction.rules.order import Candidate, Evict, Evicted, EvictionQueue, OverBudget
from monopod.eviction.rules.turns import PURPOSES, SHARES, TRIES, Purpose, Turns


def take(turns: Turns, ready: set[Purpose], count: int) -> list[Purpose]:
    taken = list[Purpose]()
    for _ in range(count):
        taken.append(turns.choose(ready))
        turns.note(taken[-1])
    return taken


def test_each_purpose_has_its_share_of_the_evictions() -> None:
    assert Counter(take(Turns(), set(SHARES), 7 * 20)) == {name: 20 * share for name, share in SHARES.items()}


def test_none_waits_for_longer_than_a_round() -> None:
    taken = take(Turns(), set(SHARES), 200)
    for purpose in SHARES:
        turns = [number for number, each in enumerate(taken) if each == purpose]
        assert turns[0] < len(SHARES)
        assert max(after - before for before, after in itertools.pairwise(turns)) <= sum(SHARES.values())


def test_where_all_have_had_as_much_a_move_comes_first_and_a_patch_last() -> None:
    assert take(Turns(), set(SHARES), 4) == ["rescheduling", "spot", "drill", "patching"]


def test_a_deletion_comes_before_all_others_as_its_deadline_is_computed_by_the_bound() -> None:
    assert set(take(Turns(), set(PURPOSES), 50)) == {"deletion"}


def test_what_others_had_while_a_purpose_had_nothing_to_evict_isnt_made_up_for() -> None:
    turns = Turns()
    take(turns, {"spot"}, 1000)
    assert Counter(take(turns, {"spot", "patching"}, 100)) == {"spot": 50, "patching": 50}


def test_budgets_that_refuse_more_pods_than_can_be_tried_keep_no_other_purpose_waiting() -> None:
    queue, at, asked = EvictionQueue(1.0, 0.0), 0.0, list[Purpose]()
    refused = [Candidate("prod", f"{each}", f"{each}", "", f"{each}", purpose="rescheduling") for each in range(2000)]
    patched = [Candidate("prod", name, name, "", name, purpose="patching") for name in "ab"]
    queue.update([*refused, *patched])
    for _ in range(100):
        step = queue.decide(at)
        while not isinstance(step, Evict):
            at += 1.0
            step = queue.decide(at)
        asked.append(step.pod.purpose)
        is_refused = step.pod.purpose == "rescheduling"
        queue.record_answer(step.pod, OverBudget(("web",), "no") if is_refused else Evicted(), at)
        at += 0.02
    assert asked[: TRIES + 1] == [*["rescheduling"] * TRIES, "patching"]
    assert Counter(asked)["patching"] == 2


def test_purposes_that_are_refused_alike_are_tried_in_turn() -> None:
    turns, tried = Turns(), list[Purpose]()
    for _ in range(6 * TRIES):
        tried.append(turns.choose({"spot", "patching", "rescheduling"}))
        turns.note_refusal(tried[-1])
    assert tried[::TRIES] == ["rescheduling", "spot", "patching"] * 2
    turns.note("patching")
    assert turns.choose({"spot", "patching", "rescheduling"}) == "rescheduling", "no share is lost by refusals"


@pytest.mark.parametrize("flood", ["spot", "drill"])
def test_whoever_asks_without_end_keeps_no_patch_and_no_move_from_its_turn(flood: Purpose) -> None:
    queue, at, evicted = EvictionQueue(1.0, 0.0), 0.0, list[str]()
    others = [
        Candidate("prod", purpose, purpose, "2026-02-01", "web", purpose=purpose)
        for purpose in PURPOSES
        if purpose != flood
    ]
    storm = Candidate("prod", "", "", "2026-01-01", "web", purpose=flood)
    for number in range(8):
        waiting = [replace(storm, name=f"{flood}-{each}", uid=f"{each}") for each in range(number, number + 10)]
        queue.update([*waiting, *(each for each in others if each.name not in evicted)])
        step = queue.decide(at)
        assert isinstance(step, Evict)
        queue.record_answer(step.pod, Evicted(), at)
        evicted.append(step.pod.name)
        at += 1.0
    assert {each.name for each in others} <= set(evicted[:5])
