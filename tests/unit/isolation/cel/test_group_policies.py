"""SecurityGroupPolicies as the text that the policies on pods read."""

from typing import Any

import pytest

from monopod.api.names import EKS_PROFILE_LABEL, GROUP_LABEL_PREFIX
from monopod.cel.compiled_selectors import SelectorsTooLarge
from monopod.isolation.cel import group_policies
from monopod.isolation.cel.group_policies import compile_group_policies
from monopod.isolation.rules.group_policy import GroupPolicy
from monopod.kube.objects.label_selector import LabelSelector

ACCOUNTS = {"default": {}, "builder": {"team": "ci"}, "agent": {"team": "ci"}}


def selecting(*expressions: tuple[str, str] | tuple[str, str, list[str]], **pairs: str) -> LabelSelector:
    as_dicts: list[dict[str, Any]] = [
        {"key": each[0], "operator": each[1], **({"values": each[2]} if len(each) == 3 else {})} for each in expressions
    ]
    return LabelSelector.from_dict({"matchLabels": pairs, "matchExpressions": as_dicts})


def a_policy(
    name: str, *groups: str, pods: LabelSelector | None = None, accounts: LabelSelector | None = None
) -> GroupPolicy:
    return GroupPolicy("prod", name, groups, pods, accounts)


def compiled(*policies: GroupPolicy) -> list[str]:
    return compile_group_policies(policies, ACCOUNTS).splitlines()


def test_no_policy_no_text() -> None:
    assert compile_group_policies([], ACCOUNTS) == ""


def test_a_row_per_policy_sorted_by_name() -> None:
    found = compiled(a_policy("b", "web", "db", "web", pods=LabelSelector()), a_policy("a", "x", pods=LabelSelector()))
    assert found == ["a|x||*", "b|db,web||*"]


def test_what_a_policy_requires_of_labels() -> None:
    pods = selecting(("tier", "NotIn", ["b", "a"]), ("a.io/x", "Exists"), ("y", "DoesNotExist"), app="shop", empty="")
    assert compiled(a_policy("p", "web", pods=pods)) == ["p|web|+a.io/x +app=shop +empty= -tier=a,b -y|*"]


def test_before_policies_that_select_by_account_stand_all_accounts() -> None:
    found = compiled(
        a_policy("p", "web", accounts=selecting(team="ci")), a_policy("q", "db", accounts=selecting(team="x"))
    )
    assert found == ["accounts|agent,builder,default", "p|web||agent,builder", "q|db||"]


def test_a_policy_named_accounts_is_a_policy() -> None:
    assert compiled(a_policy("accounts", "web", pods=LabelSelector())) == ["accounts|web||*"]


def test_a_policy_without_any_selector_makes_no_row() -> None:
    assert compiled(a_policy("p", "web")) == []


def test_a_label_that_no_selector_sees_is_never_there() -> None:
    key = f"{GROUP_LABEL_PREFIX}web"
    assert compiled(a_policy("p", "web", pods=selecting((key, "Exists")))) == []
    assert compiled(a_policy("p", "web", pods=selecting(**{key: "true"}))) == []
    assert compiled(a_policy("p", "web", pods=selecting((key, "DoesNotExist"), (key, "NotIn", ["a"])))) == ["p|web||*"]


def test_the_profile_is_seen() -> None:
    assert compiled(a_policy("p", "web", pods=selecting(**{EKS_PROFILE_LABEL: "web"}))) == [
        f"p|web|+{EKS_PROFILE_LABEL}=web|*"
    ]


def too_many(count: int, pods: LabelSelector) -> list[GroupPolicy]:
    return [a_policy(f"p{number:04}", "web", pods=pods) for number in range(count)]


LARGE = {
    "policies": (too_many(group_policies.MAX_GROUP_POLICIES + 1, LabelSelector()), "501 SecurityGroupPolicies"),
    "values": (too_many(21, selecting(("k", "In", [f"v{n}" for n in range(100)]))), "2100 keys and values"),
    "bytes": (too_many(500, selecting(("k", "In", ["v" * 63, "w" * 63, "x" * 50]))), "bytes of SecurityGroupPolicies"),
}


@pytest.mark.parametrize(("policies", "what"), LARGE.values(), ids=LARGE)
def test_more_than_admission_can_read_is_refused(policies: list[GroupPolicy], what: str) -> None:
    with pytest.raises(SelectorsTooLarge, match=what):
        compile_group_policies(policies, ACCOUNTS)


def test_what_is_within_bounds_is_not() -> None:
    assert (
        len(compile_group_policies(too_many(group_policies.MAX_GROUP_POLICIES, LabelSelector()), ACCOUNTS).splitlines())
        == 500
    )
