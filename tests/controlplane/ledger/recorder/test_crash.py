"""Recorders that are killed, lose their disks and the API server's past, beside pods that run on fake nodes.

Whatever happens, the truth lies inside the interval that is stored of each pod; both databases end up alike; and a pod
is unknown only if it came and went while nobody watched and the API server forgot it.
"""

import contextlib
import json
import os
import random
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

import pytest

from lab.cluster.installation import apply_api
from lab.services import Services
from monopod.kube.objects.resources import NAMESPACES, PODS, RUNTIME_CLASSES
from monopod.ledger.store.store import Store
from monopod.usage.rules.bill import Terms
from monopod.usage.rules.coverage import compute_coverage
from monopod.usage.rules.lifetime import Lifetime
from tests.clusters import ControlPlane, run_control_plane
from tests.controlplane.ledger.ledger_process import LedgerLab, LedgerProcess
from tests.controlplane.operating.lab import eventually
from tests.controlplane.reach import reach
from tests.controlplane.server import Server
from tests.unit.builders import a_pod, a_profile, a_selector

PODS_IN_ALL = int(os.environ.get("MONOPOD_LEDGER_PODS") or 80)
IS_DEEP = PODS_IN_ALL >= 1000
LONGEST_LIFE = 120.0 if IS_DEEP else 8.0
OUTAGES = (30.0, 180.0, 1200.0) if IS_DEEP else (2.0, 3.0, 3.0)
"""Of one replica, of both, and of both while the API server is restarted."""

PAUSE = 30.0 if IS_DEEP else 2.0
SPACE = "crowd"
LATENCY_MS = 2000
BACK_SECONDS = 40.0

COMMIT_MS = 2000
"""What was seen a moment before a kill isn't committed yet."""

EARLIER_MS = 30_000
"""Where no pod moves, the moment up to which nothing was missed is that much behind at most."""

SOURCE = random.Random(20)


@dataclass
class Truth:
    """When a pod was created and deleted, each before and after the request, in milliseconds."""

    created: tuple[int, int]
    deleted: tuple[int, int] | None = None


@dataclass
class Crowd:
    """Pods that come and go, until told to stop."""

    server: Server
    truth: dict[str, Truth] = field(default_factory=dict)
    _ends: list[tuple[float, str, str]] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _names: dict[str, str] = field(default_factory=dict)
    _made: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self) -> None:
        seconds = (2 * sum(OUTAGES) + 8 * PAUSE) / PODS_IN_ALL
        upcoming = time.monotonic()
        while not self._stopping.is_set():
            now = time.monotonic()
            with self._lock, contextlib.suppress(Exception):  # the API server is away for a moment: tried again
                if now >= upcoming:
                    upcoming = now + seconds
                    self._create()
                self._delete_due(now)
            time.sleep(0.02)  # a pace, not a wait

    def stop(self) -> None:
        self._stopping.set()

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
                truth.deleted = (since, _now_ms())
                del due[uid]
        self._ends = [*due.values()]

    def _create(self) -> None:
        name, before = f"pod-{self._made}", _now_ms()
        made = self.server.create_pod(SPACE, a_pod(name).build(), dry_run=False).expect_ok()
        self._made += 1
        uid = made["metadata"]["uid"]
        self.truth[uid] = Truth((before, _now_ms()))
        self._names[uid] = name
        self._ends.append((time.monotonic() + SOURCE.uniform(1, LONGEST_LIFE), name, uid))

    def _delete_due(self, now: float) -> None:
        for due in [each for each in self._ends if each[0] <= now]:
            _, name, uid = due
            before = _now_ms()
            self.server.delete(PODS.path(name, SPACE)).expect_ok()
            self.truth[uid].deleted = (before, _now_ms())
            self._ends.remove(due)


@dataclass
class Crash:
    """What happens to the recorders and to the API server."""

    cluster: ControlPlane
    crowd: Crowd
    replicas: list[LedgerProcess]
    forgotten: list[tuple[int, int]] = field(default_factory=list)

    @property
    def services(self) -> Services:
        (machine,) = self.cluster.lab.machines()
        return machine

    @contextlib.contextmanager
    def stopping(self, *names: str) -> Iterator[None]:
        """Without these services, and without new pods, until the API server is ready again."""
        specs = {name: json.loads((self.services.folder / f"services/{name}.json").read_text()) for name in names}
        self.crowd.pause()
        for name in names:
            self.services.stop(name)
        yield
        for name in reversed(names):
            self.services.start(name, specs[name]["argv"], specs[name]["env"])
        eventually(lambda: self.cluster.kubectl("get", "--raw", "/readyz", check=False).returncode == 0)
        self.crowd.resume()

    def restart_api_server(self) -> None:
        """Its memory of the past is gone with it."""
        with self.stopping("kube-apiserver"):
            pass

    def restore_etcd(self) -> None:
        """From a copy that is some moments old: pods that were deleted since are back, new ones never were."""
        data = self.services.folder / "etcd"
        copy = data.with_name("etcd-copy")
        began = _now_ms()
        with self.stopping("kube-apiserver", "etcd"):
            shutil.copytree(data, copy)
            existing = self.crowd.list_existing()
        for replica in self.replicas:
            replica.becomes_ready()
        _pass(OUTAGES[0])
        with self.stopping("kube-apiserver", "etcd"):
            shutil.rmtree(data)
            copy.rename(data)
            self.crowd.go_back(existing, began)
            restored = _now_ms()
        for replica in self.replicas:
            eventually(partial(_has_window_since, replica, restored))
        self.forgotten.append((began, _now_ms()))

    def kill_one(self) -> None:
        self.replicas[0].kill()
        _pass(OUTAGES[0])
        self.replicas[0].start()
        self.replicas[0].becomes_ready()

    def lose_a_disk(self) -> None:
        self.replicas[1].kill()
        self.replicas[1].lose_disk()
        self.replicas[1].start()
        self.replicas[1].becomes_ready()

    def kill_both(self, seconds: float) -> None:
        for replica in self.replicas:
            replica.kill()
        _pass(seconds)
        for replica in self.replicas:
            replica.start()
        for replica in self.replicas:
            replica.becomes_ready()

    def kill_both_and_the_past(self) -> None:
        began = _now_ms()
        for replica in self.replicas:
            replica.kill()
        _pass(OUTAGES[2])
        self.restart_api_server()
        for replica in self.replicas:
            replica.start()
        for replica in self.replicas:
            replica.becomes_ready()
        # They resume, and are ready, a moment before the API server answers that it doesn't know that past.
        for replica in self.replicas:
            eventually(partial(_has_window_since, replica, began))
        self.forgotten.append((began, _now_ms()))


def _now_ms() -> int:
    return round(time.time() * 1000)


def _has_window_since(replica: LedgerProcess, moment: int) -> bool:
    """Whether the replica has begun anew."""
    return any(each.recorder == replica.name and each.since > moment for each in replica.read()[1])


def _pass(seconds: float) -> None:
    """An outage lasts; nothing is waited for."""
    time.sleep(seconds)


@pytest.fixture
def crash(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crash]:
    with run_control_plane("ledger", fake_nodes=4) as cluster:
        apply_api(cluster.lab)
        server = Server(cluster.kubeconfig_path)
        server.create(RUNTIME_CLASSES.list_path(), {"metadata": {"name": "kata"}, "handler": "kata"}).expect_ok()
        reach(server, SPACE, [a_profile("crowd", a_selector(SPACE))])
        eventually(lambda: server.get(f"{NAMESPACES.path(SPACE)}/serviceaccounts/default").ok)
        lab = LedgerLab(cluster, tmp_path_factory.mktemp("ledger"))
        replicas = [LedgerProcess(lab, number) for number in range(2)]
        crowd = Crowd(server)
        thread = threading.Thread(target=crowd.run, daemon=True)
        thread.start()
        yield Crash(cluster, crowd, replicas)
        crowd.stop()
        thread.join()
        for replica in replicas:
            replica.kill()
            print(replica.log.read_text() if replica.log.exists() else "")


def test_whatever_is_killed_the_truth_is_inside_and_every_pod_counts_once(crash: Crash) -> None:
    for replica in crash.replicas:
        replica.start()
    for replica in crash.replicas:
        replica.becomes_ready()
    crash.forgotten.append((0, _now_ms()))  # what was before the ledger, it can't know
    for step in (
        crash.kill_one,
        *((lambda: crash.kill_both(OUTAGES[0]),) if IS_DEEP else ()),
        crash.lose_a_disk,
        lambda: crash.kill_both(OUTAGES[1]),
        crash.restore_etcd,
        crash.kill_both_and_the_past,
    ):
        _pass(PAUSE)
        step()
    _pass(PAUSE)
    crash.crowd.stop()
    one = eventually(lambda: _read_alike(crash))
    for uid, truth in crash.crowd.truth.items():
        if uid not in one:
            assert truth.deleted
            assert _is_within((truth.created[0], truth.deleted[1]), crash.forgotten), "it could be seen, and wasn't"
            continue
        _check(one[uid], truth)
    _check_coverage(crash)


def _read_alike(crash: Crash) -> dict[str, Lifetime]:
    """What both have kept, once they know of every end and have learnt everything from each other."""
    one, other = (replica.read()[0] for replica in crash.replicas)
    assert one.keys() == other.keys()
    assert {uid: each.end for uid, each in one.items()} == {uid: each.end for uid, each in other.items()}
    known = {uid: truth for uid, truth in crash.crowd.truth.items() if uid in one}
    assert len(known) >= len(crash.crowd.truth) // 4
    for uid, truth in known.items():
        assert one[uid].is_open == (truth.deleted is None), (truth, one[uid])
    return one


def _check(lifetime: Lifetime, truth: Truth) -> None:
    assert truth.created[0] - 1000 <= lifetime.created <= truth.created[1]
    if truth.deleted is None:
        return
    end = lifetime.end
    assert end is not None
    assert end.earliest - LATENCY_MS <= truth.deleted[1], (truth, lifetime)
    assert truth.deleted[0] <= end.latest, (truth, lifetime)


def _is_within(span: tuple[int, int], outages: list[tuple[int, int]]) -> bool:
    return any(since - COMMIT_MS <= span[0] and span[1] <= until for since, until in outages)


def _check_coverage(crash: Crash) -> None:
    """A gap is what both had forgotten, and nothing else."""
    _, windows = crash.replicas[0].read()
    since, until = min(each.since for each in windows), max(each.until for each in windows)
    gaps = compute_coverage(windows, since, until).gaps
    for gap in gaps:
        if gap.until - gap.since > LATENCY_MS:
            assert any(since - EARLIER_MS <= gap.since and gap.until <= until for since, until in crash.forgotten)
    for replica in crash.replicas:
        store = Store.open(f"sqlite:///{replica.database}", Terms())
        try:
            assert list(store.verify()) == []
        finally:
            store.close()
