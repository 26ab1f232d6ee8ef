"""Which namespaces are looked at, how often, and what is handed to the evictor."""

import asyncio
import datetime
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import replace
from typing import cast

import pytest

from monopod.api.names import NAMESPACE_LABEL, PROFILE_LABEL, SELECTORS_ANNOTATION
from monopod.api.reasons import Reason
from monopod.bare_pods.controller import BareKeeper
from monopod.bare_pods.rules.report import BareReport
from monopod.bare_pods.rules.steps import BarePod
from monopod.eviction.evictor import Evictor
from monopod.eviction.rules.order import Candidate, Obstacle
from monopod.kube.client.api import ApiError, Json, ServerTrouble
from monopod.kube.concurrency import AT_ONCE
from monopod.kube.controller import WHOLE
from monopod.kube.signals import Signal
from monopod.manager.sources import WatchedCaches
from monopod.rescheduling.controller import Rescheduler, ReschedulingInput
from monopod.rescheduling.options import ReschedulingOptions
from monopod.rescheduling.rules.progress import Kept, NotListed, Tally, judge_progress
from monopod.rescheduling.rules.settings import ReschedulingSettings
from tests.unit.builders import Manifest, a_pod, a_profile, a_selector
from tests.unit.fake_api import FakeApi
from tests.unit.fake_clock import FakeClock
from tests.unit.running import PROBLEMS, a_recorder, running, settle

PODS = "/api/v1/namespaces/prod/pods"
REPLICA_SET = "/apis/apps/v1/namespaces/prod/replicasets/owner"
BEGAN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
WEB = a_profile("web", a_selector("*", tier="web"))
OPTIONS = ReschedulingOptions(namespace="monopod-system", resync_seconds=300)
SETTINGS = ReschedulingSettings("web", started=BEGAN, trusted=BEGAN)
A_NODE: Manifest = {
    "metadata": {"name": "node", "uid": "node", "resourceVersion": "1"},
    "status": {"allocatable": {"cpu": "64", "memory": "256Gi"}},
}


def sandbox(pod: Manifest) -> Manifest:
    """The answer to a dry run, as admission leaves it."""
    labels = {**pod["metadata"]["labels"], PROFILE_LABEL: "web"}
    spec = {**pod["spec"], "runtimeClassName": "kata"}
    return {**pod, "metadata": {**pod["metadata"], "labels": labels}, "spec": spec}


class CountingApi(FakeApi):
    """Counts looks at pods, and fails them if it is told so."""

    searches = 0
    looks = 0
    under_way = 0
    most_at_once = 0
    trouble: Exception | None = None
    trouble_about = "/"

    async def list_pages(
        self, path: str, query: Mapping[str, str] | None = None, *, metadata_only: bool = False
    ) -> AsyncIterator[Json]:
        self.searches += metadata_only
        self.looks += not metadata_only
        if self.trouble and self.trouble_about in path:
            raise self.trouble
        async for item in super().list_pages(path, query):
            yield item

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        return await super().get(path, query)


class FakeEvictor:
    """Remembers what it is asked for."""

    def __init__(self) -> None:
        self.wanted: list[Candidate] = []

    def update(self, source: str, pods: Iterable[Candidate]) -> None:
        assert source == "rescheduling"
        self.wanted = list(pods)

    def compute_obstacles(self, pods: Iterable[Candidate], lasting: float = 0.0) -> tuple[Obstacle, ...]:
        return ()

    def listen(self, listener: Callable[[Candidate], None]) -> None:
        self.tell = listener


class FakeBareKeeper:
    """Remembers what it is asked for; these pods are missing."""

    def __init__(self) -> None:
        self.missing: tuple[str, ...] = ()
        self.required: list[list[str]] = []
        self.changed = Signal()

    def update(self, now: Iterable[BarePod], waiting: Iterable[str]) -> None:
        self.required.append([pod.name for pod in now])

    def report(self, profile: str) -> BareReport:
        return BareReport(missing=self.missing)


def an_old_pod(name: str, tier: str = "web") -> Manifest:
    pod = a_pod(name).in_namespace("prod").labelled(tier=tier).build()
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "owner", "uid": "uid-owner", "controller": True}
    pod["metadata"] |= {"uid": f"uid-{name}", "creationTimestamp": "2025-12-01T00:00:00Z", "ownerReferences": [owner]}
    return pod | {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}


class Setting:
    """A rescheduler with one namespace, whose compiled selectors are those of the profile."""

    def __init__(self, *pods: Manifest, compiled: str = "rows") -> None:
        self.api, self.evictor = CountingApi(), FakeEvictor()
        self.api.lists[PODS] = list(pods)
        self.api.answers["try", PODS] = sandbox
        template = {"metadata": {"labels": {"tier": "web"}}, "spec": a_pod().build()["spec"]}
        whole: Manifest = {
            "metadata": {"name": "owner", "uid": "uid-owner"},
            "spec": {"replicas": len(pods), "template": template},
        }
        self.api.answers["get", REPLICA_SET] = self.owner = whole
        caches = WatchedCaches("monopod-system")
        marks = {"labels": {NAMESPACE_LABEL: "true"}, "annotations": {SELECTORS_ANNOTATION: compiled}}
        for name in ("prod", "other"):
            namespace = {"name": name, "uid": "1", "resourceVersion": "1", **marks}
            caches.namespaces.observe("ADDED", {"metadata": namespace})
        caches.nodes.observe("ADDED", A_NODE)
        self.marked, self.clock, self.bare = 0, FakeClock(), FakeBareKeeper()
        evictor, bare = cast(Evictor, self.evictor), cast(BareKeeper, self.bare)
        rest = OPTIONS, a_recorder(self.api, self.clock), PROBLEMS, self.clock
        self.rescheduler = Rescheduler(self.api, caches, evictor, bare, *rest)
        self.rescheduler.changed.subscribe(self._count_mark)

    def _count_mark(self) -> None:
        self.marked += 1

    def update(
        self,
        settings: ReschedulingSettings = SETTINGS,
        namespaces: tuple[str, ...] = ("prod",),
        unwritten: tuple[str, ...] = (),
    ) -> None:
        reached, refused = {"web": namespaces}, dict.fromkeys(unwritten, "refused")
        self.rescheduler.update(
            ReschedulingInput((WEB,), {"web": settings}, frozenset(), reached, lambda _: "rows", refused)
        )

    async def run(self, seconds: float = 40.0) -> None:
        """Runs it for so long, half a second after the other."""
        self.rescheduler.controller.enqueue(WHOLE)
        async with running(self.rescheduler.controller):
            for _ in range(round(2 * seconds)):
                self.clock.step(0.5)
                await settle(60)

    @property
    def wanted(self) -> list[str]:
        return [pod.name for pod in self.evictor.wanted]


async def test_a_namespace_without_pods_to_move_is_searched_once_until_the_resync() -> None:
    setting = Setting(an_old_pod("other", tier="db"))
    setting.update()
    await setting.run()
    setting.update()
    await setting.run()
    assert (setting.api.searches, setting.api.looks) == (1, 0)
    assert setting.rescheduler.compute_moves("web") == Tally()


async def test_pods_that_move_are_looked_at_again_and_again_and_handed_over_in_turn() -> None:
    setting = Setting(an_old_pod("a"), an_old_pod("b"))
    setting.update()
    await setting.run(100)
    assert (setting.api.searches, setting.wanted) == (1, ["a"])
    assert setting.api.looks > 1
    assert setting.evictor.wanted[0].known_until < float("inf")
    assert setting.marked == 1, "the same is told once"
    moves = setting.rescheduler.compute_moves("web")
    assert isinstance(moves, Tally)
    assert moves.waiting == 2


async def test_owners_are_read_several_at_a_time_or_what_a_full_namespace_shows_would_be_too_old_to_use() -> None:
    pods = [an_old_pod(f"pod-{number}") for number in range(20)]
    for number, pod in enumerate(pods):
        pod["metadata"]["ownerReferences"][0]["uid"] = f"uid-{number}"
    setting = Setting(*pods)
    setting.update()
    await setting.run(20)
    assert (setting.api.looks, setting.api.most_at_once) == (1, AT_ONCE)


async def test_a_pause_holds_at_once_and_ends_the_looking() -> None:
    setting = Setting(an_old_pod("a"))
    setting.update()
    await setting.run()
    assert setting.wanted == ["a"]
    setting.update(replace(SETTINGS, paused=True))
    assert setting.wanted == []
    await setting.run(10)
    looks = setting.api.looks
    await setting.run()
    assert setting.api.looks == looks


async def test_nothing_moves_for_a_profile_that_is_about_to_be_withdrawn() -> None:
    setting = Setting(an_old_pod("a"))
    setting.update()
    await setting.run()
    setting.rescheduler.limit(["other"])
    assert setting.wanted == []
    assert setting.rescheduler.compute_moves("web") == NotListed()


async def test_nothing_is_looked_at_where_the_rows_are_not_the_profiles_yet() -> None:
    setting = Setting(an_old_pod("a"), compiled="older")
    setting.update()
    await setting.run()
    assert (setting.api.searches, setting.wanted) == (0, [])
    assert setting.rescheduler.compute_moves("web") == NotListed()


async def test_trouble_is_met_by_asking_less_and_keeps_what_was_known() -> None:
    setting = Setting(an_old_pod("a"))
    setting.update()
    await setting.run(10)
    known, looks = setting.rescheduler.compute_moves("web"), setting.api.looks
    setting.api.trouble = ServerTrouble(500, "", "no")
    await setting.run(62)
    # After 2 s, 4, 8, 16, 30.
    assert 2 <= setting.api.looks - looks <= 6
    assert setting.rescheduler.compute_moves("web") == known
    setting.api.trouble = None
    setting.api.lists[PODS] = [an_old_pod("b")]
    await setting.run(60)
    assert setting.wanted == ["b"]


async def test_a_namespace_with_a_trouble_of_its_own_does_not_hold_up_the_others() -> None:
    setting = Setting(an_old_pod("a"))
    setting.api.trouble, setting.api.trouble_about = ServerTrouble(500, "", "no"), "/other/"
    setting.update(namespaces=("other", "prod"))
    await setting.run(50)
    assert setting.wanted == ["a"]
    assert setting.api.looks > 3
    assert setting.rescheduler.compute_moves("web") == NotListed(), "it may be over soon"
    setting.update(replace(SETTINGS, max_unavailable=1), namespaces=("other", "prod"))
    await setting.run(100)
    moves = setting.rescheduler.compute_moves("web")
    assert isinstance(moves, Tally)
    assert (moves.waiting, moves.unseen) == (1, ("other",)), "or the profile's moves would never be on record"


async def test_a_profile_that_keeps_pods_is_not_looked_after() -> None:
    setting = Setting(an_old_pod("a"))
    setting.update(replace(SETTINGS, moves=False))
    await setting.run(10)
    assert (setting.api.searches, setting.rescheduler.compute_moves("web")) == (0, Kept())


def a_bare_pod(name: str) -> Manifest:
    pod = an_old_pod(name)
    del pod["metadata"]["ownerReferences"]
    return pod


@pytest.mark.parametrize(("missing", "now"), [((), ["a"]), (("prod/refused",), [])])
async def test_a_pod_that_does_not_come_back_keeps_the_others_from_going(
    missing: tuple[str, ...], now: list[str]
) -> None:
    setting = Setting(a_bare_pod("a"), a_bare_pod("b"))
    setting.bare.missing = missing
    setting.update(replace(SETTINGS, recreates_bare_pods=True))
    await setting.run()
    assert setting.bare.required[-1] == now


async def test_a_pause_holds_for_pods_without_a_controller_too_while_a_namespace_is_not_known_yet() -> None:
    setting, settings = Setting(a_bare_pod("a")), replace(SETTINGS, recreates_bare_pods=True)
    bare = setting.bare
    setting.update(settings, namespaces=("prod", "other"))
    assert bare.required == [], "what isn't known at the start is no reason to let go of anything"
    setting.update(settings)
    await setting.run()
    assert bare.required[-1] == ["a"]
    setting.update(replace(settings, paused=True), namespaces=("prod", "other"))
    assert bare.required[-1] == []


async def test_nothing_is_moved_in_a_namespace_that_cannot_be_written_and_everything_elsewhere() -> None:
    setting = Setting(an_old_pod("a"))
    setting.update(namespaces=("prod", "other"), unwritten=("other",))
    await setting.run()
    assert [pod.name for pod in setting.evictor.wanted] == ["a"]
    setting.update(namespaces=("prod", "other"), unwritten=("prod",))
    assert setting.evictor.wanted == []
    setting.api.requests.clear()
    await setting.run()
    assert [path for _, path, _ in setting.api.requests if "/prod/" in path] == []
    found = judge_progress(setting.rescheduler.compute_moves("web"), None)
    assert (found.holds, found.reason) == (False, Reason.BLOCKED)
    assert found.message == "pods: 0/0 moved: nothing is moved in namespace prod; prod: refused"


async def test_a_pod_whose_replacement_is_refused_stays_and_goes_when_it_no_longer_is() -> None:
    setting = Setting(an_old_pod("a"), an_old_pod("b"))
    setting.api.answers["try", PODS] = ApiError(403, "Forbidden", "violates PodSecurity")
    setting.update()
    await setting.run()
    assert setting.wanted == []
    moves = setting.rescheduler.compute_moves("web")
    assert isinstance(moves, Tally)
    assert (moves.waiting, moves.blocked) == (0, 2)
    (obstacle,) = moves.obstacles
    assert obstacle.reason is Reason.REPLACEMENT_REFUSED
    assert "violates PodSecurity" in obstacle.message
    setting.api.answers["try", PODS] = sandbox
    await setting.run(120)
    assert setting.wanted == ["a"]


async def test_where_a_quota_counts_one_pod_of_the_namespace_goes_at_a_time() -> None:
    pods = [an_old_pod("a"), an_old_pod("b"), an_old_pod("proof")]
    pods[1]["metadata"]["ownerReferences"][0] |= {"name": "other", "uid": "uid-other"}
    pods[2]["metadata"] |= {"creationTimestamp": "2026-01-02T00:00:00Z"}
    pods[2]["metadata"]["labels"] |= {PROFILE_LABEL: "web"}
    setting = Setting(*pods)
    owner = setting.api.answers["get", REPLICA_SET]
    assert isinstance(owner, dict)
    setting.api.answers["get", REPLICA_SET] = {**owner, "spec": {**owner["spec"], "replicas": 2}}
    other = {"metadata": {"name": "other", "uid": "uid-other"}, "spec": {**owner["spec"], "replicas": 1}}
    setting.api.answers["get", REPLICA_SET.replace("owner", "other")] = other
    quotas = PODS.replace("pods", "resourcequotas")
    setting.api.lists[quotas] = [{"metadata": {"name": "no-pods"}, "spec": {"hard": {"services": "1"}}}]
    setting.update()
    await setting.run()
    assert sorted(setting.wanted) == ["a", "b"], "no pod counts against that one"
    setting = Setting(*pods)
    setting.api.answers |= {("get", REPLICA_SET.replace("owner", "other")): other}
    setting.api.answers["get", REPLICA_SET] = {**owner, "spec": {**owner["spec"], "replicas": 2}}
    setting.api.lists[quotas] = [{"metadata": {"name": "full"}, "spec": {"hard": {"pods": "9"}}}]
    setting.update()
    await setting.run()
    assert setting.wanted == ["a"]
    setting.evictor.tell(setting.evictor.wanted[0])
    setting.update(namespaces=("prod", "other"))
    assert setting.wanted == [], "what was seen before the eviction is good for no other"


async def test_a_workload_whose_pods_are_merely_gone_is_not_moved() -> None:
    setting = Setting(an_old_pod("a"))
    setting.update()
    await setting.run()
    setting.api.lists[PODS] = []
    await setting.run()
    moves = setting.rescheduler.compute_moves("web")
    assert isinstance(moves, Tally)
    assert moves.waiting == 1
    assert moves.waiting_for.startswith("1 of 1 pods of ReplicaSet prod/owner don't exist")
    del setting.api.answers["get", REPLICA_SET]
    await setting.run()
    assert setting.rescheduler.compute_moves("web") == Tally()


@pytest.mark.parametrize("is_gone", [True, False], ids=["gone", "not Ready"])
async def test_what_an_operator_before_left_without_its_pods_is_waited_for_by_the_next(is_gone: bool) -> None:
    replacement = sandbox(an_old_pod("new")) | {"status": {"phase": "Pending"}}
    replacement["metadata"]["creationTimestamp"] = "2026-01-01T00:00:01Z"
    setting = Setting(*(() if is_gone else (replacement,)))
    setting.owner["spec"]["replicas"] = 1
    setting.api.lists[REPLICA_SET.removesuffix("/owner")] = [setting.owner]
    setting.update(replace(SETTINGS, is_open=True))
    await setting.run()
    moves = setting.rescheduler.compute_moves("web")
    assert isinstance(moves, Tally)
    assert moves.waiting == 1
    assert ("don't exist" if is_gone else "isn't Ready") in moves.waiting_for
    setting.api.lists[PODS] = [replacement | {"status": an_old_pod("new")["status"]}]
    await setting.run()
    assert setting.rescheduler.compute_moves("web") == Tally()


async def test_workloads_of_others_and_those_that_should_have_no_pods_are_not_waited_for() -> None:
    setting = Setting()
    other = {"metadata": {"name": "other", "uid": "uid-other"}, "spec": {"replicas": 1, "template": {"spec": {}}}}
    setting.api.answers["get", REPLICA_SET.replace("owner", "other")] = other
    setting.api.lists[REPLICA_SET.removesuffix("/owner")] = [setting.owner, other]
    setting.update(replace(SETTINGS, is_open=True))
    await setting.run()
    assert setting.rescheduler.compute_moves("web") == Tally()
