"""Scans the pods of one namespace: whether any may have to move, and what is to be done about each.

    search ──nothing that a profile might move──► done until the next resync
       └── something ──► full scan: all pods, what controls them, their claims ──► plans

A search reads metadata of those pods only that no profile runs, and asks the cache for the others; a scan reads all
pods of the namespace. Nothing is kept of them but what decides when they move.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from monopod.api.names import COMPUTE_TYPE, COMPUTE_TYPE_EC2, PROFILE_LABEL
from monopod.kube.client.api import Api
from monopod.kube.clock import Clock, format_now
from monopod.kube.concurrency import gather_some
from monopod.kube.objects.resources import PODS
from monopod.kube.objects.timestamps import read_time
from monopod.pods.rules.exemptions import guess_creator
from monopod.pods.rules.selection import find_match
from monopod.pods.rules.state import get_mark, has_ended
from monopod.pods.rules.volumes import get_claims
from monopod.pods.volumes import fetch_claims, fetch_volumes
from monopod.rescheduling.caches import Caches
from monopod.rescheduling.rules.plans import WorkloadPlan, is_proof, plan_workloads
from monopod.rescheduling.rules.pod_verdict import (
    Elsewhere,
    InPlace,
    NamespaceContext,
    PodState,
    judge,
    observe,
    observe_unmovable,
)
from monopod.workloads.fetch import count_desired, fetch_makers, fetch_workload
from monopod.workloads.rules.creation import build_attempt
from monopod.workloads.rules.replacement import STATEFUL_SET, Owner, Workload, build_bare_workload, get_owner

# What controls pods may be so old: a Deployment that is scaled, or a StatefulSet whose template changes, is seen then.
OWNER_SECONDS = 15.0
# Other tasks run after that many pods.
PODS_AT_ONCE = 100

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Attempt:
    """What would be created in the place of the next pod of a workload, and that pod, trimmed."""

    body: Manifest
    pod: Manifest


@dataclass(frozen=True, slots=True)
class NamespaceScan:
    """What there is to do in a namespace.

    Attributes:
        at: when the pods were listed, on the monotonic clock.
        manifests: of the pods without a controller that may be moved now, by uid.
        attempts: of the other workloads of which pods may be moved now, by profile and the workload's uid.
        expected: how many pods workloads of unknown kinds had, by uid.
        proven: profiles of which a pod was seen that became Ready in its sandbox since they became active.
        is_bounded: whether a quota counts the pods, so that this scan allows one eviction at most.
    """

    at: float
    plans: tuple[WorkloadPlan, ...] = ()
    manifests: Mapping[str, Manifest] = field(default_factory=dict)
    attempts: Mapping[tuple[str, str], Attempt] = field(default_factory=dict)
    expected: Mapping[str, int] = field(default_factory=dict)
    proven: frozenset[str] = frozenset()
    is_bounded: bool = False

    @property
    def settling(self) -> frozenset[str]:
        """Workloads with pods on their way."""
        return frozenset(plan.workload.uid for plan in self.plans if plan.is_moving)


def _may_move(labels: Mapping[str, str], mark: str, context: NamespaceContext) -> bool:
    """Whether a profile other than the pod's own might take it, by its labels; whether it does, its owner tells."""
    others = (profile for profile in context.profiles if profile.name in context.settings and profile.name != mark)
    return any(find_match(profile, labels, context.namespace, context.protected) for profile in others)


def _may_move_pod(pod: Manifest, context: NamespaceContext) -> bool:
    return _may_move(pod["metadata"].get("labels") or {}, get_mark(pod), context)


def _trim(pod: Manifest, context: NamespaceContext) -> Manifest:
    """What is needed of a pod: its spec only if it may move, and who wrote what only if no template may replace it."""
    may_move, owner = _may_move_pod(pod, context), get_owner(pod)
    if may_move and (owner is None or not owner.has_template or owner.kind == STATEFUL_SET):
        return pod
    metadata = {key: value for key, value in pod["metadata"].items() if key != "managedFields"}
    status = {"conditions": pod["status"].get("conditions")}
    return {"metadata": metadata, "spec": pod["spec"] if may_move else {}, "status": status}


class Scanner:
    """Remembers owners for some seconds."""

    def __init__(self, api: Api, caches: Caches, clock: Clock) -> None:
        self._api = api
        self._caches = caches
        self._clock = clock
        self._owners: dict[str, tuple[float, Workload | None]] = {}

    async def search(self, context: NamespaceContext) -> bool:
        """Whether a full scan may find anything.

        Raises:
            ApiError: the pods can't be listed.
            ApiUnreachable: no answer.
        """
        marked = self._caches.pods.look_up("namespace", context.namespace)
        for number, pod in enumerate(marked, 1):
            if _may_move(pod.labels, pod.profile, context):
                return True
            if number % PODS_AT_ONCE == 0:
                await asyncio.sleep(0)
        path = PODS.list_path(context.namespace)
        query = {"labelSelector": f"!{PROFILE_LABEL}", "fieldSelector": "status.phase!=Succeeded,status.phase!=Failed"}
        async for item in self._api.list_pages(path, query, metadata_only=True):
            metadata = item["metadata"]
            if not _stays_for_sure(metadata) and _may_move(metadata.get("labels") or {}, "", context):
                return True
        return False

    async def scan(
        self,
        context: NamespaceContext,
        before: NamespaceScan | None,
        missing: Collection[str],
        blocked: Collection[str],
    ) -> NamespaceScan:
        """A full scan.

        Args:
            context: the namespace.
            before: the last scan; None: there was none since this process started.
            missing: pods without a controller that don't exist for the moment, unless they are listed.
            blocked: such pods that can't be moved.

        Raises:
            ApiError: pods, their owners or their claims can't be read.
            ApiUnreachable: no answer.
        """
        at = self._clock.monotonic()
        resumed = {name for name, settings in context.settings.items() if settings.is_open} if before is None else set()
        before = before or NamespaceScan(0.0)
        pods = await self._list_pods(context)
        context = await self._add_storage(context, pods)
        plans: list[WorkloadPlan] = []
        expected: dict[str, int] = {}
        proven: set[str] = set()
        groups = await self._sight_all(pods, context)
        for uid, (workload, pod_states) in groups.items():
            settings = ((each, context.settings[each.mark]) for each in pod_states if each.mark in context.settings)
            proven.update(each.mark for each, own in settings if is_proof(each, own))
            if workload.desired is None and not workload.is_bare and uid in before.settling:
                present = sum(not each.is_terminating for each in pod_states)
                expected[uid] = max(before.expected.get(uid, 0), present)
            plans += plan_workloads(
                workload,
                pod_states,
                context,
                settling=uid in before.settling or any(_is_on_its_way(each, context, resumed) for each in pod_states),
                expected=expected.get(uid, 0),
                missing=missing if workload.is_bare else (),
                blocked=blocked,
            )
        plans += [each async for each in self._find_emptied(before, groups.keys())]
        if resumed:
            plans += [each async for each in self._find_lost(context, resumed, groups.keys())]
        by_uid = {pod["metadata"]["uid"]: pod for pod in pods}
        bare = {pod.uid for plan in plans if plan.workload.is_bare for pod in plan.now}
        attempts = {
            (each.profile, each.workload.uid): _build_attempt(by_uid[each.now[0].uid], each.workload)
            for each in plans
            if each.now and not each.workload.is_bare
        }
        return NamespaceScan(
            at, tuple(plans), {uid: by_uid[uid] for uid in bare}, attempts, expected, frozenset(proven)
        )

    async def _sight_all(
        self, pods: Sequence[Manifest], context: NamespaceContext
    ) -> dict[str, tuple[Workload, list[PodState]]]:
        """The workloads by uid, each with its pods."""
        owners = {owner.uid: owner for pod in pods if (owner := get_owner(pod))}
        # Several at a time, or in a namespace of hundreds of workloads all would be too old to use when it is known.
        found = await gather_some(self._fetch_workload(context, each) for each in owners.values())
        workloads = dict(zip(owners, found, strict=True))
        groups: dict[str, tuple[Workload, list[PodState]]] = {}
        now = format_now()
        for number, pod in enumerate(pods, 1):
            owner = get_owner(pod)
            workload = workloads[owner.uid] if owner else build_bare_workload(context.namespace)
            if workload is not None:
                see = observe if _may_move_pod(pod, context) else observe_unmovable
                groups.setdefault(workload.uid, (workload, []))[1].append(see(pod, workload, context, now))
            if number % PODS_AT_ONCE == 0:
                await asyncio.sleep(0)
        return groups

    async def _find_emptied(self, before: NamespaceScan, present: Collection[str]) -> AsyncIterator[WorkloadPlan]:
        """Workloads whose pods were on their way and that have none now, although they should: these aren't moved."""
        for each in before.plans:
            if not each.is_moving or each.workload.is_bare or each.workload.uid in present:
                continue
            if desired := await count_desired(self._api, each.workload):
                yield _describe_emptied(each.workload, each.profile, desired)

    async def _find_lost(
        self, context: NamespaceContext, resumed: Collection[str], present: Collection[str]
    ) -> AsyncIterator[WorkloadPlan]:
        """Workloads without any pod whose pods would be these profiles': the last one may have been evicted."""
        found = set(present)
        for kind, resource in await fetch_makers(self._api, context.namespace):
            metadata, above = resource["metadata"], get_owner(resource)
            uid = above.uid if above and above.is_deployment else metadata["uid"]
            if uid in found or not resource["spec"].get("replicas", 1):
                continue
            found.add(uid)
            owner = Owner(
                "v1" if kind == "ReplicationController" else "apps/v1", kind, metadata["name"], metadata["uid"]
            )
            workload = await self._fetch_workload(context, owner)
            if workload is None or not workload.desired:
                continue
            match judge({"metadata": {"name": metadata["name"]}}, workload, context):
                case Elsewhere(profile) if profile in resumed:
                    yield _describe_emptied(workload, profile, workload.desired)
                case _:
                    continue

    async def _list_pods(self, context: NamespaceContext) -> list[Manifest]:
        path = PODS.list_path(context.namespace)
        return [_trim(pod, context) async for pod in self._api.list_pages(path) if not has_ended(pod)]

    async def _add_storage(self, context: NamespaceContext, pods: Sequence[Manifest]) -> NamespaceContext:
        """The context with the claims and volumes of pods that may be moved."""
        moving = (pod for pod in pods if _may_move_pod(pod, context))
        names = {claim for pod in moving for claim in get_claims(pod)}
        if not names:
            return context
        claims = await fetch_claims(self._api, context.namespace)
        volumes = await fetch_volumes(self._api, [claims[name] for name in sorted(names & claims.keys())])
        return replace(context, claims=claims, volumes=volumes)

    async def _fetch_workload(self, context: NamespaceContext, owner: Owner) -> Workload | None:
        now = self._clock.monotonic()
        known = self._owners.get(owner.uid)
        if known and now - known[0] < OWNER_SECONDS:
            return known[1]
        workload = await fetch_workload(self._api, context.namespace, owner)
        self._owners[owner.uid] = (now, workload)
        return workload

    def forget(self) -> None:
        """Drops owners that were read too long ago to be used again."""
        now = self._clock.monotonic()
        self._owners = {uid: known for uid, known in self._owners.items() if now - known[0] < OWNER_SECONDS}


def _is_on_its_way(pod_state: PodState, context: NamespaceContext, resumed: Collection[str]) -> bool:
    """Whether the pod may be a replacement that an operator before this one waited for, or has siblings that are."""
    if pod_state.mark not in resumed or not isinstance(pod_state.verdict, InPlace):
        return False
    began, created = context.settings[pod_state.mark].started, read_time(pod_state.pod.created)
    return began is not None and created is not None and created >= began


def _describe_emptied(workload: Workload, profile: str, desired: int) -> WorkloadPlan:
    why = f"{desired} of {desired} pods of {workload} don't exist (`kubectl get events`)"
    return WorkloadPlan(workload, profile, replacing=desired, is_short=True, desired=desired, waiting_for=why)


def _build_attempt(pod: Manifest, workload: Workload) -> Attempt:
    return Attempt(build_attempt(pod, workload), pod)


def _stays_for_sure(metadata: Mapping[str, Any]) -> bool:
    """Whether metadata alone tell that no one moves the pod."""
    annotations = metadata.get("annotations") or {}
    return annotations.get(COMPUTE_TYPE) == COMPUTE_TYPE_EC2 or guess_creator({"metadata": metadata}) != ""
