"""Holds back the eviction of pods whose replacements can't be created or can't run on any node.

    first pod of a workload ──dry run──► created, sandboxed, a node fits ──► may be evicted
                                 └─────► refused, in these words         ──► tried again later, longer each time

A verdict is about what a workload's controller would create, not about one pod: it is good for some minutes, and for
its replicas. Where a ResourceQuota counts pods it is not: one replacement may leave no room for the next. There one pod
goes at a time, with a dry run of its own, and the next when its replacement exists and so counts. As a quota's status
may lag behind, the namespace's pods are counted, too, and none goes while any workload lacks some. All of this is
forgotten with the process; the next one tries again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from monopod.eviction.rules.order import Obstacle
from monopod.kube.client.api import Api
from monopod.kube.clock import Clock
from monopod.kube.concurrency import gather_some
from monopod.kube.controller import Backoff
from monopod.kube.objects.text import list_names
from monopod.rescheduling.caches import Caches
from monopod.rescheduling.rules.plans import WorkloadPlan
from monopod.rescheduling.rules.pod_verdict import NamespaceContext
from monopod.rescheduling.scanner import Attempt, NamespaceScan
from monopod.workloads.replacements import list_quotas, try_replacement
from monopod.workloads.rules.creation import Quota
from monopod.workloads.rules.verdict import Fault, judge_node, judge_sandbox

VALID_SECONDS: Final = 300.0
REFUSED: Final = Backoff(first=5.0, longest=60.0)
# In one scan; the others follow in the next.
MOST_TRIED: Final = 40
PER_MINUTE: Final = 600

Manifest = dict[str, Any]
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What came of the last dry run.

    Attributes:
        body: what was tried.
        fault: why no pod of the workload may be evicted; None if they may.
        created: the pod as it would be, None if it was refused.
        failures: how many in a row have told of a fault.
    """

    body: Manifest
    at: float
    fault: Fault | None = None
    created: Manifest | None = None
    failures: int = 0

    def is_current(self, body: Manifest, now: float) -> bool:
        return self.body == body and now - self.at < (REFUSED.after(self.failures) if self.fault else VALID_SECONDS)


class DryRuns:
    """Remembers verdicts by profile and workload."""

    def __init__(self, api: Api, caches: Caches, clock: Clock) -> None:
        self._api = api
        self._caches = caches
        self._clock = clock
        self._verdicts: dict[Key, _Verdict] = {}
        self._minute, self._tried = 0.0, 0

    async def limit(self, context: NamespaceContext, scan: NamespaceScan) -> NamespaceScan:
        """The scan without evictions that would leave a workload without a pod.

        Raises:
            ApiError: the quotas can't be listed.
            ApiUnreachable: no answer.
        """
        if not scan.attempts:
            return scan
        self._forget()
        quotas = await list_quotas(self._api, context.namespace)
        if quotas:
            return await self._limit_by_quotas(context, scan, quotas)
        due = [key for key, attempt in scan.attempts.items() if not self._is_current(key, attempt)]
        await gather_some(self._try(context, key, scan.attempts[key]) for key in due[: self._take(len(due))])
        return replace(scan, plans=tuple(self._judge(each, scan) for each in scan.plans))

    async def _limit_by_quotas(
        self, context: NamespaceContext, scan: NamespaceScan, quotas: Sequence[Quota]
    ) -> NamespaceScan:
        """Of all workloads of the namespace one pod, tried at this moment, once nothing is missing."""
        busy = next((each for each in scan.plans if each.is_short), None)
        ordered = sorted(
            (each for each in scan.plans if each.now and not each.workload.is_bare),
            key=lambda each: (each.now[0].created, each.now[0].name),
        )
        chosen: WorkloadPlan | None = None
        for each in ordered:
            key = each.profile, each.workload.uid
            verdict = self._verdicts.get(key)
            refused = verdict is not None and verdict.fault is not None and self._is_current(key, scan.attempts[key])
            if chosen is None and busy is None and not refused and self._take(1):
                await self._try(context, key, scan.attempts[key], quotas)
                chosen = None if self._find_fault(key, scan.attempts[key]) else each
        waiting = busy or chosen
        waiting_for = f"a quota counts the pods of namespace {context.namespace}, so they move one after the other"
        plans = []
        for each in scan.plans:
            plan = each if each.workload.is_bare else self._judge(each, scan, untried=waiting_for)
            if plan.now and not plan.workload.is_bare:
                allowed = plan.now[:1] if each is chosen else ()
                later = (*plan.now[len(allowed) :], *plan.later)
                text = "" if allowed else f"{waiting_for}; {waiting.workload} is next" if waiting else waiting_for
                plan = replace(plan, now=allowed, later=later, waiting_for=plan.waiting_for or text)
            plans.append(plan)
        return replace(scan, plans=tuple(plans), is_bounded=True)

    def _is_current(self, key: Key, attempt: Attempt) -> bool:
        verdict = self._verdicts.get(key)
        return verdict is not None and verdict.is_current(attempt.body, self._clock.monotonic())

    def _take(self, wanted: int) -> int:
        """How many dry runs may be sent now."""
        if self._clock.monotonic() - self._minute >= 60:
            self._minute, self._tried = self._clock.monotonic(), 0
        allowed = min(wanted, MOST_TRIED, PER_MINUTE - self._tried)
        self._tried += allowed
        return allowed

    async def _try(self, context: NamespaceContext, key: Key, attempt: Attempt, quotas: Sequence[Quota] = ()) -> None:
        profile = next(each for each in context.profiles if each.name == key[0])
        before, created = self._verdicts.get(key), None
        fault, answer = await try_replacement(self._api, context.namespace, attempt.body, attempt.pod, quotas)
        if answer and not fault:
            fault = judge_sandbox(answer, context.namespace, profile.name, profile.runtime_class)
            created = {"spec": answer["spec"]}
        failures = (before.failures if before else 0) + 1 if fault else 0
        self._verdicts[key] = _Verdict(attempt.body, self._clock.monotonic(), fault, created, failures)

    def _find_fault(self, key: Key, attempt: Attempt) -> Fault | None:
        """What is wrong with the replacement. What nodes could take may change at any moment, and costs no request."""
        verdict = self._verdicts[key]
        if verdict.fault or verdict.created is None:
            return verdict.fault
        return judge_node(verdict.created, attempt.pod, self._caches.nodes.views())

    def _judge(
        self, plan: WorkloadPlan, scan: NamespaceScan, untried: str = "its replacement hasn't been tried yet"
    ) -> WorkloadPlan:
        key = plan.profile, plan.workload.uid
        if key not in scan.attempts:
            return plan
        later = (*plan.now, *plan.later)
        if not self._is_current(key, scan.attempts[key]):
            return replace(plan, now=(), later=later, waiting_for=plan.waiting_for or f"{plan.workload}: {untried}")
        fault = self._find_fault(key, scan.attempts[key])
        return _block(plan, fault) if fault else plan

    def _forget(self) -> None:
        now = self._clock.monotonic()
        self._verdicts = {key: each for key, each in self._verdicts.items() if now - each.at < 2 * VALID_SECONDS}


def _block(plan: WorkloadPlan, fault: Fault) -> WorkloadPlan:
    waiting = (*plan.now, *plan.later)
    names = tuple(map(str, waiting))
    obstacle = Obstacle(fault.reason, f"{list_names(names)} of {plan.workload} stays, because {fault}", names)
    return replace(plan, now=(), later=waiting, obstacles=(*plan.obstacles, obstacle))
