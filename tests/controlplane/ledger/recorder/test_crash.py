"""Recorders that are killed, lose disks, databases and the API server's past, beside pods that run on fake nodes.

One has PostgreSQL and the other SQLite, so that what one knows reaches the other's kind of database, too.

Whatever happens, the truth lies inside the interval that is stored of each pod; both databases end up alike; and a pod
is unknown only if it came and went while nobody watched and the API server forgot it.
"""

import contextlib
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from statistics import median

import pytest

from lab.cluster.installation import apply_api
from lab.postgresql import Postgresql, run_postgresql
from lab.services import Services
from monopod.kube.objects.resources import NAMESPACES, RUNTIME_CLASSES
from monopod.ledger.store.store import Store
from monopod.usage.rules.bill import Terms
from monopod.usage.rules.coverage import compute_coverage
from monopod.usage.rules.lifetime import Lifetime
from tests.clusters import ControlPlane, run_control_plane
from tests.controlplane.ledger.ledger_process import LedgerLab, LedgerProcess
from tests.controlplane.ledger.recorder.accuracy import EARLIER_MS, EVENT_MS, HEADER, LATENCY_MS, Line, Span, tabulate
from tests.controlplane.ledger.recorder.crowd import Crowd, Truth, now_ms
from tests.controlplane.operating.lab import eventually
from tests.controlplane.reach import reach
from tests.controlplane.server import Server
from tests.unit.builders import a_profile, a_selector

PODS_IN_ALL = int(os.environ.get("MONOPOD_LEDGER_PODS") or 80)
IS_DEEP = PODS_IN_ALL >= 1000
LONGEST_LIFE = 120.0 if IS_DEEP else 8.0
OUTAGES = (30.0, 180.0, 1200.0) if IS_DEEP else (2.0, 3.0, 3.0)
"""Of one replica, of both, and of both while the API server is restarted."""

PAUSE = 30.0 if IS_DEEP else 2.0
SECONDS_IN_ALL = 4 * OUTAGES[0] + OUTAGES[1] + OUTAGES[2] + 8 * PAUSE
SPACE = "crowd"
REPLAYABLE_SECONDS = 60.0
LISTS = 12
LEASE_MS = 15_000
"""Half of the ends in an outage of both are known to within a twelfth of it, for each of which there is a list of the
past, and the time between two writes of a Lease, which tell when a list was; and a moment for requests."""


@dataclass
class Crash:
    """What happens to the recorders and to the API server."""

    cluster: ControlPlane
    crowd: Crowd
    replicas: list[LedgerProcess]
    postgresql: Postgresql
    spans: list[Span] = field(default_factory=list)

    @contextlib.contextmanager
    def during(
        self, situation: str, *, since: int = 0, is_watched: bool = True, is_forgotten: bool = False
    ) -> Iterator[None]:
        """Until the recorders have recovered, this is what is going on."""
        began = since or now_ms()
        yield
        self.spans.append(Span(situation, began, now_ms(), is_watched, is_forgotten))

    @property
    def services(self) -> Services:
        (machine,) = self.cluster.lab.machines()
        return machine

    @contextlib.contextmanager
    def stopping(self, *names: str) -> Iterator[None]:
        """Without these services, and without new pods, until the API server is ready again."""
        specs = {name: json.loads((self.services.folder / f"services/{name}.json").read_text()) for name in names}
        self.crowd.pause()
        try:
            for name in names:
                self.services.stop(name)
            yield
            for name in reversed(names):
                self.services.start(name, specs[name]["argv"], specs[name]["env"])
            eventually(lambda: self.cluster.kubectl("get", "--raw", "/readyz", check=False).returncode == 0)
        finally:
            self.crowd.resume()

    def restart_api_server(self) -> None:
        """Its memory of the past is gone with it."""
        with self.stopping("kube-apiserver"):
            pass

    def restore_etcd(self) -> None:
        """From a copy that is some moments old: pods that were deleted since are back, new ones never were."""
        data = self.services.folder / "etcd"
        copy = data.with_name("etcd-copy")
        with self.during("etcd restored", is_watched=False, is_forgotten=True):
            began = now_ms()
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
                restored = now_ms()
            self.await_new_windows(restored)

    def restart_database(self) -> None:
        """PostgreSQL crashes, with all connections. What is seen meanwhile waits in the spool."""
        recorder = self.replicas[0]
        with self.during(f"PostgreSQL away for {OUTAGES[0]:g} s"):
            self.postgresql.stop()
            eventually(lambda: (recorder.metric("monopod_ledger_spool_fill_ratio") or 0) > 0)
            _pass(OUTAGES[0])
            self.postgresql.start()
            eventually(lambda: recorder.metric("monopod_ledger_database_writable") == 1)
        eventually(lambda: recorder.metric("monopod_ledger_spool_fill_ratio") == 0)

    def kill_one(self) -> None:
        with self.during(f"one recorder away for {OUTAGES[0]:g} s"):
            self.replicas[0].kill()
            _pass(OUTAGES[0])
            self.start(self.replicas[0])

    def lose_a_disk(self) -> None:
        with self.during("a recorder's disk lost"):
            self.replicas[1].kill()
            self.replicas[1].lose_disk()
            self.start(self.replicas[1])

    def kill_both(self, seconds: float) -> None:
        # The API server replays 75 seconds or more. Before that it has lists of the past, which have steps.
        is_forgotten = seconds > REPLAYABLE_SECONDS
        with self.during(f"both recorders away for {seconds:g} s", is_watched=False, is_forgotten=is_forgotten):
            began = now_ms()
            for replica in self.replicas:
                replica.kill()
            _pass(seconds)
            self.start(*self.replicas)
            if is_forgotten:
                self.await_new_windows(began)

    def kill_both_and_the_past(self) -> None:
        with self.during(f"both and the API server's past, {OUTAGES[2]:g} s", is_watched=False, is_forgotten=True):
            began = now_ms()
            for replica in self.replicas:
                replica.kill()
            _pass(OUTAGES[2])
            self.restart_api_server()
            self.start(*self.replicas)
            self.await_new_windows(began)

    def await_new_windows(self, began: int) -> None:
        """They resume, and are ready, a moment before the API server answers that it doesn't know that past."""
        for replica in self.replicas:
            eventually(partial(_has_window_since, replica, began))

    def start(self, *replicas: LedgerProcess) -> None:
        for replica in replicas:
            replica.start()
        for replica in replicas:
            replica.becomes_ready()


def _has_window_since(replica: LedgerProcess, moment: int) -> bool:
    """Whether the replica has begun anew."""
    return any(each.recorder == replica.name and each.since > moment for each in replica.read()[1])


def _pass(seconds: float) -> None:
    """An outage lasts; nothing is waited for."""
    time.sleep(seconds)


@pytest.fixture
def crash(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crash]:
    with run_control_plane("ledger", fake_nodes=4) as cluster, run_postgresql() as postgresql:
        apply_api(cluster.lab)
        server = Server(cluster.kubeconfig_path)
        server.create(RUNTIME_CLASSES.list_path(), {"metadata": {"name": "kata"}, "handler": "kata"}).expect_ok()
        reach(server, SPACE, [a_profile("crowd", a_selector(SPACE))])
        eventually(lambda: server.get(f"{NAMESPACES.path(SPACE)}/serviceaccounts/default").ok)
        lab = LedgerLab(cluster, tmp_path_factory.mktemp("ledger"))
        replicas = [LedgerProcess(lab, 0, url=postgresql.create_database("ledger")), LedgerProcess(lab, 1)]
        crowd = Crowd(server, SPACE, SECONDS_IN_ALL / PODS_IN_ALL, LONGEST_LIFE)
        thread = threading.Thread(target=crowd.run, daemon=True)
        thread.start()
        yield Crash(cluster, crowd, replicas, postgresql)
        crowd.stop()
        thread.join()
        for replica in replicas:
            replica.kill()
            print(replica.log.read_text() if replica.log.exists() else "")


def test_whatever_is_killed_the_truth_is_inside_and_every_pod_counts_once(
    crash: Crash, capsys: pytest.CaptureFixture[str]
) -> None:
    # What was before the ledger, it can't know.
    with crash.during("before the ledger", since=now_ms() - 60_000, is_watched=False, is_forgotten=True):
        crash.start(*crash.replicas)
    steps: list[Callable[[], None]] = [
        crash.kill_one,
        *([partial(crash.kill_both, OUTAGES[0])] if IS_DEEP else []),
        crash.restart_database,
        crash.lose_a_disk,
        partial(crash.kill_both, OUTAGES[1]),
        crash.restore_etcd,
        crash.kill_both_and_the_past,
    ]
    say = _Progress(capsys)
    for step in steps:
        _pass(PAUSE)
        step()
        say(f"{crash.spans[-1].situation}: over, {len(crash.crowd.truth)} pods so far")
    _pass(PAUSE)
    eventually(lambda: len(crash.crowd.truth) >= PODS_IN_ALL, deadline=SECONDS_IN_ALL)
    crash.crowd.stop()
    one = eventually(lambda: _read_alike(crash))
    lines = tabulate(crash.spans, crash.crowd.truth, one)
    say("\n".join(["the table", HEADER, *map(str, lines)]))
    for uid, truth in crash.crowd.truth.items():
        if uid not in one:
            assert truth.deleted
            assert _is_forgotten((truth.created[0], truth.deleted[1]), crash.spans), "it could be seen, and wasn't"
            continue
        _check(one[uid], truth)
    _check_bounds(lines)
    _check_coverage(crash)


class _Progress:
    """Says how far it is; a run of the deep form takes half an hour."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._began = time.monotonic()

    def __call__(self, text: str) -> None:
        with self._capsys.disabled() if IS_DEEP else contextlib.nullcontext():
            print(f"\n{time.monotonic() - self._began:5.0f} s  {text}", flush=True)


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
    assert end.earliest - EVENT_MS <= truth.deleted[1], (truth, lifetime)
    assert truth.deleted[0] <= end.latest, (truth, lifetime)


def _check_bounds(lines: list[Line]) -> None:
    for line in lines:
        assert max(line.widths, default=0) <= line.widest_ms, str(line)
        if IS_DEEP and line.is_watched:
            assert median(line.widths or [0]) == 0, str(line)
        if IS_DEEP and line.situation.startswith("both recorders away"):
            outage_ms = line.widest_ms - EARLIER_MS
            assert median(line.widths or [0]) <= outage_ms / LISTS + LEASE_MS, str(line)


def _is_forgotten(span: tuple[int, int], spans: list[Span]) -> bool:
    return any(each.is_forgotten and each.holds(span[0]) and each.holds(span[1]) for each in spans)


def _check_coverage(crash: Crash) -> None:
    """A gap is what both had forgotten, and nothing else."""
    _, windows = crash.replicas[0].read()
    since, until = min(each.since for each in windows), max(each.until for each in windows)
    gaps = compute_coverage(windows, since, until).gaps
    for gap in gaps:
        if gap.until - gap.since > LATENCY_MS:
            forgotten = [(each.since, each.until) for each in crash.spans if each.is_forgotten]
            assert any(since - EARLIER_MS <= gap.since and gap.until <= until for since, until in forgotten), (
                gap,
                forgotten,
            )
    for replica in crash.replicas:
        store = Store.open(replica.url, Terms())
        try:
            assert list(store.verify()) == []
        finally:
            store.close()
