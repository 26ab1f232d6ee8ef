"""`kubectl fargate nodepool`: reads a profile and its RuntimeClass, and computes what autoscalers need for its pods."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from monopod.capacity.rules.node_class import InvalidNodeClass, NodeClass, parse_node_class, read_node_classes
from monopod.capacity.rules.node_group import build_node_group, describe_node_group
from monopod.capacity.rules.node_pool import build_node_pool
from monopod.capacity.rules.node_shape import Unfit, compute_shape
from monopod.capacity.rules.sandbox import Sandbox
from monopod.cli.failure import ApiFailure, Missing, UnreadableInput
from monopod.cli.input.profiles import read_profile_resource
from monopod.cli.live import NOT_FOUND, Cluster
from monopod.kube.client.api import ApiError
from monopod.kube.objects.fields import InvalidProfile
from monopod.kube.objects.resources import NODE_POOLS, RUNTIME_CLASSES
from monopod.pods.rules.selection import Profile

ARCHITECTURES: Final = {"x86": "amd64", "arm": "arm64"}
"""The words of prices, as Kubernetes has them."""

_NAME_ONE: Final = "Name it with --class, such as --class EC2NodeClass/default."


@dataclass(frozen=True, slots=True)
class Printed:
    """A document, and sentences about it."""

    document: dict[str, Any]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for.

    Attributes:
        profile: the name of a profile of the cluster.
        sandbox: the RuntimeClass of profiles that name none; None: as the profile's status says.
        node_class: of a NodePool's nodes, as KIND/NAME; None: that of the cluster's NodePools, if they have only one.
        architectures: `x86`, `arm` or both.
        max_vcpus: of all nodes of a NodePool.
    """

    profile: str
    sandbox: str | None
    node_class: str | None
    architectures: Sequence[str]
    max_vcpus: int


def compute_node_pool(cluster: Cluster, question: Question) -> Printed:
    """A Karpenter NodePool for the profile's pods.

    Raises:
        UnreadableInput: the node class is none, or there is more than one to choose from, or none.
        ApiFailure: the cluster hasn't the profile or its RuntimeClass, or no node could take its pods.
    """
    # What somebody wrote wrongly is said before anything is asked.
    named = _parse(question.node_class) if question.node_class is not None else None
    profile, sandbox = _fetch(cluster, question)
    shape = compute_shape(sandbox, profile.zones, _translate(question.architectures))
    if isinstance(shape, Unfit):
        raise ApiFailure(shape.reason)
    pool = build_node_pool(profile.name, sandbox, shape, named or _find_class(cluster), question.max_vcpus)
    if isinstance(pool, Unfit):
        raise ApiFailure(pool.reason)
    return Printed(pool.manifest, pool.notes)


def compute_node_group(cluster: Cluster, question: Question) -> Printed:
    """What cluster-autoscaler needs for the profile's pods. Raises ApiFailure as `compute_node_pool` does."""
    profile, sandbox = _fetch(cluster, question)
    shape = compute_shape(sandbox, profile.zones, _translate(question.architectures))
    if isinstance(shape, Unfit):
        raise ApiFailure(shape.reason)
    return Printed(build_node_group(shape), tuple(describe_node_group(profile.name, sandbox, shape)))


def _translate(architectures: Sequence[str]) -> tuple[str, ...]:
    return tuple(ARCHITECTURES[each] for each in dict.fromkeys(architectures))


def _fetch(cluster: Cluster, question: Question) -> tuple[Profile, Sandbox]:
    try:
        profile = read_profile_resource(cluster.read_profile(question.profile), question.sandbox)
    except InvalidProfile as problem:
        raise UnreadableInput(f"FargateProfile {question.profile}: {problem}") from None
    name = profile.runtime_class
    if not name:
        raise UnreadableInput(
            f"FargateProfile {question.profile} names no RuntimeClass, and its status tells none yet. Name it with "
            "--sandbox."
        )
    try:
        return profile, Sandbox.from_resource(cluster.get(RUNTIME_CLASSES.path(name)))
    except ApiError as error:
        if error.status != NOT_FOUND:
            raise
        raise Missing(
            f"There is no RuntimeClass {name}, by which nodes for FargateProfile {question.profile} would be known. "
            "`kubectl fargate doctor` says how to get one."
        ) from None


def _parse(text: str) -> NodeClass:
    try:
        return parse_node_class(text)
    except InvalidNodeClass as problem:
        raise UnreadableInput(str(problem)) from None


def _find_class(cluster: Cluster) -> NodeClass:
    try:
        found = read_node_classes(cluster.list_items(NODE_POOLS.list_path()))
    except ApiError as error:
        if error.status != NOT_FOUND:
            raise
        raise UnreadableInput(
            f"The cluster has no Karpenter, so no node class is known. {_NAME_ONE} For cluster-autoscaler: --for "
            "cluster-autoscaler."
        ) from None
    if len(found) != 1:
        known = f"NodePools use {', '.join(map(str, found))}" if found else "there is no NodePool yet that uses one"
        raise UnreadableInput(f"Which node class shall the nodes have? {known[0].upper()}{known[1:]}. {_NAME_ONE}")
    return found[0]
