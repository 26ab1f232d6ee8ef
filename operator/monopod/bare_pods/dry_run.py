"""Tries whether admission would take a pod and sandbox it, by server-side dry runs, before anything happens to it.

What comes back is also compared with the nodes: where none could take it, the pod would wait where one runs now. A
verdict is good for a minute. A refused dry run is repeated that often, with the pod as it is then, for as long as the
pod waits to be moved: a quota may have been raised, or the pod relabelled.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from monopod.api.reasons import Reason
from monopod.bare_pods.caches import Caches
from monopod.bare_pods.rules.steps import BarePod, build_dry_run
from monopod.eviction.rules.order import Obstacle
from monopod.kube.client.api import Api, ApiError, ApiUnreachable
from monopod.kube.clock import Clock
from monopod.kube.concurrency import gather_some
from monopod.kube.objects.resources import PODS
from monopod.kube.objects.text import list_names
from monopod.pods.rules.dry_run import NotSandboxed, PodDryRun, Sandboxed, judge_pod
from monopod.pods.rules.node_demand import explain_unschedulable
from monopod.pods.rules.state import is_ready

VALID_SECONDS = 60.0
# In one go; the others follow two seconds later.
MOST_TRIED = 40

Manifest = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What came of the last dry run.

    Attributes:
        fault: why the pod wouldn't come back in its sandbox; "" if it would.
        known: whether the API server has answered at all.
        created: the pod as it would come back, None if it wouldn't.
    """

    pod: BarePod
    fault: str
    known: bool
    at: float
    created: Manifest | None = None

    def is_due(self, now: float) -> bool:
        return not self.known or now - self.at >= VALID_SECONDS


class DryRuns:
    """Holds the verdicts."""

    def __init__(self, api: Api, caches: Caches, clock: Clock) -> None:
        self._api = api
        self._caches = caches
        self._clock = clock
        self._verdicts: dict[str, _Verdict] = {}

    async def update(self, pods: Sequence[BarePod], waiting: Collection[str]) -> None:
        """Tries the pods, and refused ones among those that wait again; forgets all others."""
        wanted = {pod.uid: pod for pod in pods}
        self._verdicts = {
            uid: verdict
            for uid, verdict in self._verdicts.items()
            if uid in wanted or (uid in waiting and self._find_fault(verdict))
        }
        due = [uid for uid in {**wanted, **self._verdicts} if self._is_due(uid, wanted.get(uid))]
        await gather_some(self._attempt(uid, wanted.get(uid)) for uid in due[:MOST_TRIED])

    def _is_due(self, uid: str, pod: BarePod | None) -> bool:
        verdict = self._verdicts.get(uid)
        return (
            verdict is None
            or verdict.is_due(self._clock.monotonic())
            or (pod is not None and not _is_same(pod, verdict.pod))
        )

    async def _attempt(self, uid: str, pod: BarePod | None) -> None:
        verdict = self._verdicts.get(uid)
        if pod is None and verdict:
            pod = await self._refresh(verdict.pod)
        if pod is None:
            del self._verdicts[uid]
            return
        fault, known, created = await self._try(pod)
        if not known and verdict and verdict.known:
            return  # it holds until the API server answers
        self._verdicts[uid] = _Verdict(pod, fault, known, self._clock.monotonic(), created)

    async def _refresh(self, pod: BarePod) -> BarePod | None:
        try:
            found = await self._api.get(PODS.path(pod.name, pod.namespace))
        except ApiError:
            return None
        except ApiUnreachable:
            return pod
        return replace(pod, pod=found) if found["metadata"]["uid"] == pod.uid else None

    async def _try(self, pod: BarePod) -> tuple[str, bool, Manifest | None]:
        """Why the pod wouldn't come back, whether that is known, and the pod as it would."""
        try:
            answer = await self._api.create(PODS.list_path(pod.namespace), build_dry_run(pod), dry_run=True)
        except ApiError as error:
            return f"the API server refuses it: {error.message}", True, None
        except ApiUnreachable as error:
            return f"the API server doesn't answer: {error}", False, None
        match judge_pod(answer, PodDryRun(pod.namespace, (), pod.profile, pod.runtime_class)):
            case Sandboxed():
                return "", True, {"spec": answer["spec"]}
            case NotSandboxed(saw=saw):
                return saw, True, None
            case outcome:
                raise TypeError(f"{outcome} is no verdict on a pod")

    def refuse(self, pod: BarePod, fault: str) -> None:
        """Counts as the outcome of a dry run that something else failed."""
        self._verdicts[pod.uid] = _Verdict(pod, fault, known=True, at=self._clock.monotonic())

    def is_good(self, pod: BarePod) -> bool | None:
        """Whether the pod would come back in its sandbox; None if that isn't known yet."""
        verdict = self._verdicts.get(pod.uid)
        return not self._find_fault(verdict) if verdict and verdict.known else None

    def _find_fault(self, verdict: _Verdict) -> str:
        """Why the pod wouldn't run in its sandbox. What nodes there are may change; it costs no request."""
        # A pod that isn't Ready is missed by no one, and may wait for a node itself.
        if verdict.fault or verdict.created is None or not is_ready(verdict.pod.pod):
            return verdict.fault
        misfit = explain_unschedulable(verdict.created, self._caches.nodes.views())
        return f"no node could take it: {misfit}" if misfit else ""

    def compute_obstacles(self) -> Mapping[str, tuple[Obstacle, ...]]:
        """What would keep pods from coming back, by profile."""
        groups: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for verdict in self._verdicts.values():
            if fault := self._find_fault(verdict):
                groups[verdict.pod.profile, fault].append(str(verdict.pod))
        found: defaultdict[str, tuple[Obstacle, ...]] = defaultdict(tuple)
        for (profile, fault), names in sorted(groups.items()):
            names.sort()
            message = f"{list_names(names)} would not come back in the sandbox, so nothing is done to it: {fault}"
            found[profile] += (Obstacle(Reason.BARE_POD_NOT_RECREATABLE, message, tuple(names)),)
        return found


def _is_same(one: BarePod, other: BarePod) -> bool:
    if one.pod["metadata"]["resourceVersion"] == other.pod["metadata"]["resourceVersion"]:
        return (one.profile, one.runtime_class) == (other.profile, other.runtime_class)
    return (one.profile, one.runtime_class, build_dry_run(one)) == (
        other.profile,
        other.runtime_class,
        build_dry_run(other),
    )
