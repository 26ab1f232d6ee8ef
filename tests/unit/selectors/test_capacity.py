"""Who is published where not all fit. A compiled selector takes 1; a namespace holds 3, the ConfigMap 6."""

import itertools
import random

import pytest

from monopod.pods.rules.selection import Selector, reaches
from monopod.selectors.capacity import (
    CONFIGMAP,
    Allocation,
    Bound,
    CapacityRequest,
    CompiledSelector,
    CompiledSelectors,
    Overflow,
    Registration,
    allocate,
)

CAPACITY, ALL = Bound("selectors", 3), Bound("selectors in all", 6)
PROTECTED = frozenset({"kube-system"})


def a_row(namespace: str, load: int = 1, text: str = "row") -> CompiledSelector:
    return CompiledSelector(namespace, text, (load,), (load,))


def a_claim(
    name: str, *namespaces: str, old: CompiledSelectors | None = None, enforced: bool = False, load: int = 1
) -> CapacityRequest:
    """Names are ages, too: `a` is older than `b`."""
    compiled = tuple(a_row(namespace, load) for namespace in namespaces)
    return CapacityRequest(Registration(name, name), compiled, enforced or old is not None, old)


def enforced(name: str, *namespaces: str) -> CapacityRequest:
    return a_claim(name, *namespaces, old=tuple(map(a_row, namespaces)))


def give(*requests: CapacityRequest) -> Allocation:
    return allocate(requests, [CAPACITY], [ALL], PROTECTED)


def published(*requests: CapacityRequest) -> list[str]:
    return sorted(give(*requests).compiled)


def test_all_that_fit_are_published() -> None:
    allocation = give(a_claim("a", "prod", "prod"), a_claim("b", "prod"), a_claim("c", "dev"))
    assert (sorted(allocation.compiled), allocation.overflow) == (["a", "b", "c"], {})


def test_the_newest_that_does_not_fit_is_left_out_and_told_where_and_why() -> None:
    allocation = give(a_claim("c", "prod"), a_claim("a", "prod", "prod"), a_claim("b", "prod"))
    assert sorted(allocation.compiled) == ["a", "b"]
    assert allocation.overflow == {"c": Overflow("prod", 4, CAPACITY)}


def test_one_that_is_left_out_takes_no_room() -> None:
    assert published(a_claim("a", "prod", "prod"), a_claim("b", "prod", "prod"), a_claim("c", "prod")) == ["a", "c"]


def test_it_is_left_out_as_a_whole() -> None:
    assert published(a_claim("a", "prod", "prod", "prod"), a_claim("b", "dev", "prod")) == ["a"]


def test_what_is_in_force_keeps_its_place_before_older_ones() -> None:
    assert published(a_claim("a", "prod", "prod"), enforced("b", "prod"), enforced("c", "prod")) == ["b", "c"]


def test_when_room_is_made_the_oldest_comes_first() -> None:
    assert published(enforced("c", "prod", "prod"), a_claim("b", "prod"), a_claim("a", "prod")) == ["a", "c"]


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_the_order_in_which_they_are_given_does_not_matter(order: tuple[int, ...]) -> None:
    requests = [a_claim("a", "p*"), a_claim("b", "prod", "prod"), a_claim("c", "*"), a_claim("d", "dev")]
    assert published(*(requests[index] for index in order)) == ["a", "b", "d"]


def test_patterns_count_in_the_namespaces_that_are_named() -> None:
    assert give(a_claim("a", "prod", "prod"), a_claim("b", "p*"), a_claim("c", "*d")).overflow == {
        "c": Overflow("prod", 4, CAPACITY)
    }


def test_patterns_that_came_first_count_in_a_namespace_that_is_named_later() -> None:
    assert published(a_claim("a", "p*", "*d", "x*"), a_claim("b", "prod", "prod"), a_claim("c", "prod")) == ["a", "c"]


def test_patterns_do_not_count_in_protected_namespaces() -> None:
    assert published(a_claim("a", "*", "*"), a_claim("b", "kube-system", "kube-system")) == ["a", "b"]


def test_patterns_that_can_meet_in_one_name_count_together() -> None:
    allocation = give(a_claim("a", "team-*", "team-?"), a_claim("b", "*"), a_claim("c", "team-a*"))
    assert allocation.overflow == {"c": Overflow("team-a*", 4, CAPACITY)}
    assert str(allocation.overflow["c"]) == "namespaces team-a* would have 4 selectors, and the capacity is 3"


def test_a_wide_pattern_counts_among_narrow_ones() -> None:
    allocation = give(a_claim("a", "team-a*", "team-*", "team-?"), a_claim("b", "*"))
    assert allocation.overflow == {"b": Overflow("team-a*", 4, CAPACITY)}


def test_patterns_that_begin_differently_do_not() -> None:
    assert published(a_claim("a", "x-*", "x-*", "x-*"), a_claim("b", "y-*", "y-*", "y-*")) == ["a", "b"]


def test_all_profiles_together_have_a_bound_too() -> None:
    allocation = give(a_claim("a", "p", "q", "r"), a_claim("b", "s", "t", "u"), a_claim("c", "v"))
    assert allocation.overflow == {"c": Overflow(CONFIGMAP, 7, ALL)}
    assert str(allocation.overflow["c"]) == (
        "the ConfigMap for new namespaces would have 7 selectors in all, and the capacity is 6"
    )


def test_a_change_that_fits_is_published() -> None:
    change = a_claim("a", "prod", old=(a_row("prod"),), load=2)
    assert give(change, enforced("b", "prod")) == Allocation({"a": change.compiled, "b": (a_row("prod"),)}, {})


def test_a_change_that_does_not_fit_leaves_the_old_rows_and_the_others_alone() -> None:
    change = a_claim("a", "prod", old=(a_row("prod", text="old"),), load=2)
    allocation = give(change, enforced("b", "prod", "prod"), a_claim("c", "prod"))
    assert allocation.compiled["a"] == (a_row("prod", text="old"),)
    assert sorted(allocation.compiled) == ["a", "b"]
    assert allocation.overflow["a"] == Overflow("prod", 4, CAPACITY)


def test_what_is_in_force_beyond_the_bounds_stays_and_says_so() -> None:
    """As after an upgrade that lowers a bound."""
    allocation = give(enforced("a", "prod", "prod", "prod"), enforced("b", "prod"), a_claim("c", "dev"))
    assert sorted(allocation.compiled) == ["a", "b", "c"]
    assert list(allocation.overflow) == ["b"]


def test_what_was_published_stays_even_if_nobody_knows_its_old_rows() -> None:
    assert published(a_claim("a", "prod", "prod"), a_claim("b", "prod", "prod", enforced=True)) == ["b"]


def test_no_name_ever_gets_more_than_there_is_room_for() -> None:
    draw = random.Random(2)
    names = ["".join(letters) for size in (1, 2, 3) for letters in itertools.product("ab", repeat=size)]
    for _ in range(150):
        requests = [
            a_claim(chr(97 + n), *("".join(draw.choices("aabb*?", k=draw.randint(1, 3))) for _ in range(2)))
            for n in range(draw.randint(2, 12))
        ]
        compiled = allocate(requests, [CAPACITY], [Bound("", 99)], PROTECTED).compiled
        for name in names:
            found = sum(
                reaches(Selector(selector.namespace), name, PROTECTED) for own in compiled.values() for selector in own
            )
            assert found <= CAPACITY.most, (name, requests)


def test_a_thousand_profiles_of_a_thousand_namespaces_are_compared_in_less_than_the_time_limit() -> None:
    requests = [a_claim(f"{n:04}", f"team-{n}-*", f"exact-{n}", "p*d", f"x-*-{n}") for n in range(1000)]
    assert len(allocate(requests, [Bound("", 5000)], [Bound("", 5000)], PROTECTED).compiled) == 1000
