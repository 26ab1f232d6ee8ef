"""Looks up what the API server still knows of a time in which nobody watched.

    list after an outage ──► is it known from another recorder? ──► lists of the past ──► Events ──► conclusions
                                      └── then nothing is asked

It runs beside the watch, which never waits for it: how ends are known only gets better, whenever that is. What it asks
is bounded in number, pages and seconds, because it happens when an API server has just come back. If the process is
killed meanwhile, ends stay as wide as the list left them.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import Final, TypeVar

import structlog

from monopod.kube.client.api import Api, ApiError, ApiUnreachable, Json
from monopod.kube.client.request import PAGE_SIZE
from monopod.kube.clock import SYSTEM_CLOCK, Clock, sleep, timeout
from monopod.kube.logs import ProblemLog
from monopod.kube.objects.resources import EVENTS, PODS
from monopod.kube.retry import retry
from monopod.ledger.recorder.findings import Gathered, conclude
from monopod.ledger.recorder.journal import Journal
from monopod.ledger.recorder.listing import OUR_PODS, read_stamp, read_version
from monopod.ledger.recorder.past import Outage, PastList, Plan, count_lists
from monopod.ledger.recorder.revision_times import LEASES_LISTED, RevisionTimes
from monopod.ledger.store.answers import StoreUnavailableError
from monopod.ledger.store.store import Store
from monopod.usage.rules.coverage import compute_coverage
from monopod.usage.rules.events import PodEvent, group_by_pod, read_pod_event
from monopod.usage.rules.lifetime import Lifetime, Watched
from monopod.usage.rules.sighting import Unreadable, read_sighting

PAST_SECONDS: Final = 45.0
"""For lists of the past, which come first: they are the first to be forgotten."""

EVENT_SECONDS: Final = 15.0

MOST_REQUESTS: Final = 100
"""For lists of the past: pages of pods and of Leases."""

MOST_EVENT_PAGES: Final = 40
RETRY_SECONDS: Final = 1.0
MOST_LEASES: Final = 100
"""Each is renewed every ten seconds, so that these tell a tenth of a second: more wouldn't tell more."""

PAUSE_SECONDS: Final = 60.0
"""From one recovery to the next, where outages follow each other."""

PEER_SECONDS: Final = 3.0
"""After that, what the other recorder knows has been pulled, if it runs."""

PEER_LAG_SECONDS: Final = 20.0
"""A recorder that watches says so this late at most, because bookmarks come every ten seconds."""

SETTLE_SECONDS: Final = 6.0
"""Before what was learnt counts: meanwhile the recorder looks once more whether versions have gone back."""

GONE: Final = 410
Result = TypeVar("Result")
logger = structlog.stdlib.get_logger(__name__)


class NotExact(Exception):
    """What answered knows no lists of the past."""


class RequestsSpentError(Exception):
    """As many requests were made as there may be."""


@dataclass(slots=True)
class _Gathering:
    """What has been read until now."""

    outage: Outage
    times: RevisionTimes = field(default_factory=RevisionTimes)
    lists: list[PastList] = field(default_factory=list)
    events: list[PodEvent] = field(default_factory=list)
    has_all_events: bool = False
    left: int = 0
    refused: int = 0

    def finish(self) -> Gathered:
        lists = sorted(self.lists, key=lambda past: past.version)
        # Events come by name, and so by pod. Of the last one some may be missing.
        last = self.events[-1].uid if self.events and not self.has_all_events else ""
        events = group_by_pod((each for each in self.events if each.uid != last), self.outage.until)
        return Gathered(self.outage, lists, self.times, events)


class Recovery:
    """Looks up outages, one after the other.

    Args:
        name: the recorder's.
        api: the API server.
        store: what is known.
        journal: where conclusions go.
        executor: threads in which the store is read, and conclusions are drawn.
        problems: the log of problems.
        clock: tells the time.
    """

    def __init__(
        self,
        name: str,
        api: Api,
        store: Store,
        journal: Journal,
        executor: Executor,
        problems: ProblemLog,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._name = name
        self._api = api
        self._store = store
        self._journal = journal
        self._executor = executor
        self._problems = problems
        self._clock = clock
        self._upcoming: Outage | None = None
        self._withdrawals = 0
        self._has_begun = asyncio.Event()

    def begin(self, outage: Outage) -> None:
        """An outage to look up. Of those that follow each other faster than they can be, the longest counts."""
        upcoming = self._upcoming
        if upcoming is None or outage.until - outage.since > upcoming.until - upcoming.since:
            self._upcoming = outage
        self._has_begun.set()

    def withdraw(self) -> None:
        """Versions mean something else from now on, as after a restored backup of etcd: what they tell is dropped."""
        self._upcoming = None
        self._withdrawals += 1

    async def run(self) -> None:
        """Looks up outages until cancelled. What can't be learnt is said, and ends stay as they are known."""
        while True:
            await self._has_begun.wait()
            outage, self._upcoming = self._upcoming, None
            self._has_begun.clear()
            if outage is None:
                continue
            await self._recover(outage)
            await sleep(self._clock, PAUSE_SECONDS)

    async def _recover(self, outage: Outage) -> None:
        withdrawals = self._withdrawals
        if await self._is_known_from_others(outage):
            return
        self._problems.clear("stamps of Leases")
        gathering = _Gathering(outage)
        for seconds, read in ((PAST_SECONDS, self._read_past), (EVENT_SECONDS, self._read_events)):
            try:
                async with timeout(self._clock, seconds):
                    await read(gathering)
            except TimeoutError:
                self._problems.report("outage", f"what is left of an outage took longer than {seconds:.0f} s")
            else:
                self._problems.clear("outage")
        gathered = gathering.finish()
        opened = await self._ask(self._store.list_open)
        found = await self._ask(partial(conclude, gathered, opened, self._is_recorded))
        await sleep(self._clock, SETTLE_SECONDS)
        if withdrawals != self._withdrawals:
            return
        for lifetime in found:
            await self._journal.wait_for_room()
            self._journal.add(lifetime)
        logger.info(
            "looked up what wasn't watched",
            seconds=(outage.until - outage.since) // 1000,
            lists=len(gathering.lists),
            refused=gathering.refused,
            events=len(gathering.events),
            pods=len(found),
        )

    async def _is_known_from_others(self, outage: Outage) -> bool:
        """Whether another recorder has watched all of it. One that runs is given the time to say so."""
        waited = 0.0
        while True:
            await sleep(self._clock, PEER_SECONDS)
            waited += PEER_SECONDS
            windows = [each for each in await self._ask(self._store.fetch_watched) if each.recorder != self._name]
            if not compute_coverage(windows, outage.since, outage.until).gaps:
                return True
            if waited >= PEER_LAG_SECONDS or not _has_watched_on(windows, outage):
                return False

    def _is_recorded(self, uid: str) -> bool:
        return self._store.fetch(uid) is not None

    async def _ask(self, question: Callable[[], Result]) -> Result:
        """Reads from the store, however long it is away."""
        loop = asyncio.get_running_loop()
        attempt = partial(loop.run_in_executor, self._executor, question)
        return await retry(attempt, "recovery", (StoreUnavailableError,), self._problems, self._clock)

    async def _read_past(self, gathering: _Gathering) -> None:
        outage = gathering.outage
        plan = Plan(outage, count_lists(1 + len(outage.current) // PAGE_SIZE, MOST_REQUESTS), gathering.times)
        gathering.left = MOST_REQUESTS
        try:
            await self._try(gathering, partial(self._read_leases, gathering))
            while (version := plan.choose()) is not None:
                began = self._clock.monotonic()
                try:
                    past = await self._try(gathering, partial(self._read_list, gathering, version))
                except ApiError as error:
                    if error.status != GONE:
                        raise
                    gathering.refused += 1
                    plan.refuse(version)
                else:
                    gathering.lists.append(past)
                    plan.add(version)
                    # The API server reads all pods from etcd for it, others' too: it has as long to rest.
                    await sleep(self._clock, self._clock.monotonic() - began)
        except RequestsSpentError:
            return
        except (ApiError, NotExact) as error:
            self._problems.report("lists of the past", str(error))
        else:
            self._problems.clear("lists of the past")

    async def _read_list(self, gathering: _Gathering, version: int) -> PastList:
        exact = {"resourceVersion": str(version), "resourceVersionMatch": "Exact"}
        await self._read_leases(gathering, exact)
        lifetimes: dict[str, Lifetime] = {}
        current, stamp = gathering.outage.current, 0
        async for page in self._read_pages(gathering, PODS.list_path(), {**OUR_PODS, **exact}):
            if read_version(page) != version:
                raise NotExact(f"asked for pods as of resourceVersion {version}, it answers {read_version(page)}")
            for item in page.get("items") or ():
                stamp = max(stamp, read_stamp(item))
                if (item.get("metadata") or {}).get("uid") not in current:
                    seen = read_sighting(item, self._name, 0)
                    if seen is not None and not isinstance(seen, Unreadable):
                        lifetimes[seen.uid] = seen
        gathering.times.add_stamp(version, stamp)
        return PastList(version, lifetimes)

    async def _read_leases(self, gathering: _Gathering, exact: Mapping[str, str] | None = None) -> None:
        """One page of each: they are there for what they are stamped with."""
        for path in LEASES_LISTED:
            gathering.left -= 1
            try:
                page = await self._api.get(path, {"limit": str(MOST_LEASES), **(exact or {})})
            except ApiError as error:
                if error.status == GONE:
                    raise
                self._problems.report("stamps of Leases", str(error))
            else:
                gathering.times.add_leases(page.get("items") or ())

    async def _read_events(self, gathering: _Gathering) -> None:
        gathering.left = MOST_EVENT_PAGES
        try:
            await self._try(gathering, partial(self._read_all_events, gathering))
        except (ApiError, RequestsSpentError) as error:
            if not isinstance(error, RequestsSpentError):
                self._problems.report("events of pods", str(error))
        else:
            gathering.has_all_events = True
            self._problems.clear("events of pods")

    async def _read_all_events(self, gathering: _Gathering) -> None:
        """Read again, they are there twice, which changes nothing."""
        about_pods = {"fieldSelector": "involvedObject.kind=Pod"}
        async for page in self._read_pages(gathering, EVENTS.list_path(), about_pods):
            gathering.events += filter(None, map(read_pod_event, page.get("items") or ()))

    async def _read_pages(self, gathering: _Gathering, path: str, query: Mapping[str, str]) -> AsyncIterator[Json]:
        async for page in self._api.read_pages(path, query, is_snapshot=True):
            gathering.left -= 1
            yield page
            if gathering.left <= 0 and (page.get("metadata") or {}).get("continue"):
                raise RequestsSpentError

    async def _try(self, gathering: _Gathering, read: Callable[[], Awaitable[Result]]) -> Result:
        """Reads; an API server that isn't there for a moment, as after it was restarted, is asked again."""
        while gathering.left > 0:
            try:
                return await read()
            except ApiUnreachable:
                gathering.left -= 1
                await sleep(self._clock, RETRY_SECONDS)
        raise RequestsSpentError


def _has_watched_on(windows: list[Watched], outage: Outage) -> bool:
    """Whether one of the others watched when the outage had begun."""
    return any(each.since <= outage.since < each.until for each in windows)
