"""Pulls from the other replicas what they know, and joins it: whatever one of them saw, all know after some seconds.

A peer is asked for what changed since last time. The number that says so is the peer's store's own and is committed
with what was joined. A store with another id is a new disk: it is read from its beginning. It doesn't matter what was
joined already, nor whether it comes back from the other side.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import aiohttp
import structlog

from monopod.kube.clock import SYSTEM_CLOCK, Clock, sleep
from monopod.kube.logs import ProblemLog
from monopod.ledger.server.peers import CHANGES_PATH, decode_changes
from monopod.ledger.store.answers import Changes, Position, StoreUnavailableError
from monopod.ledger.store.store import Store
from monopod.usage.replica import Replica, ReplicaTrouble, Verify, open_session

PULL_SECONDS: Final = 2.0
REQUEST_SECONDS: Final = 15.0
END: Final = 10**17
"""Behind the last change of any store: an answer to it has the store's id and nothing else."""

MOST_BYTES: Final = 32 * 1024 * 1024
"""Of an answer: a page, whose lifetimes are bounded by their texts (`store.MOST_TEXT`), and a hundred thousand
windows."""

_PATIENCE: Final = {False: 120.0, True: 3600.0}
"""For how many seconds a peer is waited for that hasn't answered yet; and one that is being read."""

Result = TypeVar("Result")
logger = structlog.stdlib.get_logger(__name__)


@dataclass
class _Peer:
    """What is known of one peer: its store, and how far that was read."""

    url: str
    replica: Replica
    store: str = ""
    last: int = 0
    pulled: float = field(default=0.0)


class Peers:
    """Pulls from all other replicas.

    Args:
        hosts: those of all replicas; the one whose first label is `name` is this one.
        name: this replica's.
        port: where they listen.
        token: the file with the token by which they know this replica.
        verify: finds out by which certificate this replica knows them.
        store: what is joined with.
        writer: the one thread in which is written.
        problems: the log of problems.
        clock: tells the time.
    """

    def __init__(
        self,
        hosts: Sequence[str],
        name: str,
        port: int,
        token: Path,
        verify: Verify,
        store: Store,
        writer: Executor,
        problems: ProblemLog,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        others = [host for host in hosts if host.partition(".")[0] != name]
        urls = {host: f"https://{host}:{port}" for host in others}
        self._peers = {host: _Peer(url, Replica(url, token, verify)) for host, url in urls.items()}
        self._store = store
        self._writer = writer
        self._problems = problems
        self._clock = clock
        self._started = clock.monotonic()

    @property
    def lags(self) -> dict[str, float]:
        """For how many seconds each peer hasn't been read to its end."""
        now = self._clock.monotonic()
        return {host: now - (peer.pulled or self._started) for host, peer in self._peers.items()}

    @property
    def is_caught_up(self) -> bool:
        """Whether all is known that peers had known before the start, or they have had their time to tell."""
        age = self._clock.monotonic() - self._started
        return all(peer.pulled or age > _PATIENCE[bool(peer.store)] for peer in self._peers.values())

    async def run(self) -> None:
        """Pulls until cancelled."""
        async with open_session(REQUEST_SECONDS) as session, asyncio.TaskGroup() as group:
            for host, peer in self._peers.items():
                group.create_task(self._pull_always(session, host, peer), name=f"pull {host}")

    async def _pull_always(self, session: aiohttp.ClientSession, host: str, peer: _Peer) -> None:
        while True:
            try:
                await self._pull(session, peer)
            except (ReplicaTrouble, StoreUnavailableError) as trouble:
                self._problems.report(f"peer {host}", str(trouble))
            else:
                peer.pulled = self._clock.monotonic()
                self._problems.clear(f"peer {host}")
            await sleep(self._clock, PULL_SECONDS)

    async def _pull(self, session: aiohttp.ClientSession, peer: _Peer) -> None:
        """Reads a peer to its end."""
        if not peer.store:
            await self._begin(peer, await self._ask(session, peer, END))
        while peer.store != self._store.id:  # replicas that share a database know the same
            changes = await self._ask(session, peer, peer.last)
            if changes.store != peer.store:
                await self._begin(peer, changes)
                continue
            if changes.is_end and changes.last < peer.last:
                # An older state of its database was restored; what it has learnt since has numbers that were read.
                logger.warning("a peer's store went back", url=peer.url, before=peer.last, now=changes.last)
                peer.last = 0
                continue
            if not changes.is_end and changes.last <= peer.last:
                raise ReplicaTrouble(f"it says that more follows {peer.last}, and gives nothing")
            await self._join(peer, changes)
            if changes.is_end:
                return

    async def _begin(self, peer: _Peer, changes: Changes) -> None:
        position = await self._run(partial(self._store.fetch_position, f"peer/{changes.store}"))
        peer.store, peer.last = changes.store, int(position.version) if position else 0
        logger.info("a peer's store", url=peer.url, store=peer.store, after=peer.last)

    async def _join(self, peer: _Peer, changes: Changes) -> None:
        if changes.last == peer.last and not changes.lifetimes and not changes.watched:
            return
        position = Position(f"peer/{peer.store}", str(changes.last))
        await self._run(partial(self._store.join, changes.lifetimes, position=position, watched=changes.watched))
        peer.last = changes.last

    async def _run(self, call: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._writer, call)

    async def _ask(self, session: aiohttp.ClientSession, peer: _Peer, after: int) -> Changes:
        try:
            return decode_changes(await peer.replica.ask(session, CHANGES_PATH, {"after": str(after)}, MOST_BYTES))
        except (ValueError, ArithmeticError, RecursionError) as error:
            raise ReplicaTrouble(str(error)[:300] or type(error).__name__) from error
