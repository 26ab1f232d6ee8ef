"""What Spot makes of a pod, and of its nodes."""

from typing import Any

import pytest

from monopod.api.names import CAPACITY_PROVIDER_ANNOTATION, SPOT_KEPT_CLASS, SPOT_PRIORITY_CLASS
from monopod.pods.rules.decision import ProviderRefused, Sandboxed, decide
from monopod.pods.rules.selection import PodChoice, Profile
from monopod.pods.rules.spot import SpotTerms, build_node_requirement, compute_spot_terms, describe_ignored_choice
from monopod.pods.rules.zones import compute_requirements, merge_terms
from tests.unit.builders import a_pod, a_profile, a_profile_resource, a_selector

TERMS: dict[str, tuple[dict[str, Any], SpotTerms, tuple[str, ...]]] = {
    "nothing said": ({}, SpotTerms(30, 30, ""), ()),
    "at once": ({"terminationGracePeriodSeconds": 0}, SpotTerms(0, 0, ""), ()),
    "the most": ({"terminationGracePeriodSeconds": 120}, SpotTerms(120, 120, ""), ()),
    "more than the most": (
        {"terminationGracePeriodSeconds": 600},
        SpotTerms(120, 600, ""),
        ("terminationGracePeriodSeconds of 600 becomes 120",),
    ),
    "a class of its own": (
        {"priorityClassName": "high"},
        SpotTerms(30, 30, "high"),
        ("priorityClassName high gives way to that of Spot",),
    ),
    "Spot's class where it is kept": ({"priorityClassName": SPOT_KEPT_CLASS}, SpotTerms(30, 30, ""), ()),
    "Spot's class": ({"priorityClassName": SPOT_PRIORITY_CLASS}, SpotTerms(30, 30, ""), ()),
}


@pytest.mark.parametrize(("spec", "terms", "changes"), TERMS.values(), ids=TERMS)
def test_a_pod_on_spot_has_two_minutes_at_most_and_spots_priority(
    spec: dict[str, Any], terms: SpotTerms, changes: tuple[str, ...]
) -> None:
    found = compute_spot_terms(a_pod().with_spec(**spec).build())
    assert found == terms
    assert tuple(found.describe_changes()) == changes


def on(*items: dict[str, Any]) -> Profile:
    resource = a_profile_resource("web", {"namespace": "prod"}, capacityProviderStrategy=list(items))
    return Profile.from_resource(resource, "kata")


STRATEGIES: dict[str, tuple[list[dict[str, Any]], bool]] = {
    "none": ([], False),
    "on demand": ([{"capacityProvider": "FARGATE", "weight": 1, "base": 0}], False),
    "Spot": ([{"capacityProvider": "FARGATE_SPOT", "weight": 1, "base": 0}], True),
    "without a weight": ([{"capacityProvider": "FARGATE_SPOT"}], True),
    "the other with the weight 0": (
        [{"capacityProvider": "FARGATE", "weight": 0}, {"capacityProvider": "FARGATE_SPOT", "weight": 7}],
        True,
    ),
}


@pytest.mark.parametrize(("strategy", "is_spot"), STRATEGIES.values(), ids=STRATEGIES)
def test_the_provider_that_has_a_weight_is_the_profiles(strategy: list[dict[str, Any]], is_spot: bool) -> None:
    assert on(*strategy).is_spot is is_spot


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ([{"capacityProvider": "FARGATE_SPOT"}, {"capacityProvider": "FARGATE"}], "runs all of its pods on one"),
        ([{"capacityProvider": "EC2"}], "capacityProvider: must be FARGATE or FARGATE_SPOT, not 'EC2'"),
        ([{"capacityProvider": "FARGATE", "weight": "1"}], "weight: must be a whole number, not a string"),
    ],
    ids=["a mixture", "another provider", "a weight as text"],
)
def test_what_the_api_server_would_refuse_isnt_read(strategy: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        on(*strategy)


LABEL = "karpenter.sh/capacity-type=spot"
ON_SPOT = {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["spot"]}
ELSEWHERE = {**ON_SPOT, "operator": "NotIn"}


def test_where_nodes_are_spots_pods_on_spot_run_there_and_others_do_not() -> None:
    assert build_node_requirement(LABEL, is_spot=True) == ON_SPOT
    selector = a_selector("prod")
    assert compute_requirements(a_profile("web", selector, spot=True)) == []
    assert compute_requirements(a_profile("web", selector, spot=True, spot_nodes=LABEL)) == [ON_SPOT]
    assert compute_requirements(a_profile("web", selector, spot_nodes=LABEL)) == [ELSEWHERE]
    in_zone, on_spot = compute_requirements(a_profile("web", selector, zones=("a",), spot=True, spot_nodes=LABEL))
    assert (in_zone["values"], on_spot) == (["a"], ON_SPOT)
    half = a_pod().requiring_nodes({"matchExpressions": [ON_SPOT]}).build()
    [merged] = merge_terms(half, [in_zone, on_spot])
    assert merged["matchExpressions"] == [ON_SPOT, in_zone], "nothing is added twice"


CHOICES: dict[str, tuple[PodChoice, bool, str, bool]] = {
    "Spot by choice": ("Allow", False, "FARGATE_SPOT", True),
    "on demand by choice": ("Allow", True, "FARGATE", False),
    "Spot, and the choice has no effect": ("Ignore", True, "FARGATE", True),
    "on demand, and the choice has no effect": ("Ignore", False, "FARGATE_SPOT", False),
    "an unknown choice that has no effect": ("Ignore", True, "SPOT", True),
}


@pytest.mark.parametrize(("choice", "spot", "asked", "is_spot"), CHOICES.values(), ids=CHOICES)
def test_a_pod_chooses_its_provider_where_it_may(choice: PodChoice, spot: bool, asked: str, is_spot: bool) -> None:
    profile = a_profile("web", a_selector("prod"), spot=spot, pod_choice=choice)
    pod = a_pod().annotated({CAPACITY_PROVIDER_ANNOTATION: asked}).build()
    decision = decide(pod, "prod", [profile])
    assert isinstance(decision, Sandboxed)
    assert decision.profile.is_spot is is_spot
    assert bool(describe_ignored_choice(pod, profile)) is (choice == "Ignore")


@pytest.mark.parametrize("asked", ["SPOT", "fargate", ""])
def test_a_choice_that_there_is_not_is_refused(asked: str) -> None:
    profile = a_profile("web", a_selector("prod"), pod_choice="Allow")
    decision = decide(a_pod().annotated({CAPACITY_PROVIDER_ANNOTATION: asked}).build(), "prod", [profile])
    assert isinstance(decision, ProviderRefused)
    assert "must be FARGATE or FARGATE_SPOT" in decision.text


def test_without_a_choice_the_profile_decides() -> None:
    for spot in (True, False):
        profile = a_profile("web", a_selector("prod"), spot=spot, pod_choice="Allow")
        decision = decide(a_pod().build(), "prod", [profile])
        assert isinstance(decision, Sandboxed)
        assert (decision.profile, describe_ignored_choice(a_pod().build(), profile)) == (profile, "")


def test_whether_pods_choose_is_read_from_the_profile() -> None:
    resource = a_profile_resource("web", {"namespace": "prod"}, spot={"podChoice": "Allow"})
    assert Profile.from_resource(resource, "kata").pod_choice == "Allow"
    assert on().pod_choice == "Ignore"


def test_the_class_of_pods_on_spot_is_the_installations_to_say() -> None:
    resource = a_profile_resource("web", {"namespace": "prod"})
    kept = Profile.from_resource(resource, "kata", LABEL, "None")
    assert (kept.spot_class, kept.may_use_spot) == (SPOT_KEPT_CLASS, False)
    assert Profile.from_resource(resource, "kata", LABEL).spot_class == SPOT_PRIORITY_CLASS


def test_spot_gives_way_unless_it_has_nodes_of_its_own() -> None:
    resource = a_profile_resource("web", {"namespace": "prod"})
    assert Profile.from_resource(resource, "kata", "", "None").spot_class == SPOT_PRIORITY_CLASS
