"""Tries, by dry runs, whether a replacement would be created, sandboxed and fit a node, before any pod of it goes.

A verdict is about what a workload's controller would create, so it is good for all its pods, and for some minutes; it
is forgotten with the process. Where a quota counts pods it is good for seconds.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from monopod.api.reasons import Reason
from monopod.eviction.rules.order import Obstacle
from monopod.kube.client.api import Api, ApiError, ApiUnreachable
from monopod.kube.clock import Clock
from monopod.kube.concurrency import gather_some
from monopod.kube.controller import Backoff
from monopod.kube.objects.fields import InvalidManifest
from monopod.kube.objects.text import list_names
from monopod.patching.caches import Caches
from monopod.patching.rules.scan import ProfileScan
from monopod.patching.rules.settings import PatchingSettings
from monopod.workloads.replacements import list_quotas, try_replacement
from monopod.workloads.rules.creation import build_attempt
from monopod.workloads.rules.replacement import Workload
from monopod.workloads.rules.verdict import Fault, judge_node, judge_sandbox

VALID_SECONDS: Final = 300.0
BOUNDED_SECONDS: Final = 10.0
REFUSED: Final = Backoff(first=5.0, longest=60.0)
# In one reconcile; the others follow in the next, and their pods wait for it.
MOST_TRIED: Final = 40

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What came of the last dry run for this RuntimeClass; `until` is when it is tried again."""

    until: float
    pod: Manifest
    runtime_class: str
    fault: Fault | None = None
    created: Manifest | None = None
    failures: int = 0


class PatchDryRuns:
    """Remembers verdicts by the workloads' uids."""

    def __init__(self, api: Api, caches: Caches, clock: Clock) -> None:
        self._api = api
        self._caches = caches
        self._clock = clock
        self._verdicts: dict[str, _Verdict] = {}

    async def update(self, wanted: Iterable[str], scan: ProfileScan, settings: PatchingSettings) -> None:
        """Tries a pod of each of these workloads, and of those that had a fault, if no verdict holds any more.

        What can't be tried is a fault of that workload alone: a webhook of one namespace, say, may never answer.
        """
        now = self._clock.monotonic()
        pods = {pod.workload: pod for pod in scan.pods if pod.uid in scan.manifests}
        for uid in pods:
            if uid in self._verdicts and self._verdicts[uid].runtime_class != settings.runtime_class:
                del self._verdicts[uid]  # the profile has another now
        faulty = (uid for uid in pods if self._find_fault(uid))
        due = [uid for uid in dict.fromkeys((*wanted, *faulty)) if uid in pods and not self._holds(uid, now)]
        tries = (
            self._try(scan.workloads[uid], dict(scan.manifests[pods[uid].uid]), settings) for uid in due[:MOST_TRIED]
        )
        await gather_some(tries)
        self._verdicts = {uid: each for uid, each in self._verdicts.items() if now - each.until < VALID_SECONDS}

    def _holds(self, uid: str, now: float) -> bool:
        verdict = self._verdicts.get(uid)
        return verdict is not None and now < verdict.until

    async def _try(self, workload: Workload, pod: Manifest, settings: PatchingSettings) -> None:
        before = self._verdicts.get(workload.uid)
        valid, created = BOUNDED_SECONDS, None
        try:
            quotas = await list_quotas(self._api, workload.namespace)
            attempt = build_attempt(pod, workload)
            fault, answer = await try_replacement(self._api, workload.namespace, attempt, pod, quotas)
            if answer and not fault:
                fault = judge_sandbox(answer, workload.namespace, settings.profile, settings.runtime_class)
                created = {"spec": answer["spec"]}
            valid = BOUNDED_SECONDS if quotas else VALID_SECONDS
        except (ApiError, ApiUnreachable, InvalidManifest) as error:
            fault = Fault(Reason.REPLACEMENT_REFUSED, f"it can't be tried: {error}")
        failures = (before.failures if before else 0) + 1 if fault else 0
        until = self._clock.monotonic() + (REFUSED.after(failures) if fault else valid)
        self._verdicts[workload.uid] = _Verdict(until, pod, settings.runtime_class, fault, created, failures)

    def list_obstacles(self, scan: ProfileScan) -> tuple[Obstacle, ...]:
        """What is wrong with the replacements of pods that are to be replaced. What nodes there are may change."""
        found = []
        for uid, pods in scan.group().items():
            names = tuple(str(pod) for pod in pods if pod.stale and not pod.left and not pod.is_terminating)
            if names and (fault := self._find_fault(uid)):
                text = f"{list_names(names)} of {scan.workloads[uid]} stays, because {fault}"
                found.append(Obstacle(fault.reason, text, names))
        return tuple(found)

    def _find_fault(self, uid: str) -> Fault | None:
        verdict = self._verdicts.get(uid)
        if verdict is None or verdict.fault or verdict.created is None:
            return verdict.fault if verdict else None
        return judge_node(verdict.created, verdict.pod, self._caches.nodes.views())

    def allows(self, uid: str) -> bool:
        """Whether the workload's replacements would come up, as far as was tried; False if nothing was."""
        return uid in self._verdicts and self._find_fault(uid) is None
