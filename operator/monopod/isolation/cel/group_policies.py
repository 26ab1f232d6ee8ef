"""The SecurityGroupPolicies of a namespace, compiled to the text that the policies on pods read.

They stand in an annotation of the namespace, a line each, sorted by name, made for CEL's `split` like the selectors of
profiles (see `monopod.selectors.compile`):

    accounts|build,deploy
    db-clients|db,web|+app=shop,cart -tier=test +team|*
    deployers|deploy||deploy
    │         │      │ └ the ServiceAccounts that it selects; `*`: it doesn't ask for any
    │         │      └ what the pod's labels must be: +key=a,b In, -key=a,b NotIn, +key Exists, -key DoesNotExist
    │         └ security groups
    └ name

The first line names all ServiceAccounts of the namespace that the operator has seen. It is there if a line selects by
ServiceAccount: a pod of another one waits until the operator has seen that too. What no label can ever fulfil, or
fail, is worked out here: the line, or the requirement, is left out.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from monopod.api.names import EKS_PROFILE_LABEL, PROFILE_LABEL
from monopod.cel.compiled_selectors import (
    FOREIGN,
    GROUP_SEPARATOR,
    LINE_SEPARATOR,
    PAIR_SEPARATOR,
    SEPARATOR,
    check_bound,
)
from monopod.isolation.rules.group_policy import GroupPolicy
from monopod.isolation.rules.security_group import is_group_name
from monopod.kube.objects.label_selector import Requirement
from monopod.pods.rules.selection import is_written

ACCOUNTS: Final = "accounts"
VALUE_SEPARATOR: Final = ","
ANY_ACCOUNT: Final = "*"

MAX_GROUP_POLICIES: Final = 500
"""SecurityGroupPolicies in a namespace."""

MAX_LOOKED_UP: Final = 2000
"""Keys and values in all podSelectors of a namespace. Each is looked up among the pod's labels, and CEL has a budget
of cost per expression: beyond it pods would be refused."""

MAX_GROUP_POLICIES_BYTES: Final = 64 * 1024
"""Kubernetes allows 256 KiB for all annotations of an object together; the compiled selectors are there too."""


def compile_group_policies(policies: Iterable[GroupPolicy], accounts: Mapping[str, Mapping[str, str]]) -> str:
    """The compiled SecurityGroupPolicies of a namespace; empty if no pod can match any.

    Args:
        policies: those of one namespace, in any order.
        accounts: the labels of all its ServiceAccounts, by name.

    Raises:
        SelectorsTooLarge: they don't fit into an annotation, or are too many. The namespace must then not be marked as
            isolated, so that its new pods wait for the operator, which works their groups out itself.
    """
    compiled: list[str] = []
    by_account = False
    for policy in sorted(policies, key=lambda each: each.name.encode()):
        requirements = _compile_pods(policy)
        if requirements is not None:
            by_account = by_account or policy.accounts is not None
            compiled.append(
                SEPARATOR.join((policy.name, _join_groups(policy), requirements, _select(policy, accounts)))
            )
    known = [f"{ACCOUNTS}{SEPARATOR}{VALUE_SEPARATOR.join(sorted(accounts))}"] if by_account else []
    text = LINE_SEPARATOR.join([*known, *compiled])
    _check_bounds(compiled, text)
    return text


def _check_bounds(compiled: list[str], text: str) -> None:
    requirements = PAIR_SEPARATOR.join(each.split(SEPARATOR)[2] for each in compiled)
    looked_up = sum(need.count(VALUE_SEPARATOR) + 1 for need in requirements.split())
    has, place = "there are", "a namespace"
    check_bound(len(compiled), MAX_GROUP_POLICIES, f"{has} {{}} SecurityGroupPolicies", place)
    check_bound(looked_up, MAX_LOOKED_UP, f"{has} {{}} keys and values in the podSelectors", place)
    check_bound(len(text.encode()), MAX_GROUP_POLICIES_BYTES, f"{has} {{}} bytes of SecurityGroupPolicies", place)


def _join_groups(policy: GroupPolicy) -> str:
    """The policy's groups that can exist; with none its pods belong to no group, and are denied all traffic."""
    return GROUP_SEPARATOR.join(sorted({name for name in policy.groups if is_group_name(name)}))


def _select(policy: GroupPolicy, accounts: Mapping[str, Mapping[str, str]]) -> str:
    if policy.accounts is None:
        return ANY_ACCOUNT
    return VALUE_SEPARATOR.join(sorted(name for name, labels in accounts.items() if policy.accounts.matches(labels)))


def _compile_pods(policy: GroupPolicy) -> str | None:
    """What the policy requires of the pod's labels; None if no pod can match."""
    if policy.pods is None:
        # A policy without any selector selects nothing, as on EKS.
        return None if policy.accounts is None else ""
    needs = [_compile_requirement(each) for each in policy.pods.requirements]
    return None if None in needs else PAIR_SEPARATOR.join(need for need in needs if need)


def _compile_requirement(requirement: Requirement) -> str | None:
    """The requirement; empty if every pod meets it, None if none does."""
    key, wanted = requirement.key, requirement.operator in ("In", "Exists")
    values = [value for value in requirement.values if not FOREIGN.search(value)]
    by_value = requirement.operator in ("In", "NotIn")
    if _is_never_there(key) or (by_value and not values):
        return None if wanted else ""
    sign = "+" if wanted else "-"
    return f"{sign}{key}={VALUE_SEPARATOR.join(values)}" if by_value else f"{sign}{key}"


def _is_never_there(key: str) -> bool:
    """Whether no pod has such a label, as the policies see it: of what admission writes they see the profile's name."""
    hidden = is_written(key) and key not in (PROFILE_LABEL, EKS_PROFILE_LABEL)
    return hidden or FOREIGN.search(key) is not None
