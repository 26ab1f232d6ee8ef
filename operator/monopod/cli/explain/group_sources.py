"""What decides on a pod's security groups besides its profile: SecurityGroupPolicies and ServiceAccounts.

They come from the cluster, or from the same files as the pods and profiles where no cluster is asked.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import click

from monopod.cli.failure import UnreadableInput
from monopod.isolation.rules.group_policy import GroupPolicy
from monopod.isolation.rules.membership import Groups, InvalidGroups, awaits_account, choose_groups, get_account
from monopod.kube.client.api import ApiError
from monopod.kube.objects.fields import InvalidGroupPolicy, Part
from monopod.kube.objects.resources import GROUP_POLICIES, SERVICE_ACCOUNTS
from monopod.pods.rules.selection import Profile

if TYPE_CHECKING:
    from monopod.cli.live import Cluster

Accounts = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The SecurityGroupPolicies of a namespace, and the labels of its ServiceAccounts by name."""

    policies: Sequence[GroupPolicy] = ()
    accounts: Accounts = field(default_factory=dict)

    def beside(self, other: "Surroundings") -> "Surroundings":
        """Both; of two policies of one name, as of two accounts, the other's counts."""
        policies = {policy.name: policy for policy in (*self.policies, *other.policies)}
        return Surroundings(list(policies.values()), {**self.accounts, **other.accounts})


NO_SURROUNDINGS: Final = Surroundings()


@dataclass(frozen=True, slots=True)
class GroupsAnswer:
    """The groups that a pod would have.

    Attributes:
        groups: None if the pod is refused, because its annotation doesn't name groups.
        refusal: why it is.
        unknown_account: a ServiceAccount that would have a say and isn't known; "" if there is none.
    """

    groups: Groups | None
    refusal: str = ""
    unknown_account: str = ""


def answer_groups(pod: Mapping[str, object], profile: Profile, surroundings: Surroundings) -> GroupsAnswer:
    """The groups of a pod that the profile takes.

    Raises:
        InvalidPod: a field is of the wrong type.
    """
    metadata, account = Part(pod).child("metadata"), get_account(pod)
    labels, policies, accounts = metadata.text_map("labels"), surroundings.policies, surroundings.accounts
    try:
        groups = choose_groups(labels, metadata.text_map("annotations"), account, profile, policies, accounts)
    except InvalidGroups as problem:
        return GroupsAnswer(None, str(problem))
    awaits = awaits_account(labels, account, profile, policies, accounts)
    return GroupsAnswer(groups, unknown_account=account if awaits else "")


def find_in_documents(documents: Iterable[object], namespace: str, default: str) -> Surroundings:
    """Those of a namespace in manifests; one that names no namespace belongs to the default one.

    Raises:
        UnreadableInput: a SecurityGroupPolicy can't be read.
    """
    policies: list[GroupPolicy] = []
    accounts: dict[str, Mapping[str, str]] = {}
    for document in documents:
        if not isinstance(document, Mapping):
            continue
        metadata = document.get("metadata")
        if not isinstance(metadata, Mapping) or (metadata.get("namespace") or default) != namespace:
            continue
        if document.get("kind") == "SecurityGroupPolicy":
            try:
                policies.append(GroupPolicy.from_resource(document))
            except InvalidGroupPolicy as problem:
                raise UnreadableInput(f"SecurityGroupPolicy {metadata.get('name')}: {problem}") from None
        elif document.get("kind") == "ServiceAccount":
            labels = metadata.get("labels")
            accounts[str(metadata.get("name"))] = labels if isinstance(labels, Mapping) else {}
    return Surroundings(policies, accounts)


def fetch(cluster: "Cluster", namespace: str) -> Surroundings:
    """Those of a namespace of the cluster; what may not be read is left out, and a note on stderr says so.

    Raises:
        ApiUnreachable: the API server can't be reached.
        ApiError: it refused for another reason.
    """
    policies = []
    for resource in _list(cluster, GROUP_POLICIES.list_path(namespace), "SecurityGroupPolicies"):
        try:
            policies.append(GroupPolicy.from_resource(resource))
        except InvalidGroupPolicy as problem:
            # The operator passes it over too; with our own CRD none is stored.
            name = resource["metadata"]["name"]
            click.echo(f"Note: SecurityGroupPolicy {name} is passed over: {problem}", err=True)
    if all(policy.accounts is None for policy in policies):
        return Surroundings(policies)
    found = _list(cluster, SERVICE_ACCOUNTS.list_path(namespace), "ServiceAccounts")
    return Surroundings(policies, {item["metadata"]["name"]: item["metadata"].get("labels") or {} for item in found})


def _list(cluster: "Cluster", path: str, kinds: str) -> Sequence[dict[str, Any]]:
    try:
        return cluster.list_items(path)
    except ApiError as error:
        if error.status == HTTPStatus.NOT_FOUND:
            return ()  # the cluster doesn't have EKS's kind
        if error.status != HTTPStatus.FORBIDDEN:
            raise
        click.echo(f"Note: the security groups may be others, as you may not list {kinds}.", err=True)
        return ()
