"""Which directions of a pod are left to the policies of its namespace's owners, if nobody chose its group."""

from typing import Any

import pytest

from monopod.isolation.rules.membership import Groups, GroupSource
from monopod.isolation.rules.network_policies import Rules
from monopod.isolation.rules.owners_policies import (
    find_left_directions,
    get_opened_directions,
    leave_directions,
    read_concern,
)

BY_NOBODY = Groups(("cluster",), GroupSource.DEFAULT)
LABELS = {"app": "web", "monopod.dev/profile": "shop"}
BOTH = {"ingress", "egress"}


def a_policy(selector: Any = None, **spec: Any) -> dict[str, Any]:
    return {"spec": {"podSelector": selector or {}, **spec}}


def find_left(*policies: dict[str, Any], groups: Groups = BY_NOBODY) -> set[str]:
    return set(find_left_directions(groups, [read_concern(policy) for policy in policies], LABELS))


ABOUT: dict[str, tuple[list[dict[str, Any]], set[str]]] = {
    "no policy": ([], set()),
    "ingress denied": ([a_policy(policyTypes=["Ingress"])], {"ingress"}),
    "egress denied": ([a_policy(policyTypes=["Egress"])], {"egress"}),
    "both denied": ([a_policy(policyTypes=["Ingress", "Egress"])], BOTH),
    "one for each": ([a_policy(policyTypes=["Ingress"]), a_policy(policyTypes=["Egress"])], BOTH),
    "everything allowed": ([a_policy(policyTypes=["Ingress"], ingress=[{}])], {"ingress"}),
    "no types": ([a_policy(ingress=[{}])], {"ingress"}),
    "no types and nothing else": ([a_policy()], {"ingress"}),
    "no types, with rules of egress": ([a_policy(egress=[{}])], BOTH),
    "rules of egress, but not its type": ([a_policy(policyTypes=["Ingress"], egress=[{}])], {"ingress"}),
    "selected by its label": ([a_policy({"matchLabels": {"app": "web"}}, policyTypes=["Egress"])], {"egress"}),
    "selected by an expression": (
        [a_policy({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]})],
        {"ingress"},
    ),
    "another pod selected": ([a_policy({"matchLabels": {"app": "db"}})], set()),
    "one of two selects it": (
        [a_policy({"matchLabels": {"app": "db"}}), a_policy({"matchLabels": {"app": "web"}}, policyTypes=["Egress"])],
        {"egress"},
    ),
    "a selector that can't be read": ([a_policy({"matchExpressions": [{"key": "app", "operator": "Like"}]})], BOTH),
    "types that can't be read": ([a_policy(policyTypes="Ingress")], BOTH),
}


@pytest.mark.parametrize("case", ABOUT)
def test_a_direction_that_a_policy_is_about_is_left_to_it(case: str) -> None:
    policies, expected = ABOUT[case]
    assert find_left(*policies) == expected


CHOSEN = {
    "by the profile": Groups(("cluster",), GroupSource.PROFILE),
    "by the pod": Groups(("cluster",), GroupSource.ANNOTATION),
    "by a SecurityGroupPolicy": Groups(("cluster",), GroupSource.SECURITY_GROUP_POLICY, ("p",)),
    "other groups": Groups(("db",), GroupSource.PROFILE),
    "groups that the pod has by what is unknown now": Groups(("cluster", "db"), GroupSource.DEFAULT),
}


@pytest.mark.parametrize("case", CHOSEN)
def test_groups_that_someone_chose_leave_nothing(case: str) -> None:
    assert find_left(a_policy(policyTypes=["Ingress", "Egress"]), groups=CHOSEN[case]) == set()


def test_what_is_left_is_not_opened() -> None:
    rules = Rules(({"from": []},), ({"to": []},))
    assert leave_directions(rules, frozenset()) == rules
    assert leave_directions(rules, {"ingress"}) == Rules((), rules.egress)
    assert leave_directions(rules, {"ingress", "egress"}) == Rules()
    assert get_opened_directions({"ingress": [], "egress": [{}]}) == {"egress"}
