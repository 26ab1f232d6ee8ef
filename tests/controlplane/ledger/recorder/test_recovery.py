"""What a real API server still tells of the past: lists at exact versions, the stamps on Leases, and Events.

Nobody watches for some seconds; then the outage is looked up, with the rights of the ledger's ServiceAccount.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from monopod.kube.client.asynchronous import ApiClient, load_configuration
from monopod.kube.clock import SYSTEM_CLOCK
from monopod.kube.objects.resources import EVENTS, LEASES, PODS
from monopod.ledger.recorder.journal import Journal
from monopod.ledger.recorder.listing import fetch_listing
from monopod.ledger.recorder.past import Outage
from monopod.ledger.recorder.recovery import Recovery
from monopod.ledger.recorder.revision_times import replay_leases
from monopod.usage.rules.lifetime import Evidence, Interval, Lifetime
from monopod.usage.rules.sighting import read_sighting
from tests.clusters import ControlPlane
from tests.controlplane.ledger.ledger_process import LedgerLab
from tests.controlplane.operating.lab import eventually
from tests.controlplane.reach import reach
from tests.controlplane.server import Server
from tests.unit.builders import a_pod, a_profile, a_selector
from tests.unit.ledger.recorder.fake_store import FakeStore, Inline
from tests.unit.running import PROBLEMS

SPACE = "ledger-past"
NODE_LEASES = "kube-node-lease"
SECONDS = 10
LATENCY_MS = 4500
"""Stamps are cut to a second, a write is given two, and the machine is busy."""


@dataclass
class Cluster:
    """Pods of one ReplicaSet that come and go while a node renews its Lease."""

    server: Server
    uids: dict[str, str] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)

    def create(self, suffix: str) -> str:
        pod = a_pod(f"web-7d4b9-{suffix}").owned_by("ReplicaSet").build()
        pod["metadata"]["ownerReferences"][0]["name"] = "web-7d4b9"
        made = self.server.create_pod(SPACE, pod, dry_run=False).expect_ok()
        self.uids[suffix] = made["metadata"]["uid"]
        return self.uids[suffix]

    def delete(self, suffix: str) -> None:
        self.server.delete(PODS.path(f"web-7d4b9-{suffix}", SPACE)).expect_ok()
        self.ends[suffix] = now_ms()

    def report(self, suffix: str, reason: str, reporter: str, message: str = "") -> None:
        name = f"web-7d4b9-{suffix}"
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        event = {
            "metadata": {"name": f"{name}.{reason.lower()}"},
            "involvedObject": {"kind": "Pod", "namespace": SPACE, "name": name, "uid": self.uids[suffix]},
            "reason": reason,
            "message": message,
            "type": "Normal",
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "source": {"component": reporter},
        }
        self.server.create(EVENTS.list_path(SPACE), event).expect_ok()

    def renew(self) -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())
        renewed = {"spec": {"renewTime": stamp}}
        self.server.patch(LEASES.path("past", NODE_LEASES), renewed).expect_ok()


def now_ms() -> int:
    return round(time.time() * 1000)


@pytest.fixture
def cluster(installed: ControlPlane, server: Server) -> Iterator[Cluster]:
    reach(server, SPACE, [a_profile("past", a_selector(SPACE))])
    server.create(
        LEASES.list_path(NODE_LEASES), {"metadata": {"name": "past"}, "spec": {"holderIdentity": "x"}}
    ).expect_ok()
    cluster = Cluster(server)
    yield cluster
    for suffix in cluster.uids.keys() - cluster.ends.keys():
        cluster.delete(suffix)
    server.delete(LEASES.path("past", NODE_LEASES))


@pytest.fixture
def kubeconfig(installed: ControlPlane, tmp_path: Path) -> Path:
    return LedgerLab(installed, tmp_path).kubeconfig


async def look(api: ApiClient) -> tuple[int, int, dict[str, Lifetime]]:
    """The time, the version, and the pods of now."""
    pods: dict[str, Lifetime] = {}

    def take(item: dict[str, object], at: int) -> None:
        seen = read_sighting(item, "a", at)
        if isinstance(seen, Lifetime):
            pods[seen.uid] = seen

    probe = await fetch_listing(api, SYSTEM_CLOCK, take)
    return probe.sent, probe.version, pods


async def live_unwatched(cluster: Cluster) -> None:
    """A pod ends, another comes and goes, and of a third only Events will tell."""
    for second in range(SECONDS):
        cluster.renew()
        if second == 1:
            cluster.delete("bcdfg")
        elif second == 2:
            cluster.create("hjklm")
        elif second == 7:
            cluster.delete("hjklm")
        elif second == 8:
            cluster.create("zzzzz")
        elif second == 4:  # gone before anything is listed
            cluster.create("npqrs")
            cluster.report("npqrs", "Scheduled", "my-scheduler", f"Successfully assigned {SPACE}/x to n7")
            cluster.report("npqrs", "Pulling", "kubelet")
            cluster.report("npqrs", "Killing", "kubelet")
            cluster.delete("npqrs")
        await asyncio.sleep(1)  # time is what this is about


async def go_through_an_outage(cluster: Cluster, kubeconfig: Path) -> tuple[Outage, Interval, dict[str, Lifetime]]:
    """What there was to be looked up, when half of its versions were written, and what was found, by uid."""
    api, store = ApiClient(await load_configuration(str(kubeconfig))), FakeStore()
    try:
        since, first, before = await look(api)
        await live_unwatched(cluster)
        _, last, after = await look(api)
        until = now_ms()
        store.join([*after.values()])
        missing = closed(before[cluster.uids["bcdfg"]], until)
        outage = Outage(since, until, first, last, frozenset(after), (missing,))
        times = await replay_leases(api, SYSTEM_CLOCK, first, last)
        return outage, times.narrow((first + last) // 2, outage.span), await recover(api, store, outage)
    finally:
        await api.close()


def test_of_a_time_that_nobody_watched_the_api_server_still_tells(cluster: Cluster, kubeconfig: Path) -> None:
    cluster.create("bcdfg")
    cluster.create("ddddd")

    outage, half, found = asyncio.run(go_through_an_outage(cluster, kubeconfig))

    since, until = outage.since, outage.until
    assert since < half.earliest < half.latest < until, "the renewals of Leases are replayed"
    assert half.latest - half.earliest < SECONDS * 1000 / 4 + LATENCY_MS
    gone = found[cluster.uids["bcdfg"]]
    assert Evidence.LISTED_IN_PAST in gone.evidence
    check(gone, cluster.ends["bcdfg"], since, until)
    short = found[cluster.uids["hjklm"]]
    assert short.evidence == {Evidence.LISTED_IN_PAST}
    check(short, cluster.ends["hjklm"], since, until)
    assert short.description.cpu_millis == 250
    told = found[cluster.uids["npqrs"]]
    assert told.description.cpu_millis == 250
    assert told.start is not None
    assert told.evidence >= {Evidence.PULLING_EVENT}
    assert told.end is not None
    assert told.end.earliest - 1000 <= cluster.ends["npqrs"] <= told.end.latest
    assert cluster.uids["ddddd"] not in found, "it exists"


def closed(lifetime: Lifetime, until: int) -> Lifetime:
    return Lifetime(
        lifetime.uid,
        lifetime.description,
        lifetime.created,
        alive=lifetime.alive,
        gone=frozenset({until}),
        evidence=frozenset({Evidence.LISTED_GONE}),
    )


async def recover(api: ApiClient, store: FakeStore, outage: Outage) -> dict[str, Lifetime]:
    """What is concluded, by uid."""
    journal = Journal("a", store, Inline(), PROBLEMS)
    recovery = Recovery("a", api, store, journal, Inline(), PROBLEMS)
    recovery.begin(outage)
    known = frozenset(store.lifetimes)
    running = [asyncio.create_task(recovery.run()), asyncio.create_task(journal.run())]
    await asyncio.to_thread(eventually, lambda: store.lifetimes.keys() - known)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    await journal.flush()
    return {uid: each for uid, each in store.lifetimes.items() if uid not in known}


def check(lifetime: Lifetime, deleted: int, since: int, until: int) -> None:
    """The truth is inside, and the end known better than from what a list of now tells."""
    end = lifetime.end
    assert end is not None
    assert since <= end.earliest <= end.latest <= until
    assert end.earliest - 1000 <= deleted <= end.latest + 1000
    assert end.latest - end.earliest <= SECONDS * 1000 / 4 + LATENCY_MS
