import re
from typing import Any

import pytest

from monopod.api.names import EKS_PROFILE_LABEL, PROFILE_LABEL
from monopod.kube.objects.fields import InvalidProfile
from monopod.pods.rules.selection import (
    LabelDiffers,
    LabelMissing,
    Mismatch,
    NamespaceDiffers,
    NamespaceProtected,
    Profile,
    Selector,
    choose_profile,
    find_match,
    find_matches,
    find_mismatches,
    is_wildcard,
    matches_pattern,
    pattern_to_regex,
    reaches,
)
from tests.unit.builders import a_profile, a_profile_resource, a_selector


@pytest.mark.eks("1.star", "1.question-mark", "1.wildcards-anywhere")
@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("prod", "prod", True),
        ("prod", "prod-a", False),
        ("prod", "Prod", False),
        ("prod*", "prod", True),
        ("prod*", "prod-a", True),
        ("prod*", "a-prod", False),
        ("*prod", "a-prod", True),
        ("*prod", "prod-a", False),
        ("*", "", True),
        ("*", "anything", True),
        ("**", "anything", True),
        ("prod?", "prod", False),
        ("prod?", "prod1", True),
        ("prod?", "prod12", False),
        ("?rod", "prod", True),
        ("p*d", "pd", True),
        ("p*d", "prod", True),
        ("p?*d", "pd", False),
        ("a*b*c", "a1b2c", True),
        ("a*b*c", "acb", False),
        ("", "", True),
        ("", "a", False),
        ("?", "", False),
        ("a.b", "axb", False),
        ("a.b*", "axb", False),
        ("app.kubernetes.io/*", "app.kubernetes.io/name", True),
        ("app.kubernetes.io/*", "app-kubernetes-io/name", False),
        ("v1.*", "v1.2", True),
        ("v1.*", "v12", False),
    ],
)
def test_patterns_match_whole_texts(pattern: str, text: str, matches: bool) -> None:
    assert matches_pattern(pattern, text) is matches
    assert (re.search(pattern_to_regex(pattern), text) is not None) is matches


@pytest.mark.eks("1.no-regular-expressions")
@pytest.mark.parametrize("pattern", ["a-b.c_d/e", "a+b", "(a|b)", "[ab]", "{1}", "^a$", "a\\b", "a|b"])
def test_whatever_else_regular_expressions_know_is_plain_text(pattern: str) -> None:
    assert re.fullmatch(pattern_to_regex(pattern), pattern)
    assert matches_pattern(pattern + "*", pattern + "x")
    assert not matches_pattern(pattern + "*", "ab")


@pytest.mark.parametrize(("pattern", "expected"), [("a", False), ("", False), ("a*", True), ("?", True)])
def test_only_star_and_question_mark_are_wildcards(pattern: str, expected: bool) -> None:
    assert is_wildcard(pattern) is expected


@pytest.mark.eks("1.all-labels", case="all pairs must hold")
@pytest.mark.eks("1.whole-namespace", case="no labels: the whole namespace")
@pytest.mark.parametrize(
    ("selector", "labels", "matches"),
    [
        pytest.param(a_selector("*"), {}, True, id="no labels: the whole namespace"),
        pytest.param(a_selector("*", tier="web"), {"tier": "web"}, True, id="exact"),
        pytest.param(a_selector("*", tier="web"), {"tier": "db"}, False, id="other value"),
        pytest.param(a_selector("*", tier="web"), {"Tier": "web"}, False, id="keys have case"),
        pytest.param(a_selector("*", tier="web", env="prod"), {"tier": "web"}, False, id="all pairs must hold"),
        pytest.param(
            a_selector("*", tier="web", env="prod"), {"tier": "web", "env": "prod", "x": "y"}, True, id="more"
        ),
        pytest.param(a_selector("*", tier="w*"), {"tier": "web"}, True, id="value wildcard"),
        pytest.param(a_selector("*", tier="*"), {"tier": ""}, True, id="star matches an empty value"),
        pytest.param(a_selector("*", tier="?*"), {"tier": ""}, False, id="one or more characters"),
        pytest.param(a_selector("*", tier=""), {"tier": ""}, True, id="empty matches empty"),
        pytest.param(a_selector("*", tier=""), {"tier": "web"}, False, id="empty matches nothing else"),
        pytest.param(a_selector("*", {"t*": "web"}), {"team": "a", "tier": "web"}, True, id="some key that matches"),
        pytest.param(
            a_selector("*", {"t*": "web"}), {"team": "a", "zone": "web"}, False, id="key and value of one label"
        ),
        pytest.param(a_selector("*", {"*": "*"}), {}, False, id="any label, but there is none"),
        pytest.param(a_selector("*", {"*": "*"}), {PROFILE_LABEL: "web"}, False, id="Monopod's mark doesn't count"),
        pytest.param(a_selector("*", {"*": "*"}), {EKS_PROFILE_LABEL: ""}, False, id="nor does the label that pins"),
    ],
)
def test_label_pairs(selector: Selector, labels: dict[str, str], matches: bool) -> None:
    assert (find_match(a_profile("p", selector), labels, "default") is not None) is matches


@pytest.mark.eks("1.wildcards-and-kube-system")
@pytest.mark.parametrize(
    ("pattern", "namespace", "expected"),
    [
        ("prod", "prod", True),
        ("prod-*", "prod-a", True),
        ("prod-*", "test", False),
        ("*", "kube-system", False),
        ("kube-*", "kube-system", False),
        ("kube-system", "kube-system", True),
        ("*", "default", True),
    ],
)
def test_protected_namespaces_are_reached_only_by_their_exact_name(
    pattern: str, namespace: str, expected: bool
) -> None:
    assert reaches(Selector(pattern), namespace, {"kube-system"}) is expected


@pytest.mark.parametrize(
    ("selector", "mismatches"),
    [
        pytest.param(a_selector("test"), [NamespaceDiffers("test", "prod")], id="namespace"),
        pytest.param(a_selector("p*"), [NamespaceProtected("p*", "prod")], id="protected"),
        pytest.param(a_selector("prod", app="x"), [LabelMissing("app", "x")], id="missing"),
        pytest.param(a_selector("prod", tier="db"), [LabelDiffers("tier", "db", (("tier", "web"),))], id="differs"),
        pytest.param(
            a_selector("prod", {"t*": "x"}),
            [LabelDiffers("t*", "x", (("team", "a"), ("tier", "web")))],
            id="all candidates of a wildcard key",
        ),
        pytest.param(
            a_selector("test", app="x", tier="db"),
            [
                NamespaceDiffers("test", "prod"),
                LabelMissing("app", "x"),
                LabelDiffers("tier", "db", (("tier", "web"),)),
            ],
            id="everything that fails, the namespace first",
        ),
        pytest.param(a_selector("prod", tier="web"), [], id="match"),
    ],
)
def test_a_selector_that_fails_says_on_which_facts(selector: Selector, mismatches: list[Mismatch]) -> None:
    assert list(find_mismatches(selector, {"team": "a", "tier": "web"}, "prod", {"prod"})) == mismatches


def test_the_first_selector_that_matches_is_reported() -> None:
    profile = a_profile("p", a_selector("test"), a_selector("*"), a_selector("prod"))
    match = find_match(profile, {}, "prod")
    assert match is not None
    assert match.selector_index == 1


@pytest.mark.eks("1.first-name")
@pytest.mark.parametrize(
    ("names", "winner"),
    [
        (["b", "a"], "a"),
        (["ba", "ab"], "ab"),
        (["web-10", "web-2"], "web-10"),
        (["a-b", "a"], "a"),
        (["a0", "aa", "a-"], "a-"),
        (["z.a", "z-a"], "z-a"),
    ],
)
def test_the_alphanumerically_first_profile_wins(names: list[str], winner: str) -> None:
    choice = choose_profile({}, "prod", [a_profile(name, a_selector("*")) for name in names])
    assert choice is not None
    assert choice.match.profile.name == winner
    assert not choice.pinned


@pytest.mark.eks("1.pin")
def test_a_pin_beats_the_order_of_names() -> None:
    profiles = [a_profile("a", a_selector("*")), a_profile("b", a_selector("*"))]
    choice = choose_profile({EKS_PROFILE_LABEL: "b"}, "prod", profiles)
    assert choice is not None
    assert (choice.match.profile.name, choice.pinned) == ("b", True)


@pytest.mark.eks("1.pin-must-match")
@pytest.mark.parametrize("pin", ["b", "nonexistent", ""])
def test_a_pin_to_a_profile_that_does_not_match_has_no_say(pin: str) -> None:
    profiles = [a_profile("a", a_selector("*")), a_profile("b", a_selector("test"))]
    choice = choose_profile({EKS_PROFILE_LABEL: pin}, "prod", profiles)
    assert choice is not None
    assert (choice.match.profile.name, choice.pinned) == ("a", False)


def test_monopods_own_mark_is_no_pin() -> None:
    profiles = [a_profile("a", a_selector("*")), a_profile("b", a_selector("*"))]
    choice = choose_profile({PROFILE_LABEL: "b"}, "prod", profiles)
    assert choice is not None
    assert choice.match.profile.name == "a"


def test_nothing_is_chosen_where_nothing_matches() -> None:
    assert choose_profile({}, "prod", [a_profile("a", a_selector("test"))]) is None


def test_all_matches_come_in_the_order_in_which_they_win() -> None:
    profiles = [a_profile("c", a_selector("*")), a_profile("b", a_selector("test")), a_profile("a", a_selector("*"))]
    assert [match.profile.name for match in find_matches({}, "prod", profiles)] == ["a", "c"]


def test_a_profile_is_read_from_its_resource() -> None:
    resource = a_profile_resource(
        "web",
        {"namespace": "prod-*", "labels": {"tier": "web"}},
        runtimeClassName="gvisor",
        unsupportedPods="Reject",
        subnets=["eu-1a", "eu-1b"],
    )
    expected = Profile("web", (Selector("prod-*", (("tier", "web"),)),), "gvisor", "Reject", ("eu-1a", "eu-1b"))
    assert Profile.from_resource(resource, "kata") == expected


@pytest.mark.eks("1.tags-stay")
def test_tags_have_no_part_in_what_becomes_of_pods() -> None:
    selector = {"namespace": "prod"}
    tagged = a_profile_resource("web", selector, tags={"team": "web"})
    assert Profile.from_resource(tagged, "kata") == Profile.from_resource(a_profile_resource("web", selector), "kata")


def test_a_profile_without_a_sandbox_takes_the_default_one_and_lets_unsupported_pods_pend() -> None:
    profile = Profile.from_resource(a_profile_resource("web", {"namespace": "prod"}), "kata")
    assert (profile.runtime_class, profile.unsupported) == ("kata", "Pend")


@pytest.mark.parametrize(
    ("resource", "message"),
    [
        ({}, "metadata.name: is required"),
        (a_profile_resource("web"), "spec.selectors: Fargate Profile requires at least one selector."),
        (a_profile_resource("web", {}), "spec.selectors[0].namespace: is required"),
        (a_profile_resource("web", {"namespace": 1}), "spec.selectors[0].namespace: must be a string, not a number"),
        (
            a_profile_resource("web", {"namespace": "a", "labels": {"b": 1}}),
            "spec.selectors[0].labels.b: must be a string, not a number",
        ),
        (
            a_profile_resource("web", {"namespace": "a"}, unsupportedPods="Drop"),
            "spec.unsupportedPods: must be Pend or Reject, not 'Drop'",
        ),
    ],
    ids=lambda value: None if isinstance(value, dict) else value,
)
def test_a_malformed_profile_is_refused_by_field(resource: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidProfile) as refusal:
        Profile.from_resource(resource, "kata")
    assert str(refusal.value) == message


@pytest.mark.parametrize(
    ("selector", "text"),
    [(a_selector("prod-*"), "prod-*"), (a_selector("prod", a="1", b="2"), "prod{a=1,b=2}")],
)
def test_a_selector_is_written_as_in_kubectl_get(selector: Selector, text: str) -> None:
    assert str(selector) == text
