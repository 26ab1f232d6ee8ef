"""Holds back the eviction of a deleted profile's pods that couldn't be created again, or that no node could take.

    oldest pod of a workload ──dry run──► created, a node fits ──► its pods are evicted
                                  └─────► refused ──► they stay, the profile says why; tried again, longer each time

As when pods are moved (see `monopod.rescheduling.dry_runs`), but the replacements are whatever admission makes of them
without the profile. Pods without a controller aren't replaced by anybody, so nothing is tried. All of this is forgotten
with the process; the next one tries again.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from monopod.api.reasons import Reason
from monopod.eviction.rules.order import Candidate, Obstacle
from monopod.kube.client.api import Api, ApiError, ApiUnreachable
from monopod.kube.clock import Clock
from monopod.kube.concurrency import gather_some
from monopod.kube.controller import Backoff
from monopod.kube.objects.fields import InvalidManifest
from monopod.kube.objects.resources import PODS, RESOURCE_QUOTAS
from monopod.kube.objects.text import list_names
from monopod.pods.rules.state import get_mark, has_ended
from monopod.workloads.caches import Caches
from monopod.workloads.fetch import fetch_census, fetch_workload
from monopod.workloads.rules.creation import Quota, build_attempt
from monopod.workloads.rules.replacement import get_owner
from monopod.workloads.rules.verdict import Answer, Fault, judge_answer, judge_node, judge_quotas

VALID_SECONDS: Final = 60.0
# Where a quota counts, a verdict is about one pod at this moment.
BOUNDED_SECONDS: Final = 3.0
# A dry run from longer ago evicts nothing there.
KNOWN_SECONDS: Final = 15.0
REFUSED: Final = Backoff(first=2.0, longest=60.0)
# In one reconcile; the others follow in the next.
MOST_TRIED: Final = 40

Manifest = dict[str, Any]
Key = tuple[str, str]


async def list_quotas(api: Api, namespace: str) -> tuple[Quota, ...]:
    """The namespace's quotas, but for those that have nothing to do with pods.

    Raises:
        ApiError: they can't be listed.
        ApiUnreachable: no answer.
    """
    path = RESOURCE_QUOTAS.list_path(namespace)
    found = [Quota.from_resource(each) async for each in api.list_pages(path)]
    return tuple(quota for quota in found if quota.concerns_pods)


async def try_replacement(
    api: Api, namespace: str, body: Manifest, pod: Manifest, quotas: Sequence[Quota]
) -> tuple[Fault | None, Manifest | None]:
    """Why a replacement can't be created once the pod is gone, None if it can; and what the dry run made, if anything.

    Raises:
        ApiError: what is in the namespace can't be listed.
        ApiUnreachable: no answer.
    """
    try:
        answer = Answer(await api.create(PODS.list_path(namespace), body, dry_run=True))
    except ApiError as error:
        answer = Answer(refusal=error.message)
    fault = judge_answer(answer, pod, quotas)
    if quotas and not fault:
        fault = judge_quotas(answer, pod, quotas, await fetch_census(api, namespace))
    return fault, answer.created


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What came of the last dry run for a workload.

    Attributes:
        about: the uid of the pod that it was about.
        until: when it is tried again.
        failures: how many in a row have told of a fault.
        is_bounded: whether it holds for that pod alone.
    """

    about: str
    until: float
    fault: Fault | None = None
    failures: int = 0
    is_bounded: bool = False

    def is_current(self, pod: Candidate, now: float) -> bool:
        return now < self.until and (self.fault is not None or not self.is_bounded or self.about == pod.uid)


class ReplacementDryRuns:
    """Remembers verdicts by profile and workload; `enqueue` has the profiles reconciled within some seconds."""

    def __init__(
        self,
        api: Api,
        caches: Caches,
        is_refused: Callable[[Candidate], bool],
        enqueue: Callable[[float], None],
        clock: Clock,
    ) -> None:
        self._api = api
        self._clock = clock
        self._caches = caches
        self._is_refused = is_refused
        self._enqueue = enqueue
        self._verdicts: dict[Key, _Verdict] = {}

    def compute_obstacles(self, profile: str, pods: Iterable[Candidate]) -> list[Obstacle]:
        """What keeps pods of a profile, as far as it was tried."""
        held: dict[Fault, list[str]] = {}
        for pod in sorted(pods, key=_age):
            verdict = self._verdicts.get((profile, pod.workload))
            if verdict and verdict.fault:
                held.setdefault(verdict.fault, []).append(str(pod))
        return [_describe(fault, names) for fault, names in held.items()]

    def retain(self, profiles: Collection[str]) -> None:
        """Forgets all others."""
        self._verdicts = {key: each for key, each in self._verdicts.items() if key[0] in profiles}

    async def select(self, profile: str, pods: Sequence[Candidate]) -> list[Candidate]:
        """Those of a profile's pods that may be evicted now."""
        self._forget_others(profile, {pod.workload for pod in pods})
        before = self.compute_obstacles(profile, pods)
        namespaces: dict[str, dict[str, list[Candidate]]] = {}
        for pod in sorted(pods, key=_age):
            if pod.workload != pod.uid:
                namespaces.setdefault(pod.namespace, {}).setdefault(pod.workload, []).append(pod)
        left = [MOST_TRIED]
        chosen = [pod for pod in pods if pod.workload == pod.uid]
        for namespace, workloads in namespaces.items():
            chosen += await self._select_in(namespace, profile, workloads, left)
        untold = self.compute_obstacles(profile, pods) != before
        faults = [each.until for key, each in self._verdicts.items() if key[0] == profile and each.fault]
        if untold or left[0] <= 0:
            self._enqueue(0.5)
        if faults:
            self._enqueue(max(0.5, min(faults) - self._clock.monotonic()))
        return chosen

    def _forget_others(self, profile: str, workloads: Collection[str]) -> None:
        """Drops what was tried for workloads that have no pods of the profile any more: nothing is due for them."""
        self._verdicts = {key: each for key, each in self._verdicts.items() if key[0] != profile or key[1] in workloads}

    async def _select_in(
        self, namespace: str, profile: str, workloads: Mapping[str, list[Candidate]], left: list[int]
    ) -> list[Candidate]:
        due = [uid for uid, pods in workloads.items() if not self._is_current(profile, pods[0])]
        try:
            quotas = await list_quotas(self._api, namespace) if due else ()
        except (ApiError, ApiUnreachable):
            self._enqueue(REFUSED.first)
            return []
        if quotas or any(each.is_bounded for each in self._get_current(profile, workloads)):
            return await self._select_one(profile, workloads, quotas, left)
        tried = due[: max(0, left[0])]
        left[0] -= len(due)
        await gather_some(self._try(profile, workloads[uid][0], ()) for uid in tried)
        return [pod for pods in workloads.values() if self._is_passed(profile, pods[0]) for pod in pods]

    async def _select_one(
        self, profile: str, workloads: Mapping[str, list[Candidate]], quotas: Sequence[Quota], left: list[int]
    ) -> list[Candidate]:
        """One pod of the namespace, besides those that budgets refuse for the time being."""
        chosen: list[Candidate] = []
        for pod, *_ in workloads.values():
            if not self._is_current(profile, pod) and left[0] > 0:
                left[0] -= 1
                await self._try(profile, pod, quotas)
            if self._is_passed(profile, pod):
                chosen.append(replace(pod, known_until=self._clock.monotonic() + KNOWN_SECONDS))
                self._enqueue(BOUNDED_SECONDS)
                if not self._is_refused(pod):
                    break
        return chosen

    def _get_current(self, profile: str, workloads: Mapping[str, list[Candidate]]) -> list[_Verdict]:
        return [self._verdicts[profile, uid] for uid, pods in workloads.items() if self._is_current(profile, pods[0])]

    def _is_current(self, profile: str, pod: Candidate) -> bool:
        verdict = self._verdicts.get((profile, pod.workload))
        return verdict is not None and verdict.is_current(pod, self._clock.monotonic())

    def _is_passed(self, profile: str, pod: Candidate) -> bool:
        return self._is_current(profile, pod) and not self._verdicts[profile, pod.workload].fault

    async def _try(self, profile: str, pod: Candidate, quotas: Sequence[Quota]) -> None:
        before = self._verdicts.get((profile, pod.workload))
        try:
            fault = await self._find_fault(profile, pod, quotas)
        except (ApiError, ApiUnreachable, InvalidManifest) as error:
            fault = Fault(Reason.REPLACEMENT_REFUSED, f"it can't be tried: {error}")
        failures = (before.failures if before else 0) + 1 if fault else 0
        valid = REFUSED.after(failures) if fault else BOUNDED_SECONDS if quotas else VALID_SECONDS
        self._verdicts[profile, pod.workload] = _Verdict(
            pod.uid, self._clock.monotonic() + valid, fault, failures, bool(quotas)
        )

    async def _find_fault(self, profile: str, pod: Candidate, quotas: Sequence[Quota]) -> Fault | None:
        """What would be wrong with the pod's replacement."""
        try:
            manifest = await self._api.get(PODS.path(pod.name, pod.namespace))
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        owner = get_owner(manifest)
        workload = await fetch_workload(self._api, pod.namespace, owner) if owner else None
        if workload is None or has_ended(manifest):
            return None  # nothing takes its place
        fault, created = await try_replacement(
            self._api, pod.namespace, build_attempt(manifest, workload), manifest, quotas
        )
        if fault or created is None:
            return fault
        if get_mark(created) == profile:
            return Fault(Reason.REPLACEMENT_REFUSED, "admission still sees the profile as active")
        return judge_node(created, manifest, self._caches.nodes.views())


def _age(pod: Candidate) -> tuple[str, str, str]:
    return pod.created, pod.namespace, pod.name


def _describe(fault: Fault, names: Sequence[str]) -> Obstacle:
    verb = "stays" if len(names) == 1 else "stay"
    return Obstacle(fault.reason, f"{list_names(names)} {verb}, because {fault}", tuple(names))
