"""What is to know of nodes for pods on Spot, or next to them, whatever makes these nodes."""

from collections.abc import Iterator

from monopod.capacity.rules.node_shape import SpotUse


def describe_spot(profile: str, spot: SpotUse, both: str, example: str) -> Iterator[str]:
    """What is to know of a pool's capacity.

    Args:
        profile: its name.
        spot: what the pool is for.
        both: why some of the profile's pods run on the other kind of capacity; "" if none do.
        example: a label by which the autoscaler's Spot nodes are known, or a hint at it.
    """
    if spot.is_spot and spot.node_label:
        yield (
            f"They are Spot capacity and have the label {spot.node_label} (the chart's spot.nodeLabel), which pods on "
            "Spot require and pods on demand avoid."
        )
    elif spot.is_spot:
        yield (
            "They are Spot capacity, and no label says so to pods: the chart's spot.nodeLabel is empty. Set it, to "
            f"{example}, or pods on demand of other profiles come to these nodes, and those of this one "
            "to others."
        )
    elif spot.node_label:
        yield (
            f"They are on demand: pods of this profile avoid nodes with {spot.node_label} (the chart's spot.nodeLabel)."
        )
    if both:
        other = "FARGATE" if spot.is_spot else "FARGATE_SPOT"
        yield (
            f"{both[0].upper()}{both[1:]}: `kubectl fargate nodepool {profile} --capacity-provider {other}` prints "
            "what makes nodes for these."
        )
