"""What all pods have used and cost so far, as counters: they come from the store, so they go on after a restart.

A counter must never fall, or Prometheus takes it for a new one and counts everything again. So

- what is counted of pods that exist ends where the recorder knows that they existed, which can't turn out to be too
  much later;
- which pairs of namespace and profile have series of their own follows from when they first used something, not from
  how much: neither a restart nor another pair's growth moves one between its own series and `other` (but for those
  that began in the same hour, beyond which there is nothing to go by);
- what falls all the same, because a price or an older fact became known later, stands still until it is reached again.
  Only a restart of the process forgets that, or a database that was put back to an older state.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
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
    profile: str
    capacity: str
    currency: str


@dataclass
class Totals:
    """Counters that never fall, with a bound on their number.

    Attributes:
        most: how many pairs of namespace and profile have series of their own, those that were first.
        usage: the counters of usage.
        cost: the counters of cost.
    """

    most: int
    usage: dict[Series, Usage] = field(default_factory=dict)
    cost: dict[CostSeries, Fraction] = field(default_factory=dict)
    _own: set[tuple[str, ...]] = field(default_factory=set)

    def update(
        self,
        groups: Sequence[Group],
        costs: Mapping[CostSeries, Fraction],
        find_first: Callable[[], Mapping[tuple[str, ...], int]],
    ) -> None:
        """Takes over what the store says now.

        Args:
            groups: everything that was used, by namespace and profile.
            costs: what it cost.
            find_first: tells when each pair of namespace and profile first used something, if that matters.
        """
        self._choose({group.key for group in groups}, find_first)
        summed: dict[Series, Usage] = {}
        for group in groups:
            namespace, profile = group.key if group.key in self._own else (OTHER, OTHER)
            series = Series(namespace, profile, group.capacity, group.architecture)
            summed[series] = summed.get(series, Usage()) + group.billed
        for series, usage in summed.items():
            self.usage[series] = _maximize(self.usage.get(series, Usage()), usage)
        spent: dict[CostSeries, Fraction] = {}
        for labels, cost in costs.items():
            is_own = (labels.namespace, labels.profile) in self._own
            named = labels if is_own else labels._replace(namespace=OTHER, profile=OTHER)
            spent[named] = spent.get(named, Fraction()) + cost
        for named, cost in spent.items():
            self.cost[named] = max(self.cost.get(named, Fraction()), cost)

    def _choose(self, pairs: set[tuple[str, ...]], find_first: Callable[[], Mapping[tuple[str, ...], int]]) -> None:
        """The earliest first, so that replicas choose the same, and the next process does; of one hour by name."""
        new, left = pairs - self._own, self.most - len(self._own)
        if len(new) > left > 0:
            first = find_first()
            new = set(sorted(new, key=lambda pair: (first.get(pair, math.inf), pair))[:left])
        if left > 0:
            self._own |= new


def compute_costs(
    totals: Iterable[Group], past: Iterable[tuple[PriceList, Sequence[Group]]], prices: PriceList
) -> dict[CostSeries, Fraction]:
    """What everything cost, each part by the price list that held then.

    Args:
        totals: everything that was used, by namespace and profile.
        past: what was used while earlier price lists held, likewise.
        prices: the price list that holds now, for all the rest.
    """
    rest: dict[tuple[str, str, str, str], Usage] = {}
    for group in totals:
        place = _locate(group)
        rest[place] = rest.get(place, Usage()) + group.billed
    costs: dict[CostSeries, Fraction] = {}

    def charge(list_: PriceList, place: tuple[str, str, str, str], usage: Usage) -> None:
        namespace, profile, capacity, architecture = place
        series = CostSeries(namespace, profile, capacity, list_.currency)
        costs[series] = costs.get(series, Fraction()) + list_.compute_cost(usage, capacity, architecture).total

    for earlier, groups in past:
        for group in groups:
            place = _locate(group)
            charge(earlier, place, group.billed)
            rest[place] = _subtract(rest.get(place, Usage()), group.billed)
    for place, usage in rest.items():
        charge(prices, place, usage)
    return costs


def _locate(group: Group) -> tuple[str, str, str, str]:
    namespace, profile = group.key
    return namespace, profile, group.capacity, group.architecture


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
