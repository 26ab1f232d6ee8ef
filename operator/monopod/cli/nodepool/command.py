"""`kubectl fargate nodepool`: reads a profile and its RuntimeClass, and computes what autoscalers need for its pods."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from monopod.api.names import FARGATE_SPOT
from monopod.capacity.rules.node_class import InvalidNodeClass, NodeClass, parse_node_class, read_node_classes
from monopod.capacity.rules.node_group import build_node_group, describe_node_group
from monopod.capacity.rules.node_pool import build_node_pool
from monopod.capacity.rules.node_shape import NodeShape, SpotUse, Unfit, compute_shape
from monopod.capacity.rules.sandbox import Sandbox
from monopod.capacity.rules.spot_notes import describe_spot
from monopod.cli.doctor.diagnosis import list_arguments
from monopod.cli.failure import ApiFailure, Missing, UnreadableInput, describe_refusal
from monopod.cli.input.profiles import read_profile_resource
from monopod.cli.live import NOT_FOUND, Cluster
from monopod.kube.client.api import ApiError
from monopod.kube.objects.fields import InvalidProfile
from monopod.kube.objects.resources import DEPLOYMENTS, NODE_POOLS, RUNTIME_CLASSES
from monopod.pods.rules.selection import Profile
from monopod.spot.rules.settings import read_fallbacks

ARCHITECTURES: Final = {"x86": "amd64", "arm": "arm64"}
"""The words of prices, as Kubernetes has them."""

SPOT_EXAMPLE: Final = "karpenter.sh/capacity-type=spot for instance"
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
        provider: FARGATE or FARGATE_SPOT; None: the profile's.
        spot_label: the label of Spot's nodes, `key=value`, "" if they have none; None: as the operator is told.
    """

    profile: str
    sandbox: str | None
    node_class: str | None
    architectures: Sequence[str]
    max_vcpus: int
    provider: str | None = None
    spot_label: str | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    """The profile that is asked about, its RuntimeClass, for which capacity, and whether pods may leave Spot."""

    profile: Profile
    sandbox: Sandbox
    spot: SpotUse
    falls_back: bool


def compute_node_pool(cluster: Cluster, question: Question) -> Printed:
    """A Karpenter NodePool for the profile's pods.

    Raises:
        UnreadableInput: the node class is none, or there is more than one to choose from, or none.
        ApiFailure: the cluster hasn't the profile or its RuntimeClass, or no node could take its pods.
    """
    # What somebody wrote wrongly is said before anything is asked.
    named = _parse(question.node_class) if question.node_class is not None else None
    asked = _fetch(cluster, question)
    profile, sandbox, spot = asked.profile, asked.sandbox, asked.spot
    shape = _compute_shape(question, asked)
    pool = build_node_pool(profile.name, sandbox, shape, named or _find_class(cluster), question.max_vcpus)
    if isinstance(pool, Unfit):
        raise ApiFailure(pool.reason)
    notes = describe_spot(profile.name, spot, _describe_both(asked), SPOT_EXAMPLE)
    return Printed(pool.manifest, (*pool.notes, *notes))


def compute_node_group(cluster: Cluster, question: Question) -> Printed:
    """What cluster-autoscaler needs for the profile's pods. Raises ApiFailure as `compute_node_pool` does."""
    asked = _fetch(cluster, question)
    name, shape = asked.profile.name, _compute_shape(question, asked)
    notes = describe_spot(name, asked.spot, _describe_both(asked), "the label that they have on your cloud")
    return Printed(build_node_group(shape), (*describe_node_group(name, asked.sandbox, shape), *notes))


def _compute_shape(question: Question, asked: _Asked) -> NodeShape:
    shape = compute_shape(asked.sandbox, asked.profile.zones, _translate(question.architectures), asked.spot)
    if isinstance(shape, Unfit):
        raise ApiFailure(shape.reason)
    return shape


def _find_spot_use(cluster: Cluster, question: Question, profile: Profile) -> SpotUse:
    is_spot = question.provider == FARGATE_SPOT if question.provider else profile.is_spot
    return SpotUse(is_spot, _read_spot_label(cluster) if question.spot_label is None else question.spot_label)


def _read_spot_label(cluster: Cluster) -> str:
    """The label of Spot's nodes, as the operator is told.

    Raises:
        UnreadableInput: the operator can't be looked at.
    """
    try:
        deployments = cluster.list_items(DEPLOYMENTS.list_path(), {"labelSelector": "app.kubernetes.io/name=monopod"})
    except ApiError as error:
        raise UnreadableInput(
            f"Which label Spot's nodes have can't be read of the operator's Deployment: {describe_refusal(error)} Name "
            "it with --spot-node-label, as the chart's spot.nodeLabel has it; '' if that is empty."
        ) from None
    arguments = list_arguments(deployments)
    return next((each.partition("=")[2] for each in arguments if each.startswith("--spot-node-label=")), "")


def _describe_both(asked: _Asked) -> str:
    """Why some of the profile's pods run on the other kind of capacity; "" if none do."""
    if asked.profile.pod_choice == "Allow":
        other = "on demand" if asked.spot.is_spot else "on Spot"
        return f"pods of this profile choose their capacity provider, and may run {other}"
    if asked.falls_back:
        other = "on demand for a while, where Spot has no room" if asked.spot.is_spot else "on Spot, where it has room"
        return f"pods of this profile run {other}"
    return ""


def _translate(architectures: Sequence[str]) -> tuple[str, ...]:
    return tuple(ARCHITECTURES[each] for each in dict.fromkeys(architectures))


def _fetch(cluster: Cluster, question: Question) -> _Asked:
    resource = cluster.read_profile(question.profile)
    try:
        profile = read_profile_resource(resource, question.sandbox)
    except InvalidProfile as problem:
        raise UnreadableInput(f"FargateProfile {question.profile}: {problem}") from None
    name = profile.runtime_class
    if not name:
        raise UnreadableInput(
            f"FargateProfile {question.profile} names no RuntimeClass, and its status tells none yet. Name it with "
            "--sandbox."
        )
    try:
        sandbox = Sandbox.from_resource(cluster.get(RUNTIME_CLASSES.path(name)))
    except ApiError as error:
        if error.status != NOT_FOUND:
            raise
        raise Missing(
            f"There is no RuntimeClass {name}, by which nodes for FargateProfile {question.profile} would be known. "
            "`kubectl fargate doctor` says how to get one."
        ) from None
    return _Asked(profile, sandbox, _find_spot_use(cluster, question, profile), bool(read_fallbacks([resource])))


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
