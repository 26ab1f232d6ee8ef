"""What is written on namespaces and on the ConfigMap of patterns."""

import pytest

from monopod.domain.publication import (
    NamespaceChange,
    NamespaceView,
    Publish,
    Withdraw,
    build_namespace_patch,
    build_patterns_patch,
    decide_namespace,
    find_reached,
    list_names,
)
from monopod.domain.selection import Profile, Selector

ROWS = "web|kata|Pend||"
PROFILE = Profile("web", (Selector("prod-*"), Selector("kube-system")), "kata")


@pytest.mark.parametrize(
    ("view", "rows", "change"),
    [
        pytest.param(NamespaceView("a"), "", None, id="unreached and bare"),
        pytest.param(NamespaceView("a", "true", ROWS), ROWS, None, id="as it should be"),
        pytest.param(NamespaceView("a"), ROWS, Publish("a", ROWS), id="newly reached"),
        pytest.param(NamespaceView("a", "true", "old"), ROWS, Publish("a", ROWS), id="other rows"),
        pytest.param(NamespaceView("a", None, ROWS), ROWS, Publish("a", ROWS), id="label removed"),
        pytest.param(NamespaceView("a", "no", ROWS), ROWS, Publish("a", ROWS), id="label changed"),
        pytest.param(NamespaceView("a", "true", None), ROWS, Publish("a", ROWS), id="rows removed"),
        pytest.param(NamespaceView("a", "true", ROWS), "", Withdraw("a"), id="no longer reached"),
        pytest.param(NamespaceView("a", "true", None), "", Withdraw("a"), id="forged label"),
        pytest.param(NamespaceView("a", None, ROWS), "", Withdraw("a"), id="forged rows"),
        pytest.param(NamespaceView("a", "", ""), "", Withdraw("a"), id="forged and empty"),
        pytest.param(NamespaceView("a", terminating=True), ROWS, None, id="being deleted"),
    ],
)
def test_a_namespace_is_written_only_if_it_differs(
    view: NamespaceView, rows: str, change: NamespaceChange | None
) -> None:
    assert decide_namespace(view, rows) == change


def test_a_publication_sets_both_marks() -> None:
    assert build_namespace_patch(Publish("a", ROWS)) == {
        "metadata": {"labels": {"monopod.dev/fargate": "true"}, "annotations": {"monopod.dev/profiles": ROWS}}
    }


def test_a_withdrawal_removes_both_marks() -> None:
    assert build_namespace_patch(Withdraw("a")) == {
        "metadata": {"labels": {"monopod.dev/fargate": None}, "annotations": {"monopod.dev/profiles": None}}
    }


def test_patterns_are_written_only_if_they_differ() -> None:
    assert build_patterns_patch({"rows": "x"}, {"rows": "x"}) is None
    assert build_patterns_patch(None, {"rows": ""}) == {"data": {"rows": ""}}
    assert build_patterns_patch({"rows": "y", "more": "z"}, {"rows": "x"}) == {"data": {"rows": "x", "more": None}}


def test_a_profile_reaches_namespaces_by_name_and_protected_ones_only_by_their_exact_name() -> None:
    names = ["prod-b", "dev", "kube-system", "prod-system", "prod-a"]
    views = [NamespaceView(name) for name in names] + [NamespaceView("prod-gone", terminating=True)]
    reached = find_reached(PROFILE, views, {"kube-system", "prod-system"})
    assert [view.name for view in reached] == ["kube-system", "prod-a", "prod-b"]


def test_a_long_list_of_names_is_cut_and_counted() -> None:
    assert list_names(["a", "b"]) == "a, b"
    assert list_names(["a", "b", "c", "d", "e"]) == "a, b, c and 2 more"
