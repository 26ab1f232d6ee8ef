"""Pods that come and go on fake nodes, and when each of them truly did."""

import contextlib
import random
import threading
import time
from dataclasses import dataclass, field

from monopod.kube.objects.resources import PODS
from tests.controlplane.server import Server
from tests.unit.builders import a_pod

BACK_SECONDS = 40.0
"""After which pods go again that came back with an older state of etcd."""

SOURCE = random.Random(20)


def now_ms() -> int:
    return round(time.time() * 1000)


@dataclass
class Truth:
    """When a pod was created and deleted, each before and after the request, in milliseconds."""

    created: tuple[int, int]
    deleted: tuple[int, int] | None = None


@dataclass
class Crowd:
    """Pods that come and go, until told to stop."""

    server: Server
    space: str
    seconds: float
    longest_life: float
    truth: dict[str, Truth] = field(default_factory=dict)
    _ends: list[tuple[float, str, str]] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _names: dict[str, str] = field(default_factory=dict)
    _made: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> None:
        upcoming = time.monotonic()
        while not self._stopping.is_set():
            now = time.monotonic()
            with self._lock, contextlib.suppress(Exception):  # the API server is away for a moment: tried again
                if now >= upcoming:
                    upcoming = now + self.seconds
                    self._create()
                self._delete_due(now)
            time.sleep(0.02)  # a pace, not a wait

    def stop(self) -> None:
        """Nothing changes any more, once this returns."""
        self._stopping.set()
        with self._lock:
            pass

    def pause(self) -> None:
        """Nothing is asked of the API server any more, once this returns."""
        self._lock.acquire()

    def resume(self) -> None:
        self._lock.release()

    def list_existing(self) -> frozenset[str]:
        return frozenset(uid for uid, truth in self.truth.items() if truth.deleted is None)

    def go_back(self, existing: frozenset[str], since: int) -> None:
        """The cluster is again as it was when these existed."""
        due = {uid: (end, name, uid) for end, name, uid in self._ends}
        for uid, truth in self.truth.items():
            if uid in existing and truth.deleted:
                truth.deleted = None
                # Late enough that it is seen again before.
                due[uid] = (time.monotonic() + BACK_SECONDS, self._names[uid], uid)
            elif uid not in existing and truth.deleted is None:
                truth.deleted = (since, now_ms())
                del due[uid]
        self._ends = [*due.values()]

    def _create(self) -> None:
        name, before = f"pod-{self._made}", now_ms()
        made = self.server.create_pod(self.space, a_pod(name).build(), dry_run=False).expect_ok()
        self._made += 1
        uid = made["metadata"]["uid"]
        self.truth[uid] = Truth((before, now_ms()))
        self._names[uid] = name
        self._ends.append((time.monotonic() + SOURCE.uniform(1, self.longest_life), name, uid))

    def _delete_due(self, now: float) -> None:
        for due in [each for each in self._ends if each[0] <= now]:
            _, name, uid = due
            before = now_ms()
            self.server.delete(PODS.path(name, self.space)).expect_ok()
            self.truth[uid].deleted = (before, now_ms())
            self._ends.remove(due)
