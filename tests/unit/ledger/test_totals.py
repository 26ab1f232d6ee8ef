"""Counters of what all pods used: bounded in number, and never falling."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest

from monopod.ledger.metrics import LedgerCollector, State, build_registry
from monopod.ledger.store.answers import Group
from monopod.ledger.store.store import Store
from monopod.ledger.totals import OTHER, CostSeries, Series, Totals, compute_costs
from monopod.usage.books import load_book
from monopod.usage.rules.bill import Terms, Usage
from monopod.usage.rules.lifetime import Lifetime, Watched
from tests.ledger import BEGIN, a_lifetime

BOOK = load_book("us-east-1")
PRICES = BOOK.versions[-1]


def a_group(namespace: str, seconds: int, profile: str = "web") -> Group:
    usage = Usage(seconds, 250 * seconds, 512 * seconds, 0)
    return Group((namespace, profile), "FARGATE", "x86", usage, usage, usage)


def first_used(**hours: int) -> Callable[[], dict[tuple[str, ...], int]]:
    return lambda: {(namespace, "web"): hour for namespace, hour in hours.items()}


def usage_of(totals: Totals, namespace: str, profile: str = "web") -> int:
    return totals.usage[Series(namespace, profile, "FARGATE", "x86")].seconds


def test_a_counter_never_falls() -> None:
    totals = Totals(10)
    for seconds in (100, 90, 95, 120):
        groups = [a_group("a", seconds)]
        totals.update(groups, compute_costs(groups, [], PRICES), first_used())
        assert usage_of(totals, "a") == max(100, seconds)
    assert (
        totals.cost[CostSeries("a", "web", "FARGATE", "USD")]
        == PRICES.compute_cost(a_group("a", 120).billed, "FARGATE", "x86").total
    )


def test_those_that_were_first_have_series_of_their_own_and_keep_them() -> None:
    totals = Totals(2)
    totals.update([a_group("a", 100), a_group("b", 3), a_group("c", 2)], {}, first_used(a=9, b=7, c=8))
    assert (usage_of(totals, "b"), usage_of(totals, "c"), usage_of(totals, OTHER, OTHER)) == (3, 2, 100)
    totals.update([a_group("a", 200), a_group("b", 3), a_group("c", 2), a_group("d", 5)], {}, first_used(d=1))
    assert (usage_of(totals, "b"), usage_of(totals, OTHER, OTHER)) == (3, 205)
    assert len(totals.usage) == 3


def test_the_next_process_gives_the_same_pairs_their_series_although_others_have_grown() -> None:
    """What moved between a series and `other` would be counted twice by Prometheus."""
    first = first_used(a=1, b=2, c=2, d=4)
    before, after = Totals(3), Totals(3)
    for names in ("ab", "abc", "abcd"):
        before.update([a_group(name, 10) for name in names], {}, first)
    after.update([a_group(name, 10_000 if name == "d" else 10) for name in "dcba"], {}, first)

    assert {series.namespace for series in before.usage} == {"a", "b", "c", OTHER}
    assert before.usage.keys() == after.usage.keys()


def test_while_there_are_series_enough_it_is_not_asked_who_was_first() -> None:
    def fail() -> Any:
        raise AssertionError("asked")

    totals = Totals(2)
    totals.update([a_group("a", 1), a_group("b", 1)], {}, fail)
    totals.update([a_group("a", 1), a_group("b", 1), a_group("c", 1)], {}, fail)
    assert usage_of(totals, OTHER, OTHER) == 1


def test_what_pairs_without_a_series_cost_is_not_lost() -> None:
    totals = Totals(1)
    groups = [a_group("a", 100), a_group("a", 50, "db"), a_group("b", 50)]
    costs = compute_costs(groups, [], PRICES)
    totals.update(groups, costs, first_used(a=1, b=2))
    assert set(totals.cost) == {
        CostSeries("a", "web", "FARGATE", "USD"),
        CostSeries(OTHER, OTHER, "FARGATE", "USD"),
    }
    assert sum(totals.cost.values()) == sum(costs.values())


def test_what_was_used_at_an_earlier_price_keeps_it() -> None:
    dear = PRICES.__class__(**{name: getattr(PRICES, name) for name in PRICES.__slots__} | {"currency": "EUR"})
    costs = compute_costs([a_group("a", 100)], [(dear, [a_group("a", 30)])], PRICES)
    per_second = PRICES.compute_cost(a_group("a", 1).billed, "FARGATE", "x86").total
    assert costs == {
        CostSeries("a", "web", "FARGATE", "EUR"): 30 * per_second,
        CostSeries("a", "web", "FARGATE", "USD"): 70 * per_second,
    }
    assert isinstance(per_second, Fraction)


def test_prometheus_is_told_all_of_it() -> None:
    totals = Totals(10)
    groups = [a_group("a", 4096)]
    totals.update(groups, compute_costs(groups, [], PRICES), first_used())
    state = State(3, 1.5, Decimal("0.99993"), 0.25, True, 1, 2, {"n1": -1500, "n2": 10}, {"b": 4.0})
    registry = build_registry(LedgerCollector(totals, lambda: state))
    labels = {"namespace": "a", "profile": "web", "capacity": "FARGATE", "architecture": "x86"}
    assert registry.get_sample_value("monopod_ledger_billed_seconds_total", labels) == 4096
    assert registry.get_sample_value("monopod_ledger_vcpu_seconds_total", labels) == 1024
    assert registry.get_sample_value("monopod_ledger_memory_gib_seconds_total", labels) == 2048
    cost = {"namespace": "a", "profile": "web", "capacity": "FARGATE", "currency": "USD"}
    assert registry.get_sample_value("monopod_ledger_cost_total", cost) == float(
        PRICES.compute_cost(groups[0].billed, "FARGATE", "x86").total
    )
    assert registry.get_sample_value("monopod_ledger_node_clock_skew_seconds", {"node": "n1"}) == -1.5
    assert registry.get_sample_value("monopod_ledger_peer_lag_seconds", {"peer": "b"}) == 4
    simple = {"pods": 3, "lag_seconds": 1.5, "coverage_ratio": 0.99993, "spool_fill_ratio": 0.25, "unreadable_pods": 2}
    for name, value in {**simple, "database_writable": 1, "missed_pods_total": 1}.items():
        assert registry.get_sample_value(f"monopod_ledger_{name}") == value


def test_nothing_is_claimed_before_anything_is_known() -> None:
    registry = build_registry(LedgerCollector(Totals(1), State))
    assert registry.get_sample_value("monopod_ledger_lag_seconds") is None
    assert registry.get_sample_value("monopod_ledger_coverage_ratio") is None


@pytest.mark.parametrize("seed", range(3))
def test_no_counter_falls_while_pods_come_and_go_although_the_process_begins_anew_each_time(
    tmp_path: Path, seed: int
) -> None:
    """As a recorder sees them, with an outage now and then; more pairs of namespace and profile than have series."""
    random = Random(seed)
    store = Store.open(f"sqlite:///{tmp_path / 'ledger.db'}", Terms())
    now, running, before, since = BEGIN, dict[str, Lifetime](), dict[str, Fraction](), BEGIN
    for step in range(60):
        has_watched, until = random.random() > 0.1, now
        now += random.randrange(1, 900) * 1000
        if not has_watched:
            since = now
        ended = [uid for uid in running if random.random() < 0.3]
        facts = []
        for uid in ended:
            moment = random.randrange(until, now) if has_watched else until  # the last that is known of it
            facts.append(replace(running.pop(uid), alive=moment, gone=frozenset({moment if has_watched else now})))
        for number in range(random.randrange(4)):
            namespace = f"team-{random.randrange(1 + step // 6)}"
            running[f"{step}-{number}"] = a_lifetime(f"{step}-{number}", created=now, seconds=None, namespace=namespace)
            facts.append(running[f"{step}-{number}"])
        store.join(facts, watched=[Watched("ledger-0", since, now)])

        groups, totals = store.sum_totals(now=now), Totals(4)
        totals.update(groups, compute_costs(groups, [], PRICES), partial(store.find_first_hours, now=now))
        found = {str(series): Fraction(usage.milli_vcpu_seconds) for series, usage in totals.usage.items()}
        found |= {str(series): cost for series, cost in totals.cost.items()}
        fallen = [series for series, value in before.items() if found.get(series, 0) < value]
        assert fallen == [], f"in step {step}"
        before = found
    assert len(before) == 2 * (4 + 1)
    store.close()
