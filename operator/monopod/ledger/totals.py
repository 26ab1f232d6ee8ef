"""What all pods have used and cost so far, as counters: they come from the store, so they go on after a restart.

A counter must never fall, or Prometheus takes it for a new one and counts everything again. So what is counted of pods
that exist ends where the recorder knows that they existed, which can't turn out to be too much later; and what falls
all the same, because a backup was restored for instance, stands still until it is reached again.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, NamedTuple

from monopod.ledger.store.answers import Group
from monopod.usage.rules.bill import Usage
from monopod.usage.rules.price import PriceList

OTHER: Final = "other"
"""The label's value for all that have no series of their own. A namespace can be called so; its series is this, too."""


class Series(NamedTuple):
    """The labels of a counter of usage."""

    namespace: str
    profile: str
    capacity: str
    architecture: str


class CostSeries(NamedTuple):
    """The labels of a counter of cost."""

    namespace: str
    capacity: str
    currency: str


@dataclass
class Totals:
    """Counters that never fall, with a bound on their number.

    Attributes:
        most: how many pairs of namespace and profile have series of their own: once chosen, a pair keeps them.
        usage: the counters of usage.
        cost: the counters of cost.
    """

    most: int
    usage: dict[Series, Usage] = field(default_factory=dict)
    cost: dict[CostSeries, Fraction] = field(default_factory=dict)
    _own: set[tuple[str, ...]] = field(default_factory=set)

    def update(self, groups: Sequence[Group], costs: Mapping[CostSeries, Fraction]) -> None:
        """Takes over what the store says now.

        Args:
            groups: everything that was used, by namespace and profile.
            costs: what it cost.
        """
        self._choose(groups)
        summed: dict[Series, Usage] = {}
        for group in groups:
            namespace, profile = group.key if group.key in self._own else (OTHER, OTHER)
            series = Series(namespace, profile, group.capacity, group.architecture)
            summed[series] = summed.get(series, Usage()) + group.billed
        for series, usage in summed.items():
            self.usage[series] = _maximize(self.usage.get(series, Usage()), usage)
        own = {namespace for namespace, _ in self._own}
        spent: dict[CostSeries, Fraction] = {}
        for labels, cost in costs.items():
            named = labels if labels.namespace in own else labels._replace(namespace=OTHER)
            spent[named] = spent.get(named, Fraction()) + cost
        for named, cost in spent.items():
            self.cost[named] = max(self.cost.get(named, Fraction()), cost)

    def _choose(self, groups: Iterable[Group]) -> None:
        """The largest first, so that replicas choose the same."""
        sizes: dict[tuple[str, ...], int] = {}
        for group in groups:
            sizes[group.key] = sizes.get(group.key, 0) + group.billed.seconds
        for key in sorted(sizes.keys() - self._own, key=lambda key: (-sizes[key], key)):
            if len(self._own) >= self.most:
                return
            self._own.add(key)


def compute_costs(
    totals: Iterable[Group], past: Iterable[tuple[PriceList, Sequence[Group]]], prices: PriceList
) -> dict[CostSeries, Fraction]:
    """What everything cost, each part by the price list that held then.

    Args:
        totals: everything that was used; a key begins with the namespace.
        past: what was used while earlier price lists held, by namespace.
        prices: the price list that holds now, for all the rest.
    """
    rest: dict[tuple[str, str, str], Usage] = {}
    for group in totals:
        place = (group.key[0], group.capacity, group.architecture)
        rest[place] = rest.get(place, Usage()) + group.billed
    costs: dict[CostSeries, Fraction] = {}

    def charge(list_: PriceList, place: tuple[str, str, str], usage: Usage) -> None:
        namespace, capacity, architecture = place
        series = CostSeries(namespace, capacity, list_.currency)
        costs[series] = costs.get(series, Fraction()) + list_.compute_cost(usage, capacity, architecture).total

    for earlier, groups in past:
        for group in groups:
            place = (group.key[0], group.capacity, group.architecture)
            charge(earlier, place, group.billed)
            rest[place] = _subtract(rest.get(place, Usage()), group.billed)
    for place, usage in rest.items():
        charge(prices, place, usage)
    return costs


def _maximize(one: Usage, other: Usage) -> Usage:
    return Usage(
        max(one.seconds, other.seconds),
        max(one.milli_vcpu_seconds, other.milli_vcpu_seconds),
        max(one.mib_seconds, other.mib_seconds),
        max(one.storage_gib_seconds, other.storage_gib_seconds),
    )


def _subtract(one: Usage, other: Usage) -> Usage:
    return Usage(
        one.seconds - other.seconds,
        one.milli_vcpu_seconds - other.milli_vcpu_seconds,
        one.mib_seconds - other.mib_seconds,
        one.storage_gib_seconds - other.storage_gib_seconds,
    )
