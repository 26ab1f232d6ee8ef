"""Containment of wildcard patterns, also against brute force: every text over a few letters, up to some length."""

import random
from itertools import product

import pytest

from monopod.pods.rules.selection import matches_pattern
from monopod.profiles.rules.pattern import (
    LABEL_KEY,
    LABEL_VALUE,
    NAMESPACE,
    Syntax,
    have_common_text,
    is_covered,
    is_satisfiable,
)

SYNTAXES = {"namespace": NAMESPACE, "key": LABEL_KEY, "value": LABEL_VALUE}
LETTERS = {"namespace": "abx-", "key": "abx./", "value": "aBx_"}
"""In brute force; patterns use all but x, which stands for the many letters that a pattern doesn't name."""
LONGEST = 6


@pytest.mark.parametrize(
    ("pattern", "cover", "covered"),
    [
        ("prod", "prod", True),
        ("prod", "prod-*", False),
        ("prod-1", "prod-*", True),
        ("prod-*", "prod*", True),
        ("prod*", "prod-*", False),
        ("*", "?*", True),
        ("?", "*", True),
        ("*a*b*", "*b*", True),
        ("*b*", "*a*b*", False),
        ("a*?b", "a?*b", True),
        ("a**b", "a*b", True),
        ("*-?*-*", "*-*-?*", True),
        ("*a?b*", "*a*b*", True),
        ("a*b", "*a?*b*", False),
        ("x*y*z", "x*z", True),
        ("x*z", "x*y*z", False),
    ],
)
def test_containment_of_namespace_patterns(pattern: str, cover: str, covered: bool) -> None:
    assert is_covered(pattern, (cover,), NAMESPACE) is covered


@pytest.mark.parametrize(
    ("pattern", "covers", "covered"),
    [
        pytest.param("a*", ("a", "a?*"), True, id="with and without more"),
        pytest.param("a*", ("a", "a??*"), False, id="one character more is left out"),
        pytest.param("*", ("*a*", "*b*"), False, id="texts with neither"),
        pytest.param("?", tuple("abcdefghijklmnopqrstuvwxyz0123456789"), True, id="every letter and digit"),
        pytest.param("?", tuple("abcdefghijklmnopqrstuvwxyz012345678"), False, id="every letter and digit but one"),
        pytest.param("*", (), False, id="nothing"),
    ],
)
def test_several_patterns_cover_together(pattern: str, covers: tuple[str, ...], covered: bool) -> None:
    assert is_covered(pattern, covers, NAMESPACE) is covered


def test_a_value_may_be_empty_and_a_namespace_may_not() -> None:
    assert is_covered("*", ("?*",), NAMESPACE)
    assert not is_covered("*", ("?*",), LABEL_VALUE)
    assert is_covered("*", ("?*", ""), LABEL_VALUE)


@pytest.mark.parametrize(
    ("pattern", "cover", "covered"),
    [
        pytest.param("*/*", "?*/?*", True, id="neither prefix nor name is empty"),
        pytest.param("*", "*/*", False, id="keys without a prefix"),
        pytest.param("?*?", "?*", True, id="any key"),
        pytest.param("*/a/*", "b", True, id="two slashes are never valid"),
        pytest.param("A*/b", "b", True, id="no prefix has capitals"),
        pytest.param("a_*/b", "b", True, id="or low lines"),
        pytest.param("A*", "*/*", False, id="a name may"),
    ],
)
def test_keys_have_at_most_one_slash(pattern: str, cover: str, covered: bool) -> None:
    assert is_covered(pattern, (cover,), LABEL_KEY) is covered


@pytest.mark.parametrize(
    ("pattern", "syntax", "satisfiable"),
    [
        ("a..b/*", LABEL_KEY, False),
        ("a..b", LABEL_KEY, True),
        ("-*", NAMESPACE, False),
        ("*-*", NAMESPACE, True),
        ("Prod", NAMESPACE, False),
        ("", NAMESPACE, False),
        ("", LABEL_VALUE, True),
    ],
)
def test_patterns_that_nothing_matches_are_known(pattern: str, syntax: Syntax, satisfiable: bool) -> None:
    assert is_satisfiable(pattern, syntax) is satisfiable


@pytest.mark.parametrize(
    "pattern",
    ["a*" * 28 + "x", "a" + "?" * 28 + "b" + "a*" * 15 + "x"],
)
@pytest.mark.parametrize("cover", ["*a" + "?" * 30 + "*zz", "*a" + "?" * 28 + "b" + "?" * 28 + "*zz", "*a?????c" * 7])
def test_patterns_made_to_be_hard_are_answered_at_once(pattern: str, cover: str) -> None:
    assert not is_covered(pattern, (cover,), NAMESPACE)


def draw_pattern(chance: random.Random, letters: str, longest: int = 3) -> str:
    return "".join(chance.choice(letters + "*?*") for _ in range(chance.randint(1, longest)))


@pytest.mark.parametrize("name", SYNTAXES)
@pytest.mark.parametrize("seed", [1, 2])
def test_containment_is_what_brute_force_finds(name: str, seed: int) -> None:
    chance = random.Random(seed)
    syntax, letters = SYNTAXES[name], LETTERS[name]
    patterns = [draw_pattern(chance, letters.replace("x", "")) for _ in range(24)]
    words = ("".join(chars) for length in range(LONGEST + 1) for chars in product(letters, repeat=length))
    texts = [text for text in words if syntax.is_valid(text)]
    matched = {pattern: {text for text in texts if matches_pattern(pattern, text)} for pattern in patterns}
    for pattern in patterns:
        for covers in [(one,) for one in patterns] + [tuple(chance.sample(patterns, 3)) for _ in range(20)]:
            expected = matched[pattern] <= set().union(*(matched[cover] for cover in covers))
            assert is_covered(pattern, covers, syntax) is expected, (pattern, covers)
        for other in patterns:
            expected = not matched[pattern].isdisjoint(matched[other])
            assert have_common_text((pattern, other), syntax) is expected, (pattern, other)
