"""The ledger's metrics, in a registry of their own; docs/reference/metrics.md lists them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector
from prometheus_client import ProcessCollector as ProcessMetrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from monopod.ledger.totals import Totals
from monopod.usage.rules.price import MIB_PER_GIB, MILLIS

MOST_NODES = 100
"""Whose skews are shown, the largest ones."""

USAGE_LABELS = ["namespace", "profile", "capacity", "architecture"]
COST_LABELS = ["namespace", "profile", "capacity", "currency"]


@dataclass(frozen=True, slots=True)
class State:
    """How the ledger is, now.

    Attributes:
        pods: pods of profiles that exist.
        lag_seconds: since when it can't be told what happened; None before anything is known.
        coverage: the share of the last day in which some recorder watched.
        spool_fill: how full the spool is, from 0 to 1.
        is_writable: whether the database takes what is written.
        missed: objects that a list showed and the watch had not.
        unreadable: pods that can't be read, and so aren't counted.
        skews: by how many milliseconds the clock of each node is ahead.
        peer_lags: for how many seconds each other replica hasn't been read.
    """

    pods: int = 0
    lag_seconds: float | None = None
    coverage: Decimal | None = None
    spool_fill: float = 0.0
    is_writable: bool = False
    missed: int = 0
    unreadable: int = 0
    skews: dict[str, int] = field(default_factory=dict)
    peer_lags: dict[str, float] = field(default_factory=dict)


class LedgerCollector(Collector):
    """Tells Prometheus what is known when it asks; it computes nothing.

    Totals are updated in another thread, so they are copied first.
    """

    def __init__(self, totals: Totals, get_state: Callable[[], State]) -> None:
        self._totals = totals
        self._get_state = get_state

    def collect(self) -> Iterable[Metric]:
        """Yields all metrics."""
        yield from self._collect_totals()
        state = self._get_state()
        yield _gauge("monopod_ledger_pods", "Pods of profiles that exist.", state.pods)
        if state.lag_seconds is not None:
            about = "Seconds since the moment up to which everything is known."
            yield _gauge("monopod_ledger_lag_seconds", about, state.lag_seconds)
        if state.coverage is not None:
            about = "Share of the last day in which some recorder watched: 1 if nothing can have been missed."
            yield _gauge("monopod_ledger_coverage_ratio", about, float(state.coverage))
        yield _gauge("monopod_ledger_spool_fill_ratio", "How full the spool is, from 0 to 1.", state.spool_fill)
        about = "1 while the database takes what is written."
        yield _gauge("monopod_ledger_database_writable", about, int(state.is_writable))
        about = "Pods that can't be read, and so aren't counted; the log names them."
        yield _gauge("monopod_ledger_unreadable_pods", about, state.unreadable)
        about = "Pods that a list showed and the watch had not. Anything but 0 is worth a look."
        yield CounterMetricFamily("monopod_ledger_missed_pods", about, state.missed)
        yield from _collect_places(state)

    def _collect_totals(self) -> Iterable[Metric]:
        families = {
            name: CounterMetricFamily(name, about, labels=USAGE_LABELS)
            for name, about in (
                ("monopod_ledger_billed_seconds", "Seconds of pods that are billed."),
                ("monopod_ledger_vcpu_seconds", "vCPU that were provisioned, times seconds."),
                ("monopod_ledger_memory_gib_seconds", "GiB of memory that were provisioned, times seconds."),
                ("monopod_ledger_storage_gib_seconds", "GiB of ephemeral storage above 20, times seconds."),
            )
        }
        for series, usage in sorted(self._totals.usage.copy().items()):
            amounts = (
                usage.seconds,
                usage.milli_vcpu_seconds / MILLIS,
                usage.mib_seconds / MIB_PER_GIB,
                usage.storage_gib_seconds,
            )
            for family, amount in zip(families.values(), amounts, strict=True):
                family.add_metric(series, amount)
        yield from families.values()
        about = "What that cost, by the prices that held then."
        cost = CounterMetricFamily("monopod_ledger_cost", about, labels=COST_LABELS)
        for labels, spent in sorted(self._totals.cost.copy().items()):
            cost.add_metric(labels, float(spent))
        yield cost


def build_registry(collector: Collector) -> CollectorRegistry:
    """The registry: the ledger's metrics, and those of the process."""
    registry = CollectorRegistry()
    ProcessMetrics(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    registry.register(collector)
    return registry


def _collect_places(state: State) -> Iterable[Metric]:
    skews = GaugeMetricFamily(
        "monopod_ledger_node_clock_skew_seconds",
        "By how much a node's clock is ahead of the ledger's, and with it the starts of its pods: the largest.",
        labels=["node"],
    )
    for node, skew in sorted(state.skews.items(), key=lambda item: -abs(item[1]))[:MOST_NODES]:
        skews.add_metric([node], skew / 1000)
    yield skews
    lags = GaugeMetricFamily(
        "monopod_ledger_peer_lag_seconds", "Seconds since another replica was read to its end.", labels=["peer"]
    )
    for peer, lag in sorted(state.peer_lags.items()):
        lags.add_metric([peer], lag)
    yield lags


def _gauge(name: str, about: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, about, value)
