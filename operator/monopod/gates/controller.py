"""Releases pods that wait behind a scheduling gate, and says of the others what they wait for.

    gate `monopod.dev/isolation` ──► default-deny policy seen, security groups worked out? ── yes: gate lifted
                                        └── no: checked again as soon as one is; event once it has lasted a while
    gate `monopod.dev/volumes`   ──► every claim bound, to a volume that Fargate mounts? ── yes: gate lifted
                                        └── no: event FailedScheduling, asked again in POLL_SECONDS
    no gate of any kind          ──► a node that is what the pod asks for? (see `node_demands`)

A list every few seconds instead of watches of whole pods, claims and volumes: the API server answers it from its
cache, and it holds nothing but pods that no node has yet. Thousands may wait for nodes that are on their way: they are
listed again only after something has changed, or for those that a gate holds. Nothing is remembered but how long pods
have waited.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog

from monopod.api.names import ISOLATION_GATE, PROFILE_LABEL, VOLUMES_GATE
from monopod.api.reasons import EventType, IsolationReason
from monopod.gates.caches import Caches
from monopod.gates.node_demands import NodeDemands
from monopod.gates.volumes import Claims
from monopod.kube.client.api import Api, ApiError, ServerTrouble
from monopod.kube.clock import SYSTEM_CLOCK, Clock
from monopod.kube.concurrency import attempt_some
from monopod.kube.controller import WHOLE, After, Backoff, Controller, Result
from monopod.kube.event_recorder import EventRecorder, refer_to_pod
from monopod.kube.logs import ProblemLog
from monopod.kube.metrics import WRITES
from monopod.kube.objects.resources import PODS

POLL_SECONDS = 2.0
LONGEST_POLL_SECONDS = 10.0
# Listing takes at most a fifth of the time, unless it takes very long.
REST_PER_LIST = 4.0
PENDING_PODS = {"labelSelector": PROFILE_LABEL, "fieldSelector": "spec.nodeName=,status.phase=Pending"}
# A pod that waits for its isolation no longer than this has nothing to tell.
PATIENCE_SECONDS = 5.0

Manifest = dict[str, Any]
LookUp = Callable[[str], Awaitable[None]]
PrepareRelease = Callable[[Manifest], Awaitable[str]]
logger = structlog.stdlib.get_logger(__name__)


class GateKeeper:
    """Lists the gated pods every few seconds.

    `prepare_release` readies a pod to leave the gate of isolation, which may mean writing its labels, and returns what
    still keeps it there, once `look_up` has fetched the state of its namespace: what a watch has told may be old, and
    without a gate there is nothing to make up for it.
    """

    def __init__(
        self,
        api: Api,
        caches: Caches,
        look_up: LookUp,
        prepare_release: PrepareRelease,
        recorder: EventRecorder,
        problems: ProblemLog,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._api = api
        self._caches = caches
        self._look_up = look_up
        self._prepare_release = prepare_release
        self._recorder = recorder
        self._problems = problems
        self._clock = clock
        self._claims = Claims(api, recorder)
        self._node_demands = NodeDemands(caches, recorder, clock)
        self._waiting_since: dict[str, float] = {}
        self._waits = True
        self._seen: tuple[int, ...] = ()
        self._pause = POLL_SECONDS
        # Not longer each time: it may be one pod that can't be released, and the others don't wait for it.
        backoff = Backoff(first=POLL_SECONDS, longest=POLL_SECONDS)
        self.controller = Controller("gates", self._reconcile, problems, backoff=backoff, clock=clock)
        self.controller.enqueue(WHOLE)

    async def _reconcile(self, _: str) -> Result:
        """Lists the pods, unless none waited for anything here the last time, and nothing has changed since."""
        caches = self._caches
        # What a pod asks of nodes can't change once it has no gate, and no gate can be added.
        revisions = caches.pods.revision, caches.nodes.revision, caches.runtime_classes.revision
        if self._waits or revisions != self._seen:
            self._waits = True
            self._waits = await self._release_pods()
            self._seen = revisions
            return After(self._pause)
        return After(POLL_SECONDS)

    async def _release_pods(self) -> bool:
        """Releases those that nothing holds any more; whether some wait for a gate, or for a node that is right."""
        gated, unsatisfied, began = [], [], self._clock.monotonic()
        async for pod in self._api.list_pages(PODS.list_path(), PENDING_PODS):
            if pod["spec"].get(GATES):
                gated.append(pod)
            elif self._node_demands.is_unsatisfied(pod):
                unsatisfied.append(pod["metadata"])
        took = self._clock.monotonic() - began
        self._pause = min(max(POLL_SECONDS, REST_PER_LIST * took), LONGEST_POLL_SECONDS)
        failure = await self._release_isolated([pod for pod in gated if get_gate(pod, ISOLATION_GATE) is not None])
        released = await self._claims.fetch_ready([pod for pod in gated if get_gate(pod, VOLUMES_GATE) is not None])
        lifted = await attempt_some(self._lift_gate(pod, VOLUMES_GATE) for pod in released)
        failure = failure or _get_failure(lifted)
        await self._node_demands.report(unsatisfied)
        if failure:
            raise failure
        return bool(gated or unsatisfied)

    async def _release_isolated(self, waiting: Sequence[Manifest]) -> BaseException | None:
        """What went wrong with one of them, if anything did."""
        uids = {pod["metadata"]["uid"] for pod in waiting}
        self._waiting_since = {uid: since for uid, since in self._waiting_since.items() if uid in uids}
        namespaces = sorted({pod["metadata"]["namespace"] for pod in waiting})
        looked_up = await attempt_some(map(self._look_up, namespaces))
        unknown = {name: failure for name, failure in zip(namespaces, looked_up, strict=True) if failure}

        async def release(pod: Manifest) -> None:
            if failure := unknown.get(pod["metadata"]["namespace"]):
                raise failure
            try:
                await self._release(pod)
            finally:
                self.controller.note_progress()

        return _get_failure(await attempt_some(map(release, waiting)))

    async def _release(self, pod: Manifest) -> None:
        try:
            obstacle = await self._prepare_release(pod) or await self._lift_gate(pod, ISOLATION_GATE)
        except (ApiError, ServerTrouble) as error:
            await self._record_event(pod["metadata"], f"Can't be released: {error}")
            raise
        if obstacle:
            await self._record_event(pod["metadata"], obstacle)

    async def _record_event(self, metadata: Manifest, obstacle: str) -> None:
        now = self._clock.monotonic()
        if now - self._waiting_since.setdefault(metadata["uid"], now) >= PATIENCE_SECONDS:
            about = refer_to_pod(metadata["namespace"], metadata["name"], metadata["uid"])
            reason = IsolationReason.WAITS_FOR_ISOLATION
            await self._recorder.record_state(about, EventType.WARNING, reason, obstacle)

    async def _lift_gate(self, pod: Manifest, name: str) -> str:
        """What refuses it for good; "" if nothing does."""
        metadata = pod["metadata"]
        place = f"/spec/{GATES}/{get_gate(pod, name)}"
        operations: list[Manifest] = [
            # Only this very pod, and only the gate where it was seen.
            {"op": "test", "path": "/metadata/uid", "value": metadata["uid"]},
            {"op": "test", "path": place, "value": {"name": name}},
            {"op": "remove", "path": place},
        ]
        try:
            await self._api.patch(PODS.path(metadata["name"], metadata["namespace"]), operations)
        except ApiError as error:
            if error.status in (404, 409, 422):  # gone, replaced, or changed meanwhile: seen again next time
                return ""
            WRITES.labels("pods", "failed").inc()
            self._problems.report(f"pod {metadata['namespace']}/{metadata['name']}", str(error))
            return f"Can't be released: {error}"
        WRITES.labels("pods", "ok").inc()
        # What is left of the list has moved up.
        pod["spec"][GATES] = [gate for gate in pod["spec"][GATES] if gate.get("name") != name]
        logger.debug("pod released", namespace=metadata["namespace"], pod=metadata["name"], gate=name)
        return ""


GATES = "schedulingGates"


def get_gate(pod: Mapping[str, Any], name: str) -> int | None:
    """The place of a gate among the pod's scheduling gates; None if it has no such gate."""
    gates = pod["spec"].get(GATES) or ()
    return next((index for index, gate in enumerate(gates) if gate.get("name") == name), None)


def _get_failure(results: Sequence[object]) -> BaseException | None:
    return next((each for each in results if isinstance(each, BaseException)), None)
