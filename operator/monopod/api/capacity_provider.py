"""What the pods of a FargateProfile run on, as ECS says it: a capacity provider strategy.

Source: ECS API reference, CapacityProviderStrategyItem. There a strategy spreads the tasks of a service over several
providers. Admission can't: it decides on one pod at a time, without counting others or drawing lots (an expression has
neither), and the priority of a pod can't change afterwards. So a profile has one provider, and a mixture is refused.
"""

from typing import Annotated, Literal

from pydantic import Field

from monopod.api.parts import ATOMIC_LIST, Part
from monopod.api.rules import Rule

MAX_ITEMS = 20
"""AWS's bound, above which the rules aren't evaluated."""


class CapacityProviderStrategyItem(Part):
    """A capacity provider, and its share."""

    capacity_provider: Literal["FARGATE", "FARGATE_SPOT"]
    """FARGATE: on demand. FARGATE_SPOT: cheaper, and interrupted when the capacity is wanted elsewhere."""

    weight: Annotated[int, Field(ge=0, le=1000)] = 1
    """The share of this provider; 0: none of the pods. As a profile has one provider, any other number means all."""

    base: Annotated[int, Field(ge=0, le=100_000)] = 0
    """How many pods run on this provider at least. Accepted next to a weight, and without effect: all pods do."""


_IS_USED = "item.weight > 0 || item.base > 0"

CapacityProviderStrategy = Annotated[
    list[CapacityProviderStrategyItem],
    Field(max_length=MAX_ITEMS, json_schema_extra=ATOMIC_LIST),
    Rule(
        "self.all(one, self.exists_one(other, other.capacityProvider == one.capacityProvider))",
        "the same capacity provider is listed twice",
    ),
    Rule(
        "self.size() == 0 || self.exists(item, item.weight > 0)",
        "at least one capacity provider needs a weight above 0",
    ),
    Rule(
        f"self.filter(item, {_IS_USED}).size() <= 1",
        "a profile runs all of its pods on one capacity provider. Use two profiles, one with FARGATE and one with "
        "FARGATE_SPOT, and tell their pods apart by a label: two Deployments, one for each",
    ),
]
