"""Sees every pod of every profile come and go, by a list and a watch of its own.

    resume ──position known──► replay ──► follow ◄──────────────┐
      │                          │ 410      │ 410, rewound,     │
      └──none──► sync (list) ◄───┴──────────┘ events missed     │
                   └── closes what is missing, new window ──────┘

Nothing is claimed that isn't known: the window of what was watched without a gap ends where a probe began whose
version the stream has reached. A stream that hangs, or an API server that is away, only makes the window stand still.
After a restart the watch goes on from the version that was committed with the facts, so that nothing is missed as long
as the API server still has it; afterwards a list shows what is gone, and the window is broken: that is a gap. What the
API server still knows of it is looked up meanwhile, by `Recovery`.

kopf isn't used: it goes on from lists, and doesn't tell what was deleted meanwhile.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from typing import Final, TypeVar

import structlog

from monopod.kube.client.api import Api, ApiError, ApiUnreachable, Json, WatchEvent
from monopod.kube.client.request import SHORTEST_SECONDS
from monopod.kube.clock import SYSTEM_CLOCK, Clock, lasting, sleep
from monopod.kube.controller import Backoff
from monopod.kube.logs import ProblemLog
from monopod.kube.objects.resources import PODS
from monopod.kube.retry import retry
from monopod.ledger.recorder.closing import Listed, close, close_missing, close_strays, is_stray
from monopod.ledger.recorder.journal import Journal
from monopod.ledger.recorder.listing import (
    OUR_PODS,
    compute_now_ms,
    fetch_listing,
    fetch_probe,
    read_stamp,
    read_version,
)
from monopod.ledger.recorder.nodes import Nodes
from monopod.ledger.recorder.past import Outage
from monopod.ledger.recorder.recovery import Recovery
from monopod.ledger.recorder.revision_clock import Probe, RevisionClock
from monopod.ledger.recorder.revision_times import RevisionTimes, replay_leases
from monopod.ledger.store.answers import StoreUnavailableError
from monopod.ledger.store.store import Store
from monopod.usage.rules.lifetime import Evidence, Interval, Lifetime, Watched
from monopod.usage.rules.sighting import Unreadable, read_sighting

PROBE_SECONDS: Final = 5.0
AUDIT_SECONDS: Final = 60.0
GRACE_SECONDS: Final = 5.0
GRACES: Final = 3
"""How often what a list shows is waited for as an event: long enough for the bookmark of a stream that lives."""

UNTIMED_MS: Final = 2000
"""Of what is replayed of a longer time, it is worth knowing when it happened; stamps tell no less."""

BACKOFF: Final = Backoff(first=0.5, longest=5.0)
GONE: Final = 410

Result = TypeVar("Result")
logger = structlog.stdlib.get_logger(__name__)


class MissedError(Exception):
    """The stream can't be trusted any more: its place has to be taken by a list. The message says why."""


class Recorder:
    """One recorder of one cluster.

    Args:
        name: what no other recorder is called; the same after a restart.
        namespace: a small namespace, Monopod's own.
        api: the API server.
        store: where lifetimes are, to resume from.
        journal: where facts go.
        nodes: what is known of nodes.
        executor: threads in which the store is read.
        problems: the log of problems.
        clock: tells the time.

    Attributes:
        missed: how many objects a list showed that the stream hadn't.
        unreadable: pods that can't be read, with the reason, by uid.
    """

    def __init__(
        self,
        name: str,
        namespace: str,
        api: Api,
        store: Store,
        journal: Journal,
        nodes: Nodes,
        executor: Executor,
        problems: ProblemLog,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._name = name
        self._namespace = namespace
        self._api = api
        self._store = store
        self._journal = journal
        self._nodes = nodes
        self._executor = executor
        self._problems = problems
        self._clock = clock
        self._recovery = Recovery(name, api, store, journal, executor, problems, clock)
        self._position = 0
        self._known: dict[str, int] = {}
        self._touched: set[str] = set()
        self._revisions = RevisionClock(0)
        self._times = RevisionTimes()
        self._must_sync = ""
        self._is_rewound = False
        self._is_flowing = False
        self._has_missed = False
        self._audited = 0
        self.window: Watched | None = None
        self.missed = 0
        self.unreadable: dict[str, str] = {}

    @property
    def is_synced(self) -> bool:
        """Whether it has gone on from where it was, or has read its first list."""
        return self.window is not None and not self._must_sync

    @property
    def count(self) -> int:
        """How many pods exist, as far as is known."""
        return len(self._known)

    async def run(self) -> None:
        """Records until cancelled."""
        await self._resume()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow(), name="follow")
            group.create_task(self._recovery.run(), name="recovery")
            group.create_task(self._repeat("probe", PROBE_SECONDS, self._probe), name="probe")
            group.create_task(self._repeat("audit", AUDIT_SECONDS, self._audit), name="audit")

    async def _resume(self) -> None:
        """Goes on where the process before stopped, as far as the store knows."""
        position = await self._ask(partial(self._store.fetch_position, self._name))
        windows = [each for each in await self._ask(self._store.fetch_watched) if each.recorder == self._name]
        if position is None or not position.version.isdigit() or not windows:
            self._must_sync = "nothing was recorded before"
            return
        self._position = int(position.version)
        self.window = max(windows, key=lambda window: window.until)
        self._revisions = RevisionClock(self.window.until)
        opened = await self._ask(self._store.list_open)
        self._known = {
            each.uid: each.description.version
            for each in opened
            if each.description.version <= self._position and not is_stray(each)
        }
        logger.info("resuming", version=self._position, pods=len(self._known))

    async def _ask(self, question: Callable[[], Result]) -> Result:
        """Reads from the store, however long it is away."""
        run = asyncio.get_running_loop().run_in_executor
        return await retry(
            lambda: run(self._executor, question), "store", (StoreUnavailableError,), self._problems, self._clock
        )

    async def _follow(self) -> None:
        failures = 0
        while True:
            try:
                if self._must_sync:
                    await self._sync()
                if not self._is_flowing:
                    await self._reconnect()
                async with lasting(self._clock, SHORTEST_SECONDS):
                    await self._stream()
                    failures = 0
            except MissedError as problem:
                failures += 1  # whatever the reason, lists that follow each other at once would be a load
                self._begin_sync(str(problem))
            except ApiError as error:
                failures += 1
                self._is_flowing = False
                if error.status == GONE:
                    self._begin_sync(str(error))
                else:
                    self._problems.report("watch of pods", str(error))
            except ApiUnreachable as error:
                self._is_flowing = False
                failures += 1
                self._problems.report("watch of pods", str(error))
            if failures:
                await sleep(self._clock, BACKOFF.after(failures))

    def _begin_sync(self, reason: str) -> None:
        self._is_flowing = False
        self._must_sync = reason
        logger.warning("pods are listed anew", reason=reason)

    async def _sync(self) -> None:
        """Starts from a list: what should be there and isn't has ended, and a new window begins."""
        await self._journal.flush()
        self._known = {}
        self.unreadable = {}
        probe = await fetch_listing(self._api, self._clock, self._observe_listed)
        opened = await self._ask(self._store.list_open)
        windows = await self._ask(self._store.fetch_watched)
        self._revisions = RevisionClock(probe.sent)
        is_rewound = self._is_rewound or probe.version < self._position
        if is_rewound:
            self._recovery.withdraw()
        listed = Listed(self._known, probe.version, probe.answered, is_rewound)
        windows = [*(each for each in windows if each.recorder != self._name), *self._list_trusted(windows)]
        missing = [*close_missing(opened, listed, windows, self._nodes.renewals)]
        for lifetime in missing:
            self._journal.add(lifetime)
        outage = self._build_outage(probe, missing)
        self._position = probe.version
        self.window = Watched(self._name, probe.sent, probe.sent)
        self._audited, self._has_missed = probe.sent, False
        self._journal.advance(str(probe.version))
        self._journal.extend(self.window)
        await self._journal.flush()
        self._must_sync, self._is_rewound = "", False
        if outage:
            self._recovery.begin(outage)
        logger.info("synced", version=probe.version, pods=len(self._known))

    def _observe_listed(self, item: Json, at: int) -> None:
        if lifetime := self._read(item, at):
            self._journal.add(lifetime)

    def _build_outage(self, probe: Probe, missing: Iterable[Lifetime]) -> Outage | None:
        """What this list can't tell of; None if nothing was watched before, or if versions from before say nothing."""
        if self.window is None or self._has_missed or self._is_rewound or probe.version <= self._position:
            return None
        current = frozenset(self._known)
        return Outage(self.window.until, probe.answered, self._position, probe.version, current, tuple(missing))

    def _list_trusted(self, windows: Iterable[Watched]) -> Iterator[Watched]:
        """This recorder's own windows; where its stream missed something, the last only to where it was audited."""
        for window in windows:
            if window.recorder == self._name and (self.window is None or window.since != self.window.since):
                yield window
        if self.window:
            yield replace(self.window, until=self._audited) if self._has_missed else self.window

    async def _reconnect(self) -> None:
        """Before a stream goes on: what happened since the one before, or the list, arrives later than it happened."""
        probe, self._times = await self._probe(), RevisionTimes()
        if self.window and probe.answered - self.window.until > UNTIMED_MS:
            self._times = await replay_leases(self._api, self._clock, self._position, probe.version)
            probe = await self._probe()  # what happened meanwhile arrives late, too
        self._revisions.begin_replay(probe.version)

    async def _stream(self) -> None:
        """One watch, which the API server ends after some seconds."""
        if self._must_sync:
            raise MissedError(self._must_sync)
        watch = self._api.watch(PODS.list_path(), str(self._position), OUR_PODS)
        async with contextlib.aclosing(watch) as events:
            async for event in events:
                self._is_flowing = True
                await self._journal.wait_for_room()
                if self._must_sync:
                    raise MissedError(self._must_sync)
                self._observe(event)
        self._is_flowing = True
        self._problems.clear("watch of pods")

    def _observe(self, event: WatchEvent) -> None:
        version = read_version(event.object)
        if event.type != "BOOKMARK":
            self._revisions.add_stamp(version, read_stamp(event.object))
            moment = self._revisions.compute_moment(version, compute_now_ms(self._clock))
            if not moment.is_exact:
                moment = self._times.narrow(version, moment)
            lifetime = self._read(event.object, moment.earliest)
            if event.type == "DELETED":
                self._forget(event.object)
                lifetime = self._close(lifetime, moment) if lifetime else None
            if lifetime:
                self._journal.add(lifetime)
        self._position = max(self._position, version)
        self._journal.advance(str(self._position))
        self._extend()

    def _read(self, item: Json, at: int) -> Lifetime | None:
        uid = str((item.get("metadata") or {}).get("uid") or "")
        self._touched.add(uid)
        self._known[uid] = read_version(item)
        sighting = read_sighting(item, self._name, at)
        if isinstance(sighting, Unreadable):
            if uid not in self.unreadable:
                logger.warning("a pod can't be read", pod=f"{sighting.namespace}/{sighting.name}", why=sighting.problem)
            self.unreadable[uid] = sighting.problem
            return None
        self.unreadable.pop(uid, None)
        return sighting

    def _forget(self, item: Json) -> None:
        uid = item["metadata"]["uid"]
        self._touched.add(uid)
        self._known.pop(uid, None)
        self.unreadable.pop(uid, None)

    def _close(self, lifetime: Lifetime, moment: Interval) -> Lifetime:
        evidence = Evidence.WATCHED_DELETION if moment.is_exact else Evidence.REPLAYED_DELETION
        return close(lifetime, moment, evidence, self._nodes.renewals.get(lifetime.description.node))

    def _extend(self) -> None:
        until = self._revisions.confirm(self._position)
        if self.window and until > self.window.until:
            self.window = replace(self.window, until=until)
            self._journal.extend(self.window)

    async def _repeat(self, name: str, seconds: float, check: Callable[[], Awaitable[object]]) -> None:
        while True:
            await sleep(self._clock, seconds)
            try:
                await check()
            except (ApiError, ApiUnreachable) as error:
                self._problems.report(name, str(error))
            else:
                self._problems.clear(name)

    async def _probe(self) -> Probe:
        """Learns where the API server is."""
        position, revisions = self._position, self._revisions
        try:
            probe = await fetch_probe(self._api, self._clock, self._namespace)
        except ApiUnreachable:
            # It may come back with etcd restored, and by now beyond where it was: no version tells then.
            revisions.forget_probes()
            raise
        if revisions is not self._revisions:
            return probe  # a list came in between
        if probe.version < position:
            # Versions never go back, except when etcd is restored from a backup.
            self._must_sync = f"the API server went back from resourceVersion {position} to {probe.version}"
            self._is_rewound = True
            self._recovery.withdraw()
            return probe
        revisions.add_probe(probe)
        self._extend()
        return probe

    async def _audit(self) -> None:
        """Compares what is known with a list: a stream that missed something is replaced by a list."""
        if not self._is_flowing or self._must_sync:
            return
        self._touched, revisions, began = set(), self._revisions, compute_now_ms(self._clock)
        listed: dict[str, int] = {}
        async for item in self._api.list_pages(PODS.list_path(), OUR_PODS, metadata_only=True):
            listed[item["metadata"]["uid"]] = read_version(item)
        version = (await self._probe()).version
        for _ in range(GRACES):
            if self._position < version and self._find_missed(listed):
                await sleep(self._clock, GRACE_SECONDS)
        if any((revisions is not self._revisions, not self._is_flowing, self._must_sync)):
            return  # a list came in between, or the stream is interrupted, which is known
        if missed := self._find_missed(listed):
            if self._position < version:
                return  # they may still come
            self.missed += len(missed)
            self._has_missed, self._must_sync = True, f"the watch had missed {len(missed)} pods"
            return
        self._audited = began
        await self._close_strays()

    def _find_missed(self, listed: dict[str, int]) -> set[str]:
        uids = listed.keys() | self._known.keys()
        return {uid for uid in uids if listed.get(uid) != self._known.get(uid)} - self._touched

    async def _close_strays(self) -> None:
        """Closes what other recorders left open, of pods that this one saw end or that it would have seen."""
        await self._journal.flush()
        revisions, position, now = self._revisions, self._position, compute_now_ms(self._clock)
        others = [each for each in await self._ask(self._store.fetch_watched) if each.recorder != self._name]
        opened = await self._ask(self._store.list_open)
        if revisions is self._revisions and not self._must_sync:
            listed = Listed(self._known, position, now)
            for lifetime in close_strays(opened, listed, others, self._nodes.renewals):
                self._journal.add(lifetime)
