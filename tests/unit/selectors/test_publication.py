"""What is written on namespaces and on the ConfigMap of patterns."""

from dataclasses import replace

import pytest

from monopod.kube.objects.text import list_names
from monopod.pods.rules.selection import Profile, Selector
from monopod.selectors.publication import (
    Content,
    NamespaceChange,
    NamespaceView,
    Publish,
    Withdraw,
    build_namespace_patch,
    build_patterns_patch,
    compute_reached,
    decide_namespace,
)

SELECTORS = "web|kata|Pend||"
PROFILE = Profile("web", (Selector("prod-*"), Selector("kube-system")), "kata")


ISOLATED = Content(SELECTORS, is_isolated=True)
WITH_GROUPS = Content(SELECTORS, is_isolated=True, group_policies="db|db||*")
NOTHING = Content("")
SEEN = NamespaceView("a", "true", SELECTORS, isolated="true")


@pytest.mark.parametrize(
    ("view", "content", "change"),
    [
        pytest.param(NamespaceView("a"), NOTHING, None, id="unreached and bare"),
        pytest.param(SEEN, ISOLATED, None, id="as it should be"),
        pytest.param(NamespaceView("a"), ISOLATED, Publish("a", ISOLATED), id="newly reached"),
        pytest.param(NamespaceView("a", "true", "old"), ISOLATED, Publish("a", ISOLATED), id="other selectors"),
        pytest.param(replace(SEEN, label=None), ISOLATED, Publish("a", ISOLATED), id="label removed"),
        pytest.param(replace(SEEN, label="no"), ISOLATED, Publish("a", ISOLATED), id="label changed"),
        pytest.param(replace(SEEN, compiled=None), ISOLATED, Publish("a", ISOLATED), id="selectors removed"),
        pytest.param(replace(SEEN, isolated=None), ISOLATED, Publish("a", ISOLATED), id="isolation seen"),
        pytest.param(SEEN, Content(SELECTORS), Publish("a", Content(SELECTORS)), id="isolation no longer seen"),
        pytest.param(NamespaceView("a", "true", SELECTORS), Content(SELECTORS), None, id="isolation not seen yet"),
        pytest.param(SEEN, WITH_GROUPS, Publish("a", WITH_GROUPS), id="new SecurityGroupPolicy"),
        pytest.param(
            replace(SEEN, group_policies="db|db||*"), WITH_GROUPS, None, id="SecurityGroupPolicy as it should be"
        ),
        pytest.param(
            replace(SEEN, group_policies="x"), ISOLATED, Publish("a", ISOLATED), id="SecurityGroupPolicy gone"
        ),
        pytest.param(SEEN, NOTHING, Withdraw("a"), id="no longer reached"),
        pytest.param(NamespaceView("a", "true", None), NOTHING, Withdraw("a"), id="forged label"),
        pytest.param(NamespaceView("a", None, SELECTORS), NOTHING, Withdraw("a"), id="forged selectors"),
        pytest.param(NamespaceView("a", "", ""), NOTHING, Withdraw("a"), id="forged and empty"),
        pytest.param(NamespaceView("a", isolated="true"), NOTHING, Withdraw("a"), id="forged isolation"),
        pytest.param(NamespaceView("a", terminating=True), ISOLATED, None, id="being deleted"),
    ],
)
def test_a_namespace_is_written_only_if_it_differs(
    view: NamespaceView, content: Content, change: NamespaceChange | None
) -> None:
    assert decide_namespace(view, content) == change


@pytest.mark.parametrize(
    ("change", "label", "annotations"),
    [
        pytest.param(Publish("a", Content(SELECTORS)), "true", (SELECTORS, None, None), id="not isolated yet"),
        pytest.param(Publish("a", WITH_GROUPS), "true", (SELECTORS, "true", "db|db||*"), id="isolated"),
        pytest.param(Withdraw("a"), None, (None, None, None), id="withdrawn"),
    ],
)
def test_a_change_of_a_namespace_writes_all_marks(
    change: NamespaceChange, label: str | None, annotations: tuple[str | None, ...]
) -> None:
    names = ("monopod.dev/profiles", "monopod.dev/isolated", "monopod.dev/security-group-policies")
    assert build_namespace_patch(change, "its uid") == {
        "metadata": {
            "uid": "its uid",
            "labels": {"monopod.dev/fargate": label},
            "annotations": dict(zip(names, annotations, strict=True)),
        }
    }


def test_patterns_are_written_only_if_they_differ() -> None:
    assert build_patterns_patch({"rows": "x"}, {"rows": "x"}) is None
    assert build_patterns_patch(None, {"rows": ""}) == {"data": {"rows": ""}}
    assert build_patterns_patch({"rows": "y", "more": "z"}, {"rows": "x"}) == {"data": {"rows": "x", "more": None}}


def test_a_profile_reaches_namespaces_by_name_and_protected_ones_only_by_their_exact_name() -> None:
    names = ["prod-b", "dev", "kube-system", "prod-system", "prod-a"]
    views = [NamespaceView(name) for name in names] + [NamespaceView("prod-gone", terminating=True)]
    reached = compute_reached([PROFILE], views, {"kube-system", "prod-system"})
    assert reached == {PROFILE.name: ["kube-system", "prod-a", "prod-b"]}


def test_a_long_list_of_names_is_cut_and_counted() -> None:
    assert list_names(["a", "b"]) == "a, b"
    assert list_names(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
