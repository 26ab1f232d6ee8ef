"""Overlaps are remembered, and many profiles are compared beside the passes."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from monopod.pods.rules.selection import Profile
from monopod.profiles import overlaps as overlapping
from monopod.profiles.overlaps import COMPARED_AT_ONCE, Overlaps
from monopod.profiles.rules.overlap import Equal, Overlap, find_overlaps
from tests.unit.builders import a_profile, a_selector
from tests.unit.running import PROBLEMS, running

SAME = (a_profile("a", a_selector("prod")), a_profile("b", a_selector("prod")))


async def test_the_result_is_worked_out_once_and_again_when_a_profile_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def count(profiles: Sequence[Profile], protected: frozenset[str]) -> Mapping[str, Overlap]:
        asked.append(len(profiles))
        return find_overlaps(profiles, protected)

    monkeypatch.setattr(overlapping, "find_overlaps", count)
    overlaps = Overlaps(frozenset(), lambda: None, PROBLEMS)
    assert overlaps.find(SAME) == overlaps.find(SAME) == {"a": Equal(("b",)), "b": Equal(("a",))}
    assert overlaps.find(SAME[:1]) == {}
    assert asked == [2, 1]


async def test_many_profiles_are_compared_beside_and_the_result_is_announced() -> None:
    many = tuple(a_profile(f"p{n:03}", a_selector(f"ns-{n}")) for n in range(COMPARED_AT_ONCE))
    known = asyncio.Event()
    overlaps = Overlaps(frozenset(), known.set, PROBLEMS)
    assert overlaps.find((*many, *SAME)) == {}
    async with running(overlaps.controller):
        overlaps.update((*many, *SAME))
        async with asyncio.timeout(10):
            await known.wait()
    assert overlaps.find((*many, *SAME)).keys() == {"a", "b"}


async def test_overlaps_that_cannot_be_worked_out_stop_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(profiles: Sequence[Profile], protected: frozenset[str]) -> Mapping[str, Overlap]:
        raise RecursionError

    monkeypatch.setattr(overlapping, "find_overlaps", fail)
    assert Overlaps(frozenset(), lambda: None, PROBLEMS).find(SAME) == {}
