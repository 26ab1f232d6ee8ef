"""When nodes last said that they are alive, and how far their clocks are off: from their Leases, watched.

A node renews its Lease every ten seconds. Its last renewal is where the bill of a lost node's pods may end, and
remembered after the Lease is gone, because it goes with its node. A renewal carries the node's time and arrives at
once, so the difference is the skew of its clock, by which the starts of its pods are off.
"""

import contextlib
from collections.abc import Mapping
from typing import Any, Final

import structlog

from monopod.kube.client.api import Api, ApiError, ApiUnreachable
from monopod.kube.client.request import SHORTEST_SECONDS
from monopod.kube.clock import SYSTEM_CLOCK, Clock, lasting, sleep
from monopod.kube.controller import Backoff
from monopod.kube.logs import ProblemLog
from monopod.kube.objects.resources import LEASES
from monopod.kube.objects.timestamps import read_time
from monopod.ledger.recorder.listing import compute_now_ms

NODE_LEASES: Final = "kube-node-lease"
BACKOFF: Final = Backoff(first=1.0, longest=30.0)
REMEMBERED_MS: Final = 24 * 3600 * 1000
"""A pod object of a lost node is deleted minutes after it; a day later nobody asks."""

logger = structlog.stdlib.get_logger(__name__)


class Nodes:
    """Follows the Leases of all nodes.

    Attributes:
        renewals: when each node was last known to be alive.
        skews: how many milliseconds each node's clock is ahead of this one, as of its last renewal.
    """

    def __init__(self, api: Api, problems: ProblemLog, clock: Clock = SYSTEM_CLOCK) -> None:
        self._api = api
        self._problems = problems
        self._clock = clock
        self.renewals: dict[str, int] = {}
        self.skews: dict[str, int] = {}

    async def run(self) -> None:
        """Follows until cancelled. What can't be read is said and tried again: pods are counted without it, too."""
        failures = 0
        while True:
            try:
                await self._follow()
            except (ApiError, ApiUnreachable) as error:
                failures += 1
                self._problems.report("leases of nodes", str(error))
                await sleep(self._clock, BACKOFF.after(failures))
            else:
                failures = 0

    async def _follow(self) -> None:
        """A list, and watches until one is refused: an old version isn't missed here, so the list is read anew."""
        path = LEASES.list_path(NODE_LEASES)
        version = ""
        async for page in self._api.read_pages(path, is_snapshot=True):
            for item in page.get("items") or ():
                self._observe(item)
            version = str(page["metadata"]["resourceVersion"])
        self._forget()
        self._problems.clear("leases of nodes")
        while True:
            watch = self._api.watch(path, version)
            async with lasting(self._clock, SHORTEST_SECONDS), contextlib.aclosing(watch) as events:
                async for event in events:
                    version = str((event.object.get("metadata") or {}).get("resourceVersion") or version)
                    if event.type in {"ADDED", "MODIFIED"}:
                        self._observe(event.object, arrived=compute_now_ms(self._clock))
                    elif event.type == "DELETED":
                        self.skews.pop(event.object["metadata"]["name"], None)

    def _observe(self, lease: Mapping[str, Any], arrived: int = 0) -> None:
        name = lease["metadata"]["name"]
        renewed = read_renewal(lease)
        if renewed is None:
            return
        if arrived and renewed > self.renewals.get(name, 0):
            self.skews[name] = renewed - arrived
        self.renewals[name] = max(renewed, self.renewals.get(name, 0))

    def _forget(self) -> None:
        oldest = compute_now_ms(self._clock) - REMEMBERED_MS
        self.renewals = {name: renewed for name, renewed in self.renewals.items() if renewed >= oldest}


def read_renewal(lease: Mapping[str, Any]) -> int | None:
    """When a Lease was last renewed, in milliseconds; None if it never was, or says so in no time that can be read."""
    try:
        time = read_time(str((lease.get("spec") or {}).get("renewTime") or ""))
    except ValueError:
        return None
    return None if time is None or time.year < 1971 else round(time.timestamp() * 1000)
