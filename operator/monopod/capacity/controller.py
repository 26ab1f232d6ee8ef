"""Says of each profile whether there is room for its pods, and of each pod that waits for room why there is none.

    every POLL_SECONDS: RuntimeClasses, NodePools, pods without a node ──► a judgement of each profile
        └── changed: profiles are reconciled, which asks `contribute`
        └── a pod has waited for a minute: event FailedScheduling, once, in AWS's words with the cause

Lists instead of watches: NodePools are a kind that a cluster may get or lose at any time, and what the operator keeps
of pods is their metadata. Pods are listed only while some wait, or after one has changed, and less often where that
takes long, as of thousands it does. Nothing is remembered.
"""

import datetime
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from monopod.api.names import PROFILE_LABEL
from monopod.api.reasons import EventType, PodReason
from monopod.capacity.caches import Caches
from monopod.capacity.rules.node_shape import STARTUP_TAINTS
from monopod.capacity.rules.pool import Pool
from monopod.capacity.rules.report import NOT_READ, contribute_capacity, describe_cause, keep_warm
from monopod.capacity.rules.sandbox import Sandbox
from monopod.capacity.rules.settings import CapacitySettings, Provider
from monopod.capacity.rules.situation import Nodes, Situation, WaitingPod, find_nodes, read_waiting
from monopod.capacity.rules.verdict import Judgement, judge_capacity
from monopod.capacity.rules.warm.state import WarmState
from monopod.capacity.rules.warm.wish import Asking, build_asking, read_asking
from monopod.capacity.warm.states import WarmStates
from monopod.kube.client.api import Api, ApiError
from monopod.kube.clock import SYSTEM_CLOCK, Clock
from monopod.kube.controller import WHOLE, After, Backoff, Controller, Result
from monopod.kube.event_recorder import EventRecorder, refer_to_pod
from monopod.kube.logs import ProblemLog
from monopod.kube.objects.conditions import Contribution
from monopod.kube.objects.fields import InvalidManifest
from monopod.kube.objects.resources import NODE_POOLS, PODS, RUNTIME_CLASSES
from monopod.kube.signals import Signal
from monopod.pods.rules.state import get_mark

POLL_SECONDS: Final = 5.0
LONGEST_POLL_SECONDS: Final = 30.0
REST_PER_LOOK: Final = 4.0
"""Looking takes at most a fifth of the time, unless it takes very long."""
PENDING_PODS: Final = {"labelSelector": PROFILE_LABEL, "fieldSelector": "spec.nodeName=,status.phase=Pending"}
SETTLING: Final = datetime.timedelta(seconds=5)
"""A pod that has waited no longer than this waits for nothing that is worth a word."""
EVENT_AFTER: Final = datetime.timedelta(seconds=60)

Manifest = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Report:
    """What is to be said of a profile: what was found, how many nodes take its pods, which of these wait for room."""

    judgement: Judgement
    nodes: int
    pods: int
    warm: WarmState | None
    waiting: tuple[WaitingPod, ...] = field(compare=False)


@dataclass(frozen=True, slots=True)
class _Facts:
    """What was listed last.

    Attributes:
        sandboxes: the RuntimeClasses by name.
        pools: the NodePools; None where the cluster has none of this kind.
        waiting: the pods that wait, by profile.
    """

    sandboxes: Mapping[str, Sandbox]
    pools: tuple[Pool, ...] | None
    waiting: Mapping[str, tuple[WaitingPod, ...]]


class CapacityReader:
    """Judges the capacity of all profiles, again and again.

    Args:
        api: the API server.
        caches: what the operator has seen.
        choose_sandbox: the RuntimeClass of a profile that names none, by the handlers of all and the one that it has.
        recorder: posts events.
        problems: the log of problems.
        states: what is known of warm capacity.
        spot_label: the label of Spot's nodes, `key=value`; "" if no nodes are Spot's.
        clock: tells the time.
    """

    def __init__(
        self,
        api: Api,
        caches: Caches,
        choose_sandbox: Callable[[Mapping[str, str], str], str],
        recorder: EventRecorder,
        problems: ProblemLog,
        states: WarmStates,
        spot_label: str = "",
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._api = api
        self._caches = caches
        self._choose_sandbox = choose_sandbox
        self._recorder = recorder
        self._problems = problems
        self._states = states
        self._spot_label = spot_label
        self._clock = clock
        self._facts: _Facts | None = None
        self._reports: dict[str, _Report] = {}
        self._waiting: tuple[WaitingPod, ...] = ()
        self._pending, self._seen = True, -1
        self.changed = Signal()
        """What is to be said of some profile is another than before."""
        backoff = Backoff(first=POLL_SECONDS, longest=POLL_SECONDS)
        self.controller: Controller[str] = Controller(
            "capacity", self._reconcile, problems, backoff=backoff, clock=clock
        )

    def begin(self) -> None:
        """Has capacity judged from now on."""
        self.controller.enqueue(WHOLE)

    async def _reconcile(self, _: str) -> Result:
        began = self._clock.monotonic()
        self._facts = _Facts(await self._fetch_sandboxes(), await self._fetch_pools(), await self._fetch_waiting())
        reports = self._judge(self._caches.profiles.views(), self._facts)
        pause = REST_PER_LOOK * (self._clock.monotonic() - began)
        if reports != self._reports:
            self._reports = reports
            self.changed.fire()
        await self._record(reports)
        return After(min(max(POLL_SECONDS, pause), LONGEST_POLL_SECONDS))

    async def _fetch_sandboxes(self) -> dict[str, Sandbox]:
        listed = [each async for each in self._api.list_pages(RUNTIME_CLASSES.list_path())]
        return {found.name: found for found in map(Sandbox.from_resource, listed)}

    async def _fetch_pools(self) -> tuple[Pool, ...] | None:
        """The NodePools; None where the cluster has none of this kind, or they may not be read."""
        try:
            listed = [each async for each in self._api.list_pages(NODE_POOLS.list_path())]
        except ApiError as error:
            if error.status == 404:
                self._problems.clear("NodePools")
            elif error.status == 403:
                self._problems.report("NodePools", str(error))
            else:
                raise
            return None
        self._problems.clear("NodePools")
        return tuple(pool for each in listed if (pool := self._read_pool(each)))

    def _read_pool(self, resource: Manifest) -> Pool | None:
        name = resource["metadata"]["name"]
        try:
            pool = Pool.from_resource(resource)
        except InvalidManifest as problem:  # of a version of Karpenter's that has the field otherwise
            self._problems.report(f"NodePool {name}", str(problem))
            return None
        self._problems.clear(f"NodePool {name}")
        return pool

    async def _fetch_waiting(self) -> dict[str, tuple[WaitingPod, ...]]:
        """The pods without a node, by profile; listed only if some were pending the last time, or one has changed."""
        revision = self._caches.pods.revision
        if self._pending or revision != self._seen:
            pending, found = False, list[WaitingPod]()
            async for pod in self._api.list_pages(PODS.list_path(), PENDING_PODS):
                pending = True
                if waiting := read_waiting(pod, get_mark(pod)):
                    found.append(waiting)
            self._waiting, self._pending, self._seen = tuple(found), pending, revision
        now, by_profile = self._clock.now(), dict[str, tuple[WaitingPod, ...]]()
        for profile, pods in itertools.groupby(sorted(self._waiting, key=_get_profile), _get_profile):
            by_profile[profile] = tuple(pod for pod in pods if now - pod.since >= SETTLING)
        return by_profile

    def _judge(self, profiles: Iterable[Manifest], facts: _Facts) -> dict[str, _Report]:
        reports = dict[str, _Report]()
        for situation in self._situate(profiles, facts):
            lacking, name = situation.waiting_for_room, situation.profile
            warm = self._states.get(name)
            reports[name] = _Report(judge_capacity(situation), situation.nodes.usable, len(lacking), warm, lacking)
        return reports

    def _situate(self, profiles: Iterable[Manifest], facts: _Facts) -> Iterator[Situation]:
        views, found = self._caches.nodes.views(), dict[tuple[str, tuple[str, ...]], Nodes]()
        handlers = {name: sandbox.handler for name, sandbox in facts.sandboxes.items()}
        for profile in profiles:
            name, spec = profile["metadata"]["name"], profile.get("spec") or {}
            current = str((profile.get("status") or {}).get("runtimeClassName") or "")
            named = str(spec.get("runtimeClassName") or self._choose_sandbox(handlers, current))
            try:
                settings = CapacitySettings.from_resource(profile)
            except InvalidManifest:  # the condition Valid says so
                continue
            sandbox, zones = facts.sandboxes.get(named), tuple(spec.get("subnets") or ())
            if (named, zones) not in found:  # most profiles have the same sandbox, and there may be a thousand nodes
                found[named, zones] = find_nodes(views, sandbox, zones, tuple(STARTUP_TAINTS)) if sandbox else Nodes()
            waiting = facts.waiting.get(name, ())
            nodes = found[named, zones]
            yield Situation(name, settings, zones, sandbox, nodes, facts.pools, waiting, self._clock.now())

    def list_asking(self) -> list[Asking] | None:
        """The profiles that ask for warm capacity; None as long as nothing is known of their sandboxes."""
        if self._facts is None:
            return None
        resources = {name: each for each in self._caches.profiles.views() if (name := read_asking(each))}
        asking = list[Asking]()
        for situation in self._situate(resources.values(), self._facts):
            if situation.sandbox:
                grows = judge_capacity(situation).provider in (Provider.KARPENTER, Provider.CLUSTER_AUTOSCALER)
                resource = resources[situation.profile]
                asking.append(build_asking(resource, situation.sandbox, self._spot_label, grows=grows))
        return asking

    async def _record(self, reports: Mapping[str, _Report]) -> None:
        """Events of pods that have waited for room for a minute.

        Raises:
            ApiUnreachable: no answer.
        """
        now = self._clock.now()
        for name, report in reports.items():
            text = describe_cause(report.judgement.verdict, name)
            for pod in report.waiting:
                if now - pod.since >= EVENT_AFTER:
                    about = refer_to_pod(pod.namespace, pod.name, pod.uid)
                    await self._recorder.record_state(about, EventType.WARNING, PodReason.FAILED_SCHEDULING, text)
                    self.controller.note_progress()

    def contribute(self, statuses: Mapping[str, Manifest], now: str) -> dict[str, Contribution]:
        """What to say of each profile; `statuses` are those that they have, `now` is an RFC 3339 time."""
        if self._facts and (new := [name for name in statuses if name not in self._reports]):
            # A profile that is new says it with its first status, and doesn't write another for it.
            known = (self._caches.profiles.find("", name) for name in new)
            self._reports |= self._judge((profile for profile in known if profile), self._facts)
        return {name: self._contribute(name, status) for name, status in statuses.items()}

    def _contribute(self, name: str, status: Manifest) -> Contribution:
        kept = status.get("capacity")
        if report := self._reports.get(name):
            told = contribute_capacity(report.judgement, name, report.nodes, report.pods, report.warm)
            warm = None if self._states.is_known else (kept or {}).get("warm")
            return keep_warm(told, warm) if warm else told
        return Contribution((NOT_READ,), {"capacity": kept} if kept else {})


def _get_profile(pod: WaitingPod) -> str:
    return pod.profile
