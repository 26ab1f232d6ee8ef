"""What is known of a profile's capacity: its sandbox's nodes, NodePools, and its pods that wait for room."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from monopod.api.names import TOPOLOGY_ZONE
from monopod.capacity.rules.pool import Pool
from monopod.capacity.rules.sandbox import Sandbox, Taint
from monopod.capacity.rules.settings import CapacitySettings
from monopod.kube.objects.fields import Part
from monopod.kube.objects.timestamps import read_time
from monopod.kube.objects.views import NodeView
from monopod.pods.rules.node_demand import measure_requests

_ROOM: Final = ("Insufficient ", "Too many pods")
"""What the scheduler's message holds where a node would do, if it were empty."""


@dataclass(frozen=True, slots=True)
class WaitingPod:
    """A pod that the scheduler finds no node for.

    Attributes:
        since: since when.
        message: the scheduler's.
        cpu_millis: what it needs, its sandbox's overhead included.
        memory_mib: the same.
    """

    namespace: str
    name: str
    uid: str
    profile: str
    since: datetime.datetime
    message: str
    cpu_millis: int
    memory_mib: int

    @property
    def lacks_room(self) -> bool:
        """Whether there are nodes that could take it, but for what runs there already."""
        return any(words in self.message for words in _ROOM)


def read_waiting(pod: Mapping[str, Any], profile: str) -> WaitingPod | None:
    """A pod that is Unschedulable; None for any other. One that waits behind a gate makes no autoscaler do anything."""
    root = Part(pod)
    for condition in root.child("status").children("conditions"):
        unschedulable = condition.text("type") == "PodScheduled" and condition.text("reason") == "Unschedulable"
        since = read_time(condition.text("lastTransitionTime"))
        if unschedulable and condition.text("status") == "False" and since:
            metadata = root.child("metadata")
            return WaitingPod(
                metadata.text("namespace"),
                metadata.text("name"),
                metadata.text("uid"),
                profile,
                since,
                condition.text("message"),
                *measure_requests(pod),
            )
    return None


@dataclass(frozen=True, slots=True)
class Nodes:
    """The nodes that a RuntimeClass selects, in a profile's zones.

    Attributes:
        usable: how many take its pods.
        starting: those that don't yet, each with its startup taint and when it was created.
    """

    usable: int = 0
    starting: tuple[tuple[str, Taint, datetime.datetime | None], ...] = ()


def find_nodes(nodes: Sequence[NodeView], sandbox: Sandbox, zones: Sequence[str], startup: Sequence[str]) -> Nodes:
    """The nodes for a RuntimeClass's pods.

    Args:
        nodes: all of the cluster.
        sandbox: the RuntimeClass.
        zones: those that the profile's pods may run in; none: any.
        startup: keys of taints that are removed once a node is ready for the pods.
    """
    usable, starting = 0, []
    for node in nodes:
        chosen = sandbox.node_selector.items() <= node.labels.items()
        if not chosen or (zones and node.labels.get(TOPOLOGY_ZONE) not in zones):
            continue
        taints = [Taint(*taint) for taint in node.taints]
        kept_out = [taint for taint in taints if not any(each.tolerates(taint) for each in sandbox.tolerations)]
        if not kept_out:
            usable += 1
        elif first := next((taint for taint in kept_out if taint.key in startup), None):
            starting.append((node.name, first, read_time(node.created)))
    return Nodes(usable, tuple(starting))


@dataclass(frozen=True, slots=True)
class Situation:
    """All that is known for one profile.

    Attributes:
        sandbox: its RuntimeClass; None if it doesn't exist.
        pools: the cluster's NodePools; None where the API server doesn't serve them.
        waiting: its pods that find no node.
    """

    profile: str
    settings: CapacitySettings
    zones: tuple[str, ...]
    sandbox: Sandbox | None
    nodes: Nodes
    pools: tuple[Pool, ...] | None
    waiting: tuple[WaitingPod, ...]
    now: datetime.datetime

    @property
    def waiting_for_room(self) -> tuple[WaitingPod, ...]:
        """The pods that a new node would help; where others wait, nodes aren't what is missing."""
        return tuple(pod for pod in self.waiting if not self.nodes.usable or pod.lacks_room)
