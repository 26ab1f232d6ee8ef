"""The ledger beside a real API server: two processes with their own ServiceAccount's rights, killed and started again.

The truth is the test's own: it creates and deletes the pods, and notes when.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from monopod.kube.objects.resources import LEASES, PODS
from monopod.usage.rules.lifetime import Evidence, Lifetime, Watched
from tests.clusters import ControlPlane
from tests.controlplane.ledger.ledger_process import ACCOUNT, NAMESPACE, LedgerLab, LedgerProcess
from tests.controlplane.operating.lab import eventually
from tests.controlplane.reach import poll, reach
from tests.controlplane.server import Server
from tests.unit.builders import a_pod, a_profile, a_selector

LATENCY_MS = 10_000
"""On a busy machine the latency of a watch, and of the request that deletes."""

SPACE = "ledger-pods"


@dataclass
class Truth:
    """Before and after a request, in milliseconds."""

    created: tuple[int, int]
    deleted: tuple[int, int] | None = None


def now_ms() -> int:
    return round(time.time() * 1000)


class Scene:
    """Pods that come and go, and the two replicas that record them."""

    def __init__(self, server: Server, lab: LedgerLab) -> None:
        self.server = server
        self.replicas = [LedgerProcess(lab, number) for number in range(2)]
        self.truth: dict[str, Truth] = {}
        self._uids: dict[str, str] = {}
        self._names: Iterator[int] = iter(range(10_000))

    def create(self, node: str = "") -> str:
        """A new pod's uid."""
        name, before = f"pod-{id(self)}-{next(self._names)}", now_ms()
        made = self.server.create_pod(SPACE, a_pod(name).build(), dry_run=False).expect_ok()
        uid = made["metadata"]["uid"]
        if node:
            binding = {"metadata": {"name": name, "uid": uid}, "target": {"kind": "Node", "name": node}}
            poll(lambda: self.server.create(f"{PODS.path(name, SPACE)}/binding", binding), lambda answer: answer.ok)
        self._uids[uid] = name
        self.truth[uid] = Truth((before, now_ms()))
        return str(uid)

    def start_pulling(self, uid: str) -> None:
        """As the kubelet says it."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        condition = {"type": "PodReadyToStartContainers", "status": "True", "lastTransitionTime": stamp}
        status = {"status": {"startTime": stamp, "conditions": [condition]}}
        self.server.patch(f"{PODS.path(self._uids[uid], SPACE)}/status", status).expect_ok()

    def delete(self, uid: str) -> None:
        before = now_ms()
        self.server.delete(PODS.path(self._uids[uid], SPACE)).expect_ok()
        self.truth[uid].deleted = (before, now_ms())

    def start(self, *numbers: int) -> None:
        for number in numbers:
            self.replicas[number].start()
        for number in numbers:
            self.replicas[number].becomes_ready()

    def kill(self) -> None:
        for replica in self.replicas:
            replica.kill()

    def becomes_complete(self, number: int) -> tuple[dict[str, Lifetime], list[Watched]]:
        """What a replica has kept, once it is as far as the truth."""

        def look() -> tuple[dict[str, Lifetime], list[Watched]]:
            lifetimes, windows = self.replicas[number].read()
            assert self.truth.keys() <= lifetimes.keys()
            for uid, truth in self.truth.items():
                assert lifetimes[uid].is_open == (truth.deleted is None), lifetimes[uid]
            return lifetimes, windows

        return eventually(look)

    def check(self, lifetime: Lifetime, *, is_exact: bool) -> None:
        truth = self.truth[lifetime.uid]
        assert truth.created[0] - 1000 <= lifetime.created <= truth.created[1]
        if truth.deleted is None:
            return
        end = lifetime.end
        assert end is not None
        assert end.earliest - LATENCY_MS <= truth.deleted[1]
        assert truth.deleted[0] <= end.latest
        if is_exact:
            assert end.latest - truth.deleted[1] <= LATENCY_MS
            assert end.is_exact


@pytest.fixture(scope="module")
def ledger_lab(installed: ControlPlane, server: Server, tmp_path_factory: pytest.TempPathFactory) -> LedgerLab:
    reach(server, SPACE, [a_profile("ledger", a_selector(SPACE))])
    return LedgerLab(installed, tmp_path_factory.mktemp("ledger"))


@pytest.fixture
def scene(server: Server, ledger_lab: LedgerLab) -> Iterator[Scene]:
    scene = Scene(server, ledger_lab)
    for replica in scene.replicas:
        replica.lose_disk()
    yield scene
    scene.kill()
    for uid, truth in scene.truth.items():
        if truth.deleted is None:
            scene.delete(uid)
    for replica in scene.replicas:
        print(replica.log.read_text() if replica.log.exists() else "")


def test_both_record_every_pod_exactly_and_one_that_loses_its_disk_learns_all_from_the_other(scene: Scene) -> None:
    before = scene.create()
    scene.start(0, 1)
    stays, goes = scene.create(), scene.create()
    scene.start_pulling(goes)
    scene.delete(before)
    scene.delete(goes)
    for number in (0, 1):
        lifetimes, _ = scene.becomes_complete(number)
        for uid in (before, stays, goes):
            scene.check(lifetimes[uid], is_exact=True)
        assert lifetimes[goes].start is not None
        assert Evidence.WATCHED_DELETION in lifetimes[goes].evidence
    scene.replicas[0].kill()
    scene.replicas[0].lose_disk()
    meanwhile = scene.create()
    eventually(lambda: meanwhile in scene.replicas[1].read()[0])
    scene.delete(meanwhile)
    scene.start(0)
    lifetimes, windows = scene.becomes_complete(0)
    for uid in scene.truth:
        scene.check(lifetimes[uid], is_exact=True)
    assert {window.recorder for window in windows} == {"monopod-ledger-0", "monopod-ledger-1"}
    assert scene.replicas[1].terminate() == 0


def test_what_happened_while_both_were_away_is_replayed_and_is_no_gap(scene: Scene) -> None:
    stays, goes = scene.create(), scene.create()
    scene.start(0, 1)
    scene.becomes_complete(0)
    scene.becomes_complete(1)
    scene.kill()
    short = scene.create()
    scene.start_pulling(short)
    scene.delete(goes)
    scene.delete(short)
    scene.start(0, 1)
    for number in (0, 1):
        lifetimes, windows = scene.becomes_complete(number)
        for uid in (stays, goes, short):
            scene.check(lifetimes[uid], is_exact=False)
        assert Evidence.REPLAYED_DELETION in lifetimes[goes].evidence
        assert lifetimes[short].start is not None
        own = [window for window in windows if window.recorder == scene.replicas[number].name]
        assert len(own) == 1, "a replay is no gap"
    replica = scene.replicas[0]
    assert replica.metric("monopod_ledger_missed_pods_total") == 0
    lag = replica.metric("monopod_ledger_lag_seconds")
    assert lag is not None
    assert lag < 60
    eventually(lambda: replica.metric("monopod_ledger_coverage_ratio") == 1)


def test_the_end_of_a_pod_of_a_lost_node_has_the_nodes_last_sign_of_life(scene: Scene) -> None:
    path = LEASES.list_path("kube-node-lease")
    renewed = now_ms() - 120_000
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime(renewed // 1000))
    lease = {"metadata": {"name": "lost"}, "spec": {"holderIdentity": "lost", "renewTime": stamp}}
    scene.server.create(path, lease).expect_ok()
    uid = scene.create("lost")
    scene.start(0)
    scene.server.delete(LEASES.path("lost", "kube-node-lease")).expect_ok()
    scene.delete(uid)
    lifetimes, _ = scene.becomes_complete(0)
    assert lifetimes[uid].node_renewed == renewed // 1000 * 1000


RIGHTS = (
    ("list", "pods", "", True),
    ("watch", "pods", "", True),
    ("list", "leases", "kube-node-lease", True),
    ("list", "events", "", True),
    ("watch", "events", "", False),
    ("create", "events", SPACE, False),
    ("list", "jobs.batch", "", False),
    ("get", "configmaps/extension-apiserver-authentication", "kube-system", True),
    ("create", "tokenreviews.authentication.k8s.io", "", True),
    ("create", "subjectaccessreviews.authorization.k8s.io", "", True),
    ("create", "serviceaccounts/monopod-ledger --subresource=token", NAMESPACE, True),
    ("get", "secrets", "", False),
    ("list", "configmaps", "kube-system", False),
    ("watch", "leases", "kube-system", True),
    ("list", "leases", "default", False),
    ("update", "leases", "kube-system", False),
    ("create", "pods", NAMESPACE, False),
    ("delete", "pods", SPACE, False),
    ("patch", "pods", SPACE, False),
    ("create", "pods/eviction", SPACE, False),
    ("create", "pods/exec", SPACE, False),
    ("create", "serviceaccounts/token", NAMESPACE, False),
    ("update", "fargateprofiles.monopod.dev", "", False),
    ("impersonate", "users", "", False),
)


@pytest.mark.parametrize(("verb", "resource", "namespace", "may"), RIGHTS, ids=[" ".join(each[:3]) for each in RIGHTS])
def test_the_ledger_may_read_what_it_needs_and_write_nothing(
    installed: ControlPlane, ledger_lab: LedgerLab, verb: str, resource: str, namespace: str, may: bool
) -> None:
    where = ["-n", namespace] if namespace else ["-A"]
    user = f"--as=system:serviceaccount:{NAMESPACE}:{ACCOUNT}"
    said = installed.kubectl("auth", "can-i", verb, *resource.split(), *where, user, check=False).stdout.strip()
    assert said == ("yes" if may else "no")
