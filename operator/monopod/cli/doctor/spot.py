"""What `doctor` says of Spot: where its pods give way at once, although nodes would be made for the others.

kube-scheduler takes the room of pods of lower priority as soon as another finds none; an autoscaler acts on what is
left without a node then. So where nodes are made, pods on Spot are interrupted for nothing.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from monopod.capacity.rules.settings import CapacitySettings, Provider
from monopod.cli.doctor.diagnosis import Check, Facts, Finding, Json, Level, Unread, list_arguments, read_profiles
from monopod.kube.objects.fields import InvalidManifest
from monopod.kube.objects.text import list_names
from monopod.spot.rules.settings import read_fallbacks

RECLAIM: Final = "--spot-reclaim="
NODE_LABEL: Final = "--spot-node-label="
_NODES_OF_ITS_OWN: Final = "--set spot.nodeLabel=KEY=VALUE with a label of Spot's nodes"


def check_spot(facts: Facts) -> Iterator[Finding]:
    """Whether pods on Spot are interrupted without need."""
    on_spot = [profile.name for profile in read_profiles(facts) if profile.may_use_spot]
    if not on_spot or isinstance(facts.deployments, Unread) or isinstance(facts.profiles, Unread):
        return
    arguments = list_arguments(facts.deployments)
    label = _get_value(arguments, NODE_LABEL)
    if _get_value(arguments, RECLAIM) != "None":
        yield from _check_reclaim(facts, on_spot, has_label=bool(label))
    if not label and (names := sorted(set(on_spot) & read_fallbacks(facts.profiles).keys())):
        yield Finding(
            Check.SPOT,
            Level.WARNING,
            f"Profile{'s' if len(names) > 1 else ''} {list_names(names)}: where Spot has no room pods run on demand, "
            "and take the room of other pods on Spot, as Spot has no nodes of its own.",
            f"helm upgrade … {_NODES_OF_ITS_OWN}.",
        )


def _check_reclaim(facts: Facts, on_spot: Sequence[str], *, has_label: bool) -> Iterator[Finding]:
    if not (provider := _find_provider(facts)):
        return
    yield Finding(
        Check.SPOT,
        Level.WARNING,
        f"{provider} makes nodes, and pods on Spot (profile{'s' if len(on_spot) > 1 else ''} {list_names(on_spot)}) "
        "give way to others before it makes any: they are interrupted without need.",
        f"helm upgrade … --set spot.reclaim=None{'' if has_label else f', and {_NODES_OF_ITS_OWN}'}.",
    )


def _find_provider(facts: Facts) -> str:
    """What makes nodes: what a profile says, or Karpenter, if it has a NodePool; "" if nothing is known."""
    profiles = () if isinstance(facts.profiles, Unread) else facts.profiles
    said = {_read_provider(profile) for profile in profiles}
    if Provider.CLUSTER_AUTOSCALER in said:
        return "The cluster autoscaler"
    has_pools = not isinstance(facts.node_pools, Unread) and bool(facts.node_pools)
    return "Karpenter" if Provider.KARPENTER in said or (has_pools and Provider.AUTO in said) else ""


def _read_provider(profile: Json) -> Provider:
    try:
        return CapacitySettings.from_resource(profile).provider
    except InvalidManifest:  # another check says so
        return Provider.NONE


def _get_value(arguments: Sequence[str], flag: str) -> str:
    return next((each.removeprefix(flag) for each in arguments if each.startswith(flag)), "")
