"""One replica's life.

    start ──► open the store ──► resume or list ──► record, pull from peers, answer ──► SIGTERM: commit, exit 0
                  └── away: wait, and say so                     └── a part failed for good: exit 1

There is no leader: every replica records all the time. One that fails exits rather than mends itself; it goes on from
what was committed, which is the path that every upgrade takes, too.
"""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from decimal import Decimal
from functools import partial
from typing import Final, TypeVar

import structlog

from monopod.api.names import KUBE_SYSTEM
from monopod.kube.client.api import ApiError, ApiUnreachable, Unconfigured
from monopod.kube.client.asynchronous import ApiClient, load_configuration
from monopod.kube.clock import SYSTEM_CLOCK, sleep
from monopod.kube.logs import ProblemLog
from monopod.kube.objects.resources import NAMESPACES
from monopod.kube.retry import retry
from monopod.kube.server.health import HealthServer
from monopod.ledger.bounded_clock import BoundedClock
from monopod.ledger.metrics import LedgerCollector, State, build_registry
from monopod.ledger.options import LedgerOptions
from monopod.ledger.peers import Peers
from monopod.ledger.recorder.journal import Journal
from monopod.ledger.recorder.listing import compute_now_ms
from monopod.ledger.recorder.nodes import Nodes
from monopod.ledger.recorder.recorder import Recorder
from monopod.ledger.server.answers import Ledger
from monopod.ledger.server.servers import Servers
from monopod.ledger.store.answers import BY_SERIES, Group, StoreUnavailableError
from monopod.ledger.store.spool import Spool, SpooledStore
from monopod.ledger.store.store import Store
from monopod.ledger.totals import Totals, compute_costs
from monopod.usage.books import UnknownBook, load_book
from monopod.usage.ledger_identity import verify_identity
from monopod.usage.rules.coverage import compute_coverage
from monopod.usage.rules.focus import Account
from monopod.usage.rules.price import PriceList
from monopod.usage.rules.price_book import InvalidPrices, PriceBook

RETRY_SECONDS: Final = 2.0
TOTALS_SECONDS: Final = 30.0
FLUSH_SECONDS: Final = 10.0
READERS: Final = 4
HOUR_MS: Final = 3600 * 1000
"""How often what was used at earlier prices is summed again: it hardly changes any more."""

DAY_MS: Final = 24 * HOUR_MS

Result = TypeVar("Result")
logger = structlog.stdlib.get_logger(__name__)


class Process:
    """Everything that one replica runs."""

    def __init__(self, options: LedgerOptions) -> None:
        self._options = options
        self._problems = ProblemLog(logger)
        self._clock = BoundedClock()
        """What is known up to a moment that is to come would count as known until then."""
        self._stopping = asyncio.Event()
        self._totals = Totals(options.most_series)
        self._coverage: Decimal | None = None
        self._past: list[tuple[PriceList, list[Group]]] = []
        self._past_summed = 0
        self._spooled: SpooledStore | None = None
        self._recorder: Recorder | None = None
        self._nodes: Nodes | None = None
        self._peers: Peers | None = None

    async def run(self) -> int:
        """Runs until a signal or a failure; the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        try:
            book = load_book(self._options.price_book, self._options.price_folder)
            path = self._options.kubeconfig
            configuration = await load_configuration(str(path) if path else None)
        except (UnknownBook, InvalidPrices, Unconfigured) as error:
            logger.error("can't start", error=str(error))
            return 1
        api = ApiClient(configuration, self._clock.hear)
        registry = build_registry(LedgerCollector(self._totals, self._get_state))
        health = HealthServer(lambda: "", self._get_unreadiness, registry)
        try:
            port = await health.start(self._options.listen, self._options.metrics_port)
            logger.info("started", name=self._options.name, port=port, api_server=configuration.host)
            return await self._run_until_stopped(api, book)
        except (OSError, ValueError) as error:  # no port, no spool, no such database
            logger.error("can't start", error=str(error))
            return 1
        finally:
            await health.stop()
            await api.close()
            logger.info("stopped")

    async def _run_until_stopped(self, api: ApiClient, book: PriceBook) -> int:
        work = asyncio.create_task(self._work(api, book), name="work")
        stopping = asyncio.create_task(self._stopping.wait(), name="stop")
        await asyncio.wait([work, stopping], return_when=asyncio.FIRST_COMPLETED)
        has_failed = work.done()
        for task in (work, stopping):
            task.cancel()
        await asyncio.gather(stopping, return_exceptions=True)
        try:
            await work
        except asyncio.CancelledError:
            return 0
        except (OSError, ValueError):
            raise
        except Exception as error:
            logger.error("a part failed", error=str(error), exc_info=error)
        return 1 if has_failed else 0

    async def _work(self, api: ApiClient, book: PriceBook) -> None:
        with (
            ThreadPoolExecutor(1, "store-writer") as writer,
            ThreadPoolExecutor(READERS, "store-reader") as readers,
        ):
            store = await self._open(writer)
            try:
                await self._record(api, book, store, writer, readers)
            finally:
                store.close()

    async def _open(self, writer: Executor) -> Store:
        """Opens the store, once it is there."""
        opening = partial(Store.open, self._options.database, self._options.terms)
        return await retry(partial(_run_in, writer, opening), "database", (StoreUnavailableError,), self._problems)

    async def _record(self, api: ApiClient, book: PriceBook, store: Store, writer: Executor, readers: Executor) -> None:
        options, problems = self._options, self._problems
        spool = Spool(options.spool / "spool", options.spool_mib * 1024 * 1024)
        spooled = await _run_in(writer, partial(SpooledStore, store, spool))
        journal = Journal(options.name, spooled, writer, problems)
        nodes = Nodes(api, problems, self._clock)
        name, clock = options.name, self._clock
        recorder = Recorder(name, options.namespace, api, store, journal, nodes, readers, problems, clock)
        verify = partial(verify_identity, api, options.account)
        hosts, port, token = options.peer, options.peers_port, options.peer_token
        peers = Peers(hosts, options.name, port, token, verify, store, writer, problems)
        self._spooled, self._nodes, self._recorder, self._peers = spooled, nodes, recorder, peers
        try:
            async with asyncio.TaskGroup() as group:
                for part in (nodes, recorder, journal, peers):
                    group.create_task(part.run(), name=type(part).__name__)
                group.create_task(self._sum_always(store, readers, book), name="totals")
                group.create_task(self._serve(api, book, store), name="servers")
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FLUSH_SECONDS):
                    await journal.flush()
            # In the thread that may write to it still: its number could else be another file's by then.
            writer.submit(spool.close)

    async def _serve(self, api: ApiClient, book: PriceBook, store: Store) -> None:
        """Answers people and peers, once the API server is there: it knows who they are, and which cluster this is."""
        options = self._options
        ledger = Ledger(store, book, options.terms, Account(await self._fetch_cluster(api), options.cluster_name))
        account, scratch, peers = options.account, options.scratch, self._peers
        servers = Servers(api, self._clock, ledger, options, account, scratch, lambda: not peers or peers.is_caught_up)
        try:
            await servers.start()
            async with asyncio.TaskGroup() as group:
                for controller in servers.controllers:
                    group.create_task(controller.run(), name=controller.name)
        finally:
            await servers.stop()

    async def _fetch_cluster(self, api: ApiClient) -> str:
        """The uid of kube-system, which no other cluster has."""
        asking = partial(api.get, NAMESPACES.path(KUBE_SYSTEM))
        namespace = await retry(asking, "the cluster's uid", (ApiError, ApiUnreachable), self._problems)
        return str(namespace["metadata"]["uid"])

    async def _sum_always(self, store: Store, readers: Executor, book: PriceBook) -> None:
        while True:
            window = self._recorder.window if self._recorder else None
            if window:
                try:
                    await _run_in(readers, partial(self._sum, store, book, window.until))
                except StoreUnavailableError as error:
                    self._problems.report("totals", str(error))
                else:
                    self._problems.clear("totals")
            await sleep(SYSTEM_CLOCK, TOTALS_SECONDS if window else RETRY_SECONDS)

    def _sum(self, store: Store, book: PriceBook, until: int) -> None:
        """Reads the totals; until then, everything is known."""
        windows = store.fetch_watched()
        since = max(until - DAY_MS, min((window.since for window in windows), default=until))
        self._coverage = compute_coverage(windows, since, until).percent / 100
        if self._peers is None or not self._peers.is_caught_up:
            return  # a disk that is new would show totals that begin anew and leap
        groups = store.sum_totals(now=until)
        *earlier, last = book.split(0, until // 1000 + 1)
        if until - self._past_summed >= HOUR_MS or len(earlier) != len(self._past):
            self._past_summed = until
            self._past = [
                (span.prices, store.sum_usage(span.since * 1000, span.until * 1000, BY_SERIES, now=until))
                for span in earlier
            ]
        costs = compute_costs(groups, self._past, last.prices)
        self._totals.update(groups, costs, partial(store.find_first_hours, now=until))

    def _get_state(self) -> State:
        recorder, spooled = self._recorder, self._spooled
        if recorder is None or spooled is None:
            return State()
        window = recorder.window
        return State(
            pods=recorder.count,
            lag_seconds=(compute_now_ms(self._clock) - window.until) / 1000 if window else None,
            coverage=self._coverage,
            spool_fill=spooled.fill,
            is_writable=spooled.is_writable,
            missed=recorder.missed,
            unreadable=len(recorder.unreadable),
            skews=dict(self._nodes.skews) if self._nodes else {},
            peer_lags=self._peers.lags if self._peers else {},
        )

    def _get_unreadiness(self) -> str:
        if self._spooled is None or self._recorder is None:
            return "the database isn't open yet"
        if not self._spooled.is_writable:
            return f"the database takes nothing; the spool is {self._spooled.fill:.0%} full"
        return "" if self._recorder.is_synced else "pods haven't been listed yet"


async def _run_in(executor: Executor, call: Callable[[], Result]) -> Result:
    return await asyncio.get_running_loop().run_in_executor(executor, call)
