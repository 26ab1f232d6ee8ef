"""On which capacity tasks run: a launch type, or capacity providers by a strategy.

Source: ECS API reference, CapacityProviderStrategyItem. Of the tasks of one request `base` go to its provider first;
the rest are shared out by the weights.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from monopod.tasks.rules.running.refusal import Refusal, refuse_unavailable

FARGATE: Final = "FARGATE"
SPOT: Final = "FARGATE_SPOT"
MOST_ITEMS: Final = 20

Item = Mapping[str, Any]


def choose_capacity(params: Mapping[str, Any], cluster: Mapping[str, Any], count: int) -> list[str]:
    """The capacity provider of each task; "" for the launch type FARGATE.

    Args:
        params: of RunTask.
        cluster: the cluster's spec.
        count: how many tasks are asked for.

    Raises:
        Refusal: it is none that Fargate has, or two are asked for.
    """
    launch_type, strategy = params.get("launchType"), params.get("capacityProviderStrategy") or []
    if launch_type and strategy:
        raise Refusal("Specify either Launch Type or Capacity Provider Strategy, but not both.")
    if launch_type in ("EC2", "EXTERNAL"):
        raise Refusal("No Container Instances were found in your cluster.")
    if launch_type == "MANAGED_INSTANCES":
        raise refuse_unavailable("launchType MANAGED_INSTANCES", "its tasks run on FARGATE.")
    if launch_type:
        return [""] * count
    if strategy:
        _check_strategy(strategy, cluster)
        return share_out(strategy, count)
    default = cluster.get("defaultCapacityProviderStrategy") or []
    if default and not _has_weight(default):
        raise Refusal(
            "There are no capacity providers with a weight value greater than zero defined in the default capacity "
            "provider strategy. At least one capacity provider must have a weight value greater than zero specified. "
            "Update the cluster's default capacity provider strategy or specify a valid capacity provider strategy "
            "and try again."
        )
    return share_out(default, count) if default else [""] * count


def _check_strategy(strategy: Sequence[Item], cluster: Mapping[str, Any]) -> None:
    names = [each["capacityProvider"] for each in strategy]
    if len(strategy) > MOST_ITEMS:
        raise Refusal(
            f"The specified capacity provider strategy cannot contain more than {MOST_ITEMS} capacity providers."
        )
    if set(names) - set(cluster.get("capacityProviders") or ()):
        raise Refusal(
            "The specified capacity provider strategy cannot contain a capacity provider that is not associated with "
            "the cluster. Associate the capacity provider with the cluster or specify a valid capacity provider and "
            "try again."
        )
    if len(set(names)) < len(names):
        raise Refusal("The specified capacity provider strategy cannot contain duplicate capacity providers.")
    if sum(1 for each in strategy if each.get("base")) > 1:
        raise Refusal(
            "The specified capacity provider strategy cannot contain more than one capacity provider with a base value."
        )
    if not _has_weight(strategy):
        raise Refusal("At least one capacity provider must have a weight value greater than zero specified.")


def _has_weight(strategy: Sequence[Item]) -> bool:
    return any(each.get("weight") for each in strategy)


def share_out(strategy: Sequence[Item], count: int) -> list[str]:
    """The provider of each task, by a strategy in which at least one has a weight."""
    found = [each["capacityProvider"] for each in strategy for _ in range(min(each.get("base") or 0, count))][:count]
    weights = {each["capacityProvider"]: each["weight"] for each in strategy if each.get("weight")}
    shared = dict.fromkeys(weights, 0)
    while len(found) < count:
        # To whom one more leaves the others the least behind; of several the first.
        chosen = min(weights, key=lambda name: (shared[name] + 1) / weights[name])
        shared[chosen] += 1
        found.append(chosen)
    return found
