"""Says by an event, in AWS's words, of pods of profiles that none of their sandbox's nodes is what they ask for.

    pending, without a gate ──► its RuntimeClass has nodes, and none of them is what the pod asks for?
                                  └── yes, for some seconds: event FailedScheduling, once

Where the RuntimeClass has no node at all, the pod's own words aren't what is wrong: nodes may be on their way.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from monopod.api.names import PROFILE_LABEL
from monopod.api.reasons import EventType, PodReason
from monopod.gates.caches import Caches
from monopod.kube.clock import Clock
from monopod.kube.event_recorder import EventRecorder, refer_to_pod
from monopod.pods.rules.node_demand import UNSATISFIED, NodeDemand, read_demand

# A node with the labels may be on its way.
PATIENCE_SECONDS = 5.0

Manifest = dict[str, Any]


class NodeDemands:
    """Remembers what it found of each demand while neither nodes nor RuntimeClasses change: replicas have the same."""

    def __init__(self, caches: Caches, recorder: EventRecorder, clock: Clock) -> None:
        self._caches = caches
        self._recorder = recorder
        self._clock = clock
        self._since: dict[str, float] = {}
        self._known: dict[tuple[NodeDemand, str], bool] = {}
        self._revisions = (-1, -1)

    def is_unsatisfied(self, pod: Mapping[str, Any]) -> bool:
        """Whether the pod's RuntimeClass has nodes, and none of them is what the pod asks for."""
        revisions = self._caches.nodes.revision, self._caches.runtime_classes.revision
        if revisions != self._revisions:
            self._known, self._revisions = {}, revisions
        key = read_demand(pod), pod["spec"].get("runtimeClassName") or ""
        if key not in self._known:
            self._known[key] = self._look(*key)
        return self._known[key]

    def _look(self, demand: NodeDemand, class_name: str) -> bool:
        runtime_class = self._caches.runtime_classes.find("", class_name)
        wanted = runtime_class.node_selector if runtime_class else frozenset[tuple[str, str]]()
        nodes = [node for node in self._caches.nodes.views() if wanted <= node.labels.items()]
        return bool(nodes) and not any(demand.matches(node.name, node.labels) for node in nodes)

    async def report(self, pods: Sequence[Manifest]) -> None:
        """Says so of all pods of which it is so, by their metadata.

        Raises:
            ApiUnreachable: no answer.
        """
        now = self._clock.monotonic()
        self._since = {each["uid"]: self._since.get(each["uid"], now) for each in pods}
        for each in pods:
            if now - self._since[each["uid"]] >= PATIENCE_SECONDS:
                about = refer_to_pod(each["namespace"], each["name"], each["uid"])
                text = UNSATISFIED.format(each["labels"][PROFILE_LABEL])
                await self._recorder.record_state(about, EventType.WARNING, PodReason.FAILED_SCHEDULING, text)
