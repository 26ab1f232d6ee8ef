"""Which profiles can't win, also against brute force: every pod with a few labels out of a few."""

import random
import time
from itertools import combinations, product

import pytest

from monopod.api.names import PROFILE_LABEL
from monopod.pods.rules.selection import Profile, Selector, find_mismatches
from monopod.profiles.rules.overlap import (
    Equal,
    Overlap,
    Shadowed,
    can_match,
    contains,
    describe_overlap,
    find_overlaps,
    may_share_pods,
)
from tests.unit.builders import a_profile, a_selector

PROTECTED = ("kube-system", "monopod-system")


@pytest.mark.parametrize(
    ("cover", "covered", "contained"),
    [
        pytest.param(a_selector("prod"), a_selector("prod", tier="web"), True, id="labels narrow"),
        pytest.param(a_selector("prod", tier="web"), a_selector("prod"), False, id="the wider is not in the narrower"),
        pytest.param(a_selector("*", tier="*"), a_selector("prod", tier="web", app="x"), True, id="wildcards"),
        pytest.param(a_selector("*", {"t*": "w*"}), a_selector("a", tier="web"), True, id="key and value patterns"),
        pytest.param(a_selector("*", {"t*": "w*"}), a_selector("a", tier="db", team="w"), True, id="another pair"),
        pytest.param(a_selector("*", {"t*": "w*"}), a_selector("a", tier="db", app="web"), False, id="not crosswise"),
        pytest.param(a_selector("*", tier="?*"), a_selector("*", tier="*"), False, id="an empty value"),
        pytest.param(a_selector("?*"), a_selector("*"), True, id="no namespace is empty"),
        pytest.param(
            a_selector("*", {"a?*": "*"}), a_selector("*", {"a*": "x", "a": "y"}), True, id="a label has one value"
        ),
        pytest.param(
            a_selector("*", {"a?*": "*"}), a_selector("*", {"a*": "x", "a": "x*"}), False, id="which may suit both"
        ),
        pytest.param(
            a_selector("*", {"a?*": "*", "?*a": "*"}),
            a_selector("*", {"a*": "x", "*a": "y*"}),
            False,
            id="one of two may be the exact key",
        ),
        pytest.param(
            a_selector("*", {"a?*": "*"}), a_selector("*", {"a*": "x?", "a**": "y*"}), True, id="two ways round collide"
        ),
        pytest.param(
            a_selector("*", {"a?*": "*"}), a_selector("*", {"a*": "x?", "a**": "*y"}), False, id="or are the same"
        ),
    ],
)
def test_containment_of_selectors(cover: Selector, covered: Selector, contained: bool) -> None:
    assert contains(cover, covered) is contained


@pytest.mark.parametrize(
    ("cover", "covered", "contained"),
    [
        ("*", "kube-system", False),
        ("kube-system", "kube-system", True),
        ("kube-system", "kube-*", False),
        ("kube-?*", "kube-*", True),
        ("*-s*", "*-system", True),
        ("*", "monopod-system", False),
    ],
)
def test_wildcards_never_reach_protected_namespaces(cover: str, covered: str, contained: bool) -> None:
    assert contains(a_selector(cover), a_selector(covered), PROTECTED) is contained


@pytest.mark.parametrize(
    "selector",
    [a_selector("prod", {PROFILE_LABEL: "*"}), a_selector("prod", {"a..b/*": "*"}), a_selector("-*")],
    ids=str,
)
def test_selectors_that_no_pod_can_match_are_known(selector: Selector) -> None:
    assert not can_match(selector)
    assert find_overlaps([a_profile("a", a_selector("*")), a_profile("b", selector)]) == {}


def overlaps_of(*profiles: Profile) -> dict[str, Overlap]:
    found = find_overlaps(profiles, PROTECTED)
    assert found == find_overlaps(reversed(profiles), PROTECTED)
    return found


def test_a_profile_that_an_earlier_one_covers_never_wins() -> None:
    assert overlaps_of(
        a_profile("a", a_selector("prod-*"), a_selector("dev")),
        a_profile("b", a_selector("prod-1", tier="web"), a_selector("dev")),
    ) == {"b": Shadowed(("a",))}


def test_a_profile_that_a_later_one_covers_wins_where_it_matches() -> None:
    assert overlaps_of(a_profile("a", a_selector("prod")), a_profile("b", a_selector("*"))) == {}


def test_names_are_ordered_as_in_the_choice_of_a_profile() -> None:
    assert overlaps_of(a_profile("b2", a_selector("x")), a_profile("b10", a_selector("*"))) == {
        "b2": Shadowed(("b10",))
    }


def test_several_earlier_profiles_cover_one_together() -> None:
    profiles = [a_profile("a", a_selector("prod")), a_profile("b", a_selector("dev")), a_profile("c", a_selector("qa"))]
    assert overlaps_of(*profiles, a_profile("d", a_selector("dev"), a_selector("qa", tier="web"))) == {
        "d": Shadowed(("b", "c"))
    }


def test_several_earlier_profiles_cover_one_selector_together() -> None:
    profiles = [a_profile("a", a_selector("x")), a_profile("b", a_selector("x?*")), a_profile("c", a_selector("y"))]
    assert overlaps_of(*profiles, a_profile("d", a_selector("x*"))) == {"d": Shadowed(("a", "b"))}


def test_profiles_with_equal_selectors_name_each_other() -> None:
    assert overlaps_of(
        a_profile("a", a_selector("*", tier="web"), a_selector("x")),
        a_profile("b", a_selector("x"), a_selector("x", app="z"), a_selector("?*", tier="web")),
    ) == {"a": Equal(("b",)), "b": Equal(("a",))}


def test_the_first_of_two_equals_is_told_of_a_profile_that_covers_both() -> None:
    assert overlaps_of(
        a_profile("a", a_selector("*")), a_profile("b", a_selector("x")), a_profile("c", a_selector("x"))
    ) == {"b": Shadowed(("a",)), "c": Equal(("b",))}


@pytest.mark.parametrize(
    ("name", "overlap", "text"),
    [
        (
            "b",
            Shadowed(("a",)),
            "profile a comes first by name and matches every pod that this one matches, so this one wins no pod that "
            "isn't pinned to it",
        ),
        (
            "c",
            Shadowed(("a", "b")),
            "profiles a, b come first by name and match every pod that this one matches, so this one wins no pod that "
            "isn't pinned to it",
        ),
        ("a", Equal(("b",)), "profile b selects the same pods; this profile wins them, because it comes first by name"),
        (
            "b",
            Equal(("a", "c")),
            "profiles a, c select the same pods, and a wins them: it comes first by name, so this one wins no pod that "
            "isn't pinned to it",
        ),
    ],
)
def test_an_overlap_is_told_in_a_sentence(name: str, overlap: Overlap, text: str) -> None:
    assert describe_overlap(name, overlap) == text


SHARING = {
    "the same": (a_selector("prod"), a_selector("prod", tier="web"), True),
    "other namespaces": (a_selector("prod"), a_selector("dev"), False),
    "a wildcard and a name": (a_selector("prod-*"), a_selector("prod-a"), True),
    "two wildcards": (a_selector("prod-*"), a_selector("*-a"), True),
    "two wildcards that begin differently": (a_selector("team-a-*"), a_selector("team-b-*"), False),
    "a wildcard and a protected name": (a_selector("*"), a_selector("kube-system"), False),
    "a protected name": (a_selector("kube-system"), a_selector("kube-system"), True),
    "other values": (a_selector("*", tier="web"), a_selector("prod", tier="db"), False),
    "values with wildcards": (a_selector("*", tier="w*"), a_selector("prod", tier="*b"), True),
    "other keys": (a_selector("*", tier="web"), a_selector("prod", app="x"), True),
    "a key with wildcards": (a_selector("*", {"t*": "web"}), a_selector("prod", tier="db"), True),
    "nothing valid": (a_selector("prod", tier="a-"), a_selector("prod"), False),
}


@pytest.mark.parametrize(("one", "other", "shared"), SHARING.values(), ids=SHARING)
def test_whether_two_profiles_can_match_a_pod_both(one: Selector, other: Selector, shared: bool) -> None:
    first, second = a_profile("one", a_selector("elsewhere"), one), a_profile("other", other)
    assert may_share_pods(first, second, PROTECTED) is shared
    assert may_share_pods(second, first, PROTECTED) is shared


KEYS = ("a", "b", "x", *("".join(pair) for pair in product("abx", repeat=2)), "axx", "xxa", "xax", "abx", "axb", "xxx")
VALUES = ("", "y", "x", "xx", "yx")
PODS = [
    dict(zip(keys, values, strict=True))
    for count in range(3)
    for keys in combinations(KEYS, count)
    for values in product(VALUES, repeat=count)
]
"""With two pairs to a selector, two labels are enough to tell any two selectors apart."""


def draw_selector(chance: random.Random) -> Selector:
    keys = chance.sample(("a", "b", "a*", "*a", "a?*", "?*", "*", "?a", "a?", "a*b*"), chance.randint(0, 2))
    return a_selector("ns", {key: chance.choice(("", "y", "*", "?*", "?", "y*")) for key in keys})


@pytest.mark.parametrize("seed", range(4))
def test_containment_of_selectors_is_what_brute_force_finds(seed: int) -> None:
    chance = random.Random(seed)
    selectors = [draw_selector(chance) for _ in range(10)]
    matched = {
        selector: {index for index, pod in enumerate(PODS) if not any(find_mismatches(selector, pod, "ns"))}
        for selector in selectors
    }
    for cover, covered in product(selectors, repeat=2):
        assert contains(cover, covered) is (matched[covered] <= matched[cover]), (str(cover), str(covered))
        if matched[cover] & matched[covered]:
            assert may_share_pods(a_profile("one", cover), a_profile("other", covered)), (str(cover), str(covered))


def test_a_thousand_profiles_take_less_than_a_second() -> None:
    profiles = [
        a_profile(f"p{number:04}", *(a_selector(f"ns-{number}-{index}", tier="web") for index in range(5)))
        for number in range(950)
    ]
    profiles += [a_profile(f"w{number}", a_selector(f"*-{number}", tier="?*")) for number in range(50)]
    started = time.process_time()
    assert find_overlaps(profiles) == {}
    assert time.process_time() - started < 1
