"""Which pod or namespace a profile is tried with, and what the answer means."""

from itertools import islice
from typing import Any

import pytest

from monopod.kube.objects.label_selector import is_label_key, is_label_value
from monopod.kube.objects.names import is_dns_label
from monopod.pods.rules.dry_run import (
    NamespaceDryRun,
    NotSandboxed,
    PodDryRun,
    Sandboxed,
    build_pod,
    compute_pod_labels,
    get_namespace_names,
    judge_namespace,
    judge_pod,
)
from monopod.pods.rules.selection import Profile, Selector, choose_profile, matches_pattern

TRIAL = PodDryRun("prod", (("tier", "web"),), "web", "kata")
SELECTORS = [
    {},
    {"tier": "web"},
    {"tier": "*"},
    {"*": "*"},
    {"*": "web"},
    {"t?er": "w??"},
    {"app.kubernetes.io/*": "?"},
    {"*/app": "x*"},
    {"*": "a", "t*": "b"},
    {"*": "a", "?": "b", "tier": "c"},
    {"a?": "1", "ax": "2"},
    {"tier": ""},
    {"-*": "*-x"},
]
IMPOSSIBLE = [{"tier": "*-"}, {"-tier": "web"}, {"a/b/c": "x"}, {"": "x"}, {"monopod.dev/profile": "web"}]


@pytest.mark.parametrize("labels", SELECTORS[:-1], ids=str)
def test_the_labels_of_a_trial_pod_are_valid_and_match(labels: dict[str, str]) -> None:
    found = compute_pod_labels(Selector("prod", tuple(labels.items())))
    assert found is not None
    assert all(is_label_key(key) and is_label_value(value) for key, value in found)
    profile = Profile("web", (Selector("prod", tuple(labels.items())),), "kata")
    assert choose_profile(dict(found), "prod", [profile]) is not None


@pytest.mark.parametrize("labels", [*IMPOSSIBLE, SELECTORS[-1]], ids=str)
def test_a_selector_that_no_valid_label_matches_has_no_trial_pod(labels: dict[str, str]) -> None:
    assert compute_pod_labels(Selector("prod", tuple(labels.items()))) is None


@pytest.mark.parametrize("pattern", ["prod", "prod-*", "*", "*-prod", "p?od", "??", "a*b*c"])
def test_the_name_of_a_trial_namespace_is_valid_and_matches(pattern: str) -> None:
    names = list(islice(get_namespace_names(pattern), 3))
    assert names
    assert all(is_dns_label(name) and matches_pattern(pattern, name) for name in names)


@pytest.mark.parametrize("pattern", ["*-", "-prod", "x" * 64])
def test_a_pattern_that_no_namespace_can_match_has_no_trial(pattern: str) -> None:
    assert not list(get_namespace_names(pattern))


def test_a_trial_pod_is_pinned_to_its_profile_and_restricted() -> None:
    pod = build_pod(TRIAL)
    assert pod["metadata"]["labels"] == {"eks.amazonaws.com/fargate-profile": "web", "tier": "web"}
    assert pod["spec"]["securityContext"]["runAsNonRoot"]
    assert pod["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["spec"]["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }


def an_answer(profile: str | None = "web", runtime_class: str | None = "kata", **spec: Any) -> dict[str, Any]:
    labels = {"monopod.dev/profile": profile} if profile else {}
    return {"metadata": {"labels": labels}, "spec": {"runtimeClassName": runtime_class, **spec}}


def test_a_pod_of_the_profile_in_its_sandbox_is_sandboxed() -> None:
    assert judge_pod(an_answer(), TRIAL) == Sandboxed("a pod in namespace prod")


@pytest.mark.parametrize(
    ("pod", "saw"),
    [
        pytest.param(an_answer(profile=None), "it has no label monopod.dev/profile", id="not marked"),
        pytest.param({"metadata": {}, "spec": {"runtimeClassName": "kata"}}, "no label", id="no labels at all"),
        pytest.param(an_answer(profile="other"), "it belongs to profile other", id="another profile's"),
        pytest.param(an_answer(runtime_class=None), "its runtimeClassName is not set, not kata", id="no sandbox"),
        pytest.param(an_answer(runtime_class="runc"), "its runtimeClassName is runc, not kata", id="another sandbox"),
        pytest.param(
            an_answer(schedulingGates=[{"name": "monopod.dev/unsupported"}]), "Fargate can't run", id="unsupported"
        ),
    ],
)
def test_anything_else_is_not_sandboxed_and_says_what_was_seen(pod: dict[str, Any], saw: str) -> None:
    outcome = judge_pod(pod, TRIAL)
    assert isinstance(outcome, NotSandboxed)
    assert saw in outcome.saw


NAMESPACE = NamespaceDryRun("prod-x", "rows")
MARKED = {"labels": {"monopod.dev/fargate": "true"}, "annotations": {"monopod.dev/profiles": "rows"}}


def test_a_namespace_with_the_rows_of_its_profiles_is_as_it_should_be() -> None:
    assert isinstance(judge_namespace({"metadata": MARKED}, NAMESPACE), Sandboxed)


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"labels": MARKED["labels"]},
        {**MARKED, "annotations": {"monopod.dev/profiles": "x"}},
        {**MARKED, "labels": {}},
    ],
    ids=["bare", "no rows", "other rows", "no label"],
)
def test_a_namespace_without_them_is_not(metadata: dict[str, Any]) -> None:
    assert isinstance(judge_namespace({"metadata": metadata}, NAMESPACE), NotSandboxed)
