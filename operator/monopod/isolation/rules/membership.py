"""Which security groups a pod belongs to, and the marks that say so.

Source: EKS user guide, "Assign security groups to individual Pods". The first of these that applies:

    SecurityGroupPolicies of the namespace that match the pod   all their groups together, as AWS's controller does
    the annotation monopod.dev/security-groups                  if the pod's profile allows it
    the profile's securityGroups
    the group `cluster`

Whether a group exists is not known here: a pod whose group doesn't exist is denied all traffic (`network_policies`).
The admission policies decide the same in CEL (`monopod.isolation.cel.groups`).
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from monopod.api.names import (
    DEFAULT_GROUP,
    EKS_PROFILE_LABEL,
    GROUP_COUNT_LABEL,
    GROUP_LABEL_PREFIX,
    GROUPS_ANNOTATION,
    POD_GROUPS_ANNOTATION,
    PROFILE_LABEL,
)
from monopod.isolation.rules.group_policy import GroupPolicy
from monopod.isolation.rules.security_group import is_group_name
from monopod.kube.objects.fields import InvalidPod, Part
from monopod.kube.objects.names import DNS_LABEL
from monopod.pods.rules.selection import Profile, is_written
from monopod.pods.view import MAX_ANNOTATED

DEFAULT_ACCOUNT: Final = "default"
MEMBER: Final = "true"
"""The value of a group's label."""

MAX_GROUPS: Final = 5
"""As on EKS; the groups of several SecurityGroupPolicies may be more together."""

_NAME: Final = rf"[ \t]*{DNS_LABEL}[ \t]*"
ANNOTATED_GROUPS: Final = f"^{_NAME}(,{_NAME}){{0,{MAX_GROUPS - 1}}}$"
"""The annotation as pods' authors write it; read by the admission policy too."""


MALFORMED: Final = (
    f"must name 1 to {MAX_GROUPS} security groups, separated by commas, as in 'web,db': lower-case letters, digits "
    "and '-', at most 63 characters each"
)


class GroupSource(StrEnum):
    """What decided on a pod's groups."""

    SECURITY_GROUP_POLICY = "SecurityGroupPolicy"
    ANNOTATION = "Annotation"
    PROFILE = "Profile"
    DEFAULT = "Default"


@dataclass(frozen=True, slots=True)
class Groups:
    """The security groups of a pod.

    Attributes:
        names: each once, sorted.
        source: what decided on them.
        origin: the names of the SecurityGroupPolicies that match, sorted; of no other source.
    """

    names: tuple[str, ...]
    source: GroupSource
    origin: tuple[str, ...] = ()


class InvalidGroups(InvalidPod):
    """A pod asks for security groups in a way that admission refuses."""


def choose_groups(
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    account: str,
    profile: Profile,
    policies: Sequence[GroupPolicy],
    accounts: Mapping[str, Mapping[str, str]],
) -> Groups:
    """The groups of a pod.

    Args:
        labels: the pod's, before or after admission.
        annotations: the pod's.
        account: the name of its ServiceAccount.
        profile: the profile that takes it.
        policies: the SecurityGroupPolicies of its namespace.
        accounts: the labels of the namespace's ServiceAccounts by name. None that is missing here is selected.

    Raises:
        InvalidGroups: the annotation decides, and admission refuses what it says.
    """
    matching = [
        policy
        for policy in policies
        if _selects_pod(policy, labels, profile) and _selects_account(policy, accounts.get(account))
    ]
    if matching:
        names = (name for policy in matching for name in policy.groups)
        return Groups(_tidy(names), GroupSource.SECURITY_GROUP_POLICY, tuple(sorted(each.name for each in matching)))
    asked = get_annotated_groups(annotations) if profile.pod_security_groups == "Allow" else None
    if asked is not None:
        return Groups(asked, GroupSource.ANNOTATION)
    if profile.security_groups:
        return Groups(_tidy(profile.security_groups), GroupSource.PROFILE)
    return Groups((DEFAULT_GROUP,), GroupSource.DEFAULT)


def depends_on_account(labels: Mapping[str, str], profile: Profile, policies: Sequence[GroupPolicy]) -> bool:
    """Whether the labels of the pod's ServiceAccount have a say in its groups."""
    return any(policy.accounts is not None and _selects_pod(policy, labels, profile) for policy in policies)


def awaits_account(
    labels: Mapping[str, str],
    account: str,
    profile: Profile,
    policies: Sequence[GroupPolicy],
    accounts: Mapping[str, Mapping[str, str]],
) -> bool:
    """Whether the pod must not run yet: its groups depend on a ServiceAccount that isn't known. As `choose_groups`."""
    return account not in accounts and depends_on_account(labels, profile, policies)


def get_account(pod: Mapping[str, object]) -> str:
    """The name of the ServiceAccount that a pod runs as.

    Raises:
        InvalidPod: a field is of the wrong type.
    """
    spec = Part(pod).child("spec")
    return spec.text("serviceAccountName") or spec.text("serviceAccount") or DEFAULT_ACCOUNT


def get_annotated_groups(annotations: Mapping[str, str]) -> tuple[str, ...] | None:
    """The groups that a pod asks for, sorted; None if it doesn't ask.

    Raises:
        InvalidGroups: it doesn't name 1 to 5 groups.
    """
    text = annotations.get(GROUPS_ANNOTATION)
    if text is None:
        return None
    if len(text) > MAX_ANNOTATED or not re.fullmatch(ANNOTATED_GROUPS.strip("^$"), text):
        raise InvalidGroups(f"metadata.annotations[{GROUPS_ANNOTATION}]: {MALFORMED}")
    return _tidy(name.strip(" \t") for name in text.split(","))


def build_group_marks(names: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The labels and the annotations of a pod in these groups, which are sorted and each named once."""
    labels = {f"{GROUP_LABEL_PREFIX}{name}": MEMBER for name in names}
    return {**labels, GROUP_COUNT_LABEL: str(len(names))}, {POD_GROUPS_ANNOTATION: ",".join(names)}


def _selects_pod(policy: GroupPolicy, labels: Mapping[str, str], profile: Profile) -> bool:
    """Whether the policy's podSelector selects the pod. A policy without any selector selects none, as on EKS.

    Of the labels that admission writes, a selector sees the profile's name, before admission wrote it too, and not
    the groups: a group must not depend on itself.
    """
    if policy.pods is None:
        return policy.accounts is not None
    own = {key: value for key, value in labels.items() if not is_written(key)}
    return policy.pods.matches({**own, PROFILE_LABEL: profile.name, EKS_PROFILE_LABEL: profile.name})


def _selects_account(policy: GroupPolicy, labels: Mapping[str, str] | None) -> bool:
    return policy.accounts is None or (labels is not None and policy.accounts.matches(labels))


def _tidy(names: Iterable[str]) -> tuple[str, ...]:
    """Sorted, each once; no other than a group can have. Where nothing is left the pod belongs to none."""
    return tuple(sorted({name for name in names if is_group_name(name)}))
