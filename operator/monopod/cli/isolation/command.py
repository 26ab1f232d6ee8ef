"""`kubectl fargate isolation`: reads a pod, the NetworkPolicies of its namespace and its groups; says what is open."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from monopod.api.names import (
    GROUP_LABEL_PREFIX,
    PROFILE_LABEL,
    TASK_LABEL,
)
from monopod.cli.failure import ApiFailure
from monopod.cli.isolation.findings import GroupFinding, GroupState, Identity, PodIsolation
from monopod.cli.live import NOT_FOUND, Cluster
from monopod.isolation.rules.effective_rules import compute_effective_rules
from monopod.isolation.rules.network_policies import build_task_id
from monopod.isolation.rules.security_group import SecurityGroup
from monopod.kube.client.api import ApiError
from monopod.kube.objects.fields import InvalidGroup
from monopod.kube.objects.resources import NETWORK_POLICIES, SECURITY_GROUPS


def inspect_pod(name: str, namespace: str | None, kubeconfig: str | None, context: str | None) -> PodIsolation:
    """Gathers what holds for a pod of the cluster.

    Raises:
        ApiFailure: the pod isn't there or isn't Fargate's.
        ApiUnreachable: the API server can't be reached.
        ApiError: it refused.
    """
    cluster = Cluster.connect(kubeconfig, context)
    namespace = namespace or cluster.namespace
    pod = cluster.read_pod(name, namespace)
    if PROFILE_LABEL not in (pod["metadata"].get("labels") or {}):
        raise ApiFailure(
            f"Pod {name} in namespace {namespace} isn't on Fargate, so it has no security groups: "
            "no profile took it when it was created."
        )
    policies = cluster.list_items(NETWORK_POLICIES.list_path(namespace))
    names = get_group_names(pod["metadata"]["labels"])
    return assess(pod, policies, [_read_group(cluster, each) for each in names])


def get_group_names(labels: Mapping[str, str]) -> list[str]:
    """The groups that a pod's labels say it belongs to, sorted."""
    return sorted(key.removeprefix(GROUP_LABEL_PREFIX) for key in labels if key.startswith(GROUP_LABEL_PREFIX))


def assess(
    pod: Mapping[str, Any], policies: Sequence[Mapping[str, Any]], groups: Sequence[GroupFinding]
) -> PodIsolation:
    """What the policies do to the pod, a Fargate pod with these groups."""
    metadata, labels = pod["metadata"], dict(pod["metadata"]["labels"])
    identity = _compute_identity(pod, policies)
    node = [each["ip"] for each in (pod.get("status") or {}).get("hostIPs") or () if each.get("ip")]
    known = [each.group for each in groups if each.group]
    rules = compute_effective_rules(labels, metadata["namespace"], policies, known, node)
    return PodIsolation(metadata["name"], metadata["namespace"], labels[PROFILE_LABEL], identity, tuple(groups), rules)


def read_finding(name: str, resource: Mapping[str, Any]) -> GroupFinding:
    """A group as the API server has it."""
    if "deletionTimestamp" in resource["metadata"]:
        return GroupFinding(name, GroupState.DELETING, "is being deleted")
    try:
        return GroupFinding(name, GroupState.FOUND, group=SecurityGroup.from_resource(resource))
    except InvalidGroup as problem:
        return GroupFinding(name, GroupState.INVALID, f"can't be used: {problem}")


def _read_group(cluster: Cluster, name: str) -> GroupFinding:
    try:
        return read_finding(name, cluster.get(SECURITY_GROUPS.path(name)))
    except ApiError as error:
        if error.status == NOT_FOUND:
            return GroupFinding(name, GroupState.MISSING, "doesn't exist")
        if error.status == HTTPStatus.FORBIDDEN:
            # People of one namespace may lack the right to read what is cluster-wide; the policies tell most of it.
            return GroupFinding(name, GroupState.UNREADABLE, "can't be read: you may not get SecurityGroups")
        raise


def _compute_identity(pod: Mapping[str, Any], policies: Sequence[Mapping[str, Any]]) -> Identity:
    if TASK_LABEL in pod["metadata"]["labels"]:
        return Identity.GIVEN
    own = {TASK_LABEL: build_task_id(pod["metadata"]["uid"])}
    has_own = any((each["spec"].get("podSelector") or {}).get("matchLabels") == own for each in policies)
    return Identity.MISSING if has_own else Identity.NOT_NEEDED
