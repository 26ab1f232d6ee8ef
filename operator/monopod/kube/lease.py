"""Who leads: a Lease that one of the replicas holds and renews.

    waiting ──Lease free, released, or not renewed for its duration──► leading ──SIGTERM──► released
                                                                          └── not renewed in time ──► lost: exit

Own code, because the client's elector (kubernetes.aio.leaderelection) lets an unanswered request outlast the lease,
dies on a connection error and never releases. As in client-go, another holder's time is never compared with ours:
what counts is how long we ourselves have seen its record unchanged.
"""

import asyncio
import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from monopod.kube.client.api import Api, ApiError, ApiUnreachable, Json
from monopod.kube.clock import SYSTEM_CLOCK, Clock, sleep, timeout
from monopod.kube.objects.resources import LEASES

LEASE_NAME = "monopod"
# How long a process that is told to end has for the release, and for a request that is under way before it.
RELEASE_SECONDS = 5.0


class LeadershipLost(Exception):
    """The Lease could not be renewed in time, or someone else took it: whoever led must stop at once."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds. A dead leader is replaced after `duration` at most; a living one gives up at `renew_within`."""

    duration: float = 10.0
    renew_within: float = 7.0
    retry_every: float = 1.5

    @classmethod
    def from_duration(cls, duration: float) -> "Timing":
        """The other two follow from the duration."""
        return cls(duration, duration * 0.7, duration * 0.15)


class Lease:
    """One replica's hold, or lack of it, on the Lease. `report` hears each trouble with it, and "" when it is over."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        identity: str,
        timing: Timing,
        report: Callable[[str], None] = lambda _: None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.identity = identity
        self.holder = ""
        self._api = api
        self._collection = LEASES.list_path(namespace)
        self._path = f"{self._collection}/{LEASE_NAME}"
        self._timing = timing
        self._report = report
        self._clock = clock
        self._seen_version = ""
        self._seen_at = 0.0
        self._renewed_at = 0.0

    @property
    def is_held(self) -> bool:
        """Whether no other replica can lead: for what must not be done twice, after a process that stood still."""
        return self._clock.monotonic() - self._renewed_at < self._timing.renew_within

    async def acquire(self) -> None:
        """Waits until this replica leads.

        Raises:
            ApiError: the API server will not let us (RBAC).
        """
        while True:
            try:
                taken = await self._attempt()
                self._report("")
                if taken:
                    return
            except ApiUnreachable as error:
                self._report(str(error))
            await sleep(self._clock, self._timing.retry_every)

    async def _attempt(self) -> bool:
        """One attempt, which is brought to its end if this is cancelled: the API server might do what was asked later.

        Who cancels it must then release the Lease, which may have been taken.
        """
        attempt = asyncio.create_task(self._try_once(), name="attempt")
        try:
            return await asyncio.shield(attempt)
        except asyncio.CancelledError:
            await asyncio.wait([attempt], timeout=RELEASE_SECONDS)
            attempt.cancel()
            raise

    async def hold(self) -> None:
        """Renews until that fails.

        Raises:
            LeadershipLost: it failed for longer than `renew_within`, or another replica leads.
        """
        self._renewed_at = self._clock.monotonic()
        while True:
            await sleep(self._clock, self._timing.retry_every)
            left = self._timing.renew_within - (self._clock.monotonic() - self._renewed_at)
            if left <= 0:
                raise LeadershipLost(f"the Lease could not be renewed for {self._timing.renew_within:g} s")
            began = self._clock.monotonic()
            try:
                async with timeout(self._clock, left):
                    renewed = await self._try_once()
            except (TimeoutError, ApiUnreachable, ApiError) as error:
                self._report(str(error) or "no answer in time")
                continue
            self._report("")
            if not renewed:
                raise LeadershipLost(f"{self.holder} holds the Lease now")
            self._renewed_at = began

    async def release(self) -> None:
        """Lets the next replica take over at once. Failing to is no harm: the Lease runs out."""
        try:
            async with timeout(self._clock, RELEASE_SECONDS):
                lease = await self._api.get(self._path)
                if lease["spec"].get("holderIdentity") == self.identity:
                    lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _now()}
                    await self._api.replace(self._path, lease)
        except (TimeoutError, ApiUnreachable, ApiError):
            return

    async def _try_once(self) -> bool:
        """Takes or renews the Lease if that is allowed. Losing a race to another replica is no error."""
        try:
            lease = await self._api.get(self._path)
        except ApiError as error:
            if error.status != 404:
                raise
            return await self._write(self._api.create, self._collection, self._build(None))
        if not self._may_take(lease):
            return False
        return await self._write(self._api.replace, self._path, self._build(lease))

    def _may_take(self, lease: Json) -> bool:
        now = self._clock.monotonic()
        if lease["metadata"]["resourceVersion"] != self._seen_version:
            self._seen_version, self._seen_at = lease["metadata"]["resourceVersion"], now
        spec = lease.get("spec") or {}
        self.holder = spec.get("holderIdentity") or ""
        if self.holder in ("", self.identity):
            return True
        return now > self._seen_at + float(spec.get("leaseDurationSeconds") or self._timing.duration)

    async def _write(self, send: Any, path: str, body: Json) -> bool:
        try:
            lease = await send(path, body)
        except ApiError as error:
            if error.status != 409:
                raise
            return False
        self._seen_version, self._seen_at = lease["metadata"]["resourceVersion"], self._clock.monotonic()
        self.holder = self.identity
        return True

    def _build(self, current: Json | None) -> Json:
        """The Lease with us as its holder; the current one's resourceVersion makes the write fail if we're late."""
        spec = dict((current or {}).get("spec") or {})
        taken_over = spec.get("holderIdentity") != self.identity
        spec |= {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": max(1, round(self._timing.duration)),
            "renewTime": _now(),
        }
        if taken_over:
            spec |= {"acquireTime": _now(), "leaseTransitions": int(spec.get("leaseTransitions") or 0) + bool(current)}
        metadata = (current or {}).get("metadata") or {"name": LEASE_NAME}
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
