"""Everything that a step of a task's life depends on, read once."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from monopod.api.ecs.names import NAMESPACE_PREFIX
from monopod.api.names import FARGATE_SPOT
from monopod.pods.rules.size import format_capacity
from monopod.tasks.rules.lifecycle.facts import NOTHING, ContainerFacts, PodFacts
from monopod.tasks.rules.lifecycle.failures import find_failures
from monopod.tasks.rules.lifecycle.members import (
    Member,
    Unrunnable,
    compute_effective,
    compute_members,
)
from monopod.tasks.rules.lifecycle.states import read_moment
from monopod.tasks.rules.sizes import read_size
from monopod.tasks.rules.view import View

Json = dict[str, Any]

LOST_AFTER: Final = datetime.timedelta(minutes=5)
"""How long after a pod should have been gone its node is taken for lost."""

DEFAULT_PATIENCE: Final = datetime.timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a step has to know besides the task, its definition and its pod.

    Attributes:
        since: since when this operator has known the task; the time before doesn't count as waiting.
        patience: how long a task waits for a node, or for its pod to be taken.
        refusal: why the API server doesn't take the pod; "" if it does, or hasn't been asked.
        is_refused: whether it wouldn't take it another time either.
        zone: of the pod's node.
    """

    since: datetime.datetime | None = None
    patience: datetime.timedelta = DEFAULT_PATIENCE
    refusal: str = ""
    is_refused: bool = False
    zone: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The task and everything that a step of its life depends on.

    Attributes:
        pod: the task's pod, existing or gone; None if there is none, or it is another's.
        foreign: whether another's pod has the task's name.
        problem: why the task can't run by its definition; "" if it can.
        failures: by the container's name, why it won't start.
    """

    task: Mapping[str, Any]
    status: Json
    effective: Json | None
    problem: str
    members: tuple[Member, ...]
    pod: PodFacts | None
    foreign: bool
    now: datetime.datetime
    around: Surroundings
    failures: Mapping[str, str] = field(default_factory=dict)

    @property
    def spec(self) -> Mapping[str, Any]:
        """What was asked."""
        spec: Mapping[str, Any] = self.task.get("spec") or {}
        return spec

    @property
    def recorded(self) -> str:
        """The uid of the pod that the record names; "" before it does."""
        return str((self.status.get("pod") or {}).get("uid") or "")

    @property
    def is_recorded(self) -> bool:
        """Whether the pod is the one that the record names."""
        return self.pod is not None and self.pod.uid == self.recorded

    @property
    def is_loose(self) -> bool:
        """Whether the pod is without its gate though no record names it: it isn't the operator that let it out."""
        return self.pod is not None and not self.recorded and not self.pod.is_gated

    @property
    def is_over(self) -> bool:
        """Whether nothing of the task runs any more, or ever will."""
        if self.pod is None:
            return True
        return self.pod.is_gone or self.pod.is_terminal or self.is_lost

    @property
    def is_lost(self) -> bool:
        """Whether the pod's node has let pass all the time in which it should have ended the pod."""
        gone_by = self.gone_by
        return gone_by is not None and self.now >= gone_by

    @property
    def gone_by(self) -> datetime.datetime | None:
        """When a pod that is being deleted is given up; its deletionTimestamp is when it should have ended."""
        return self.pod.deletion + LOST_AFTER if self.pod and self.pod.deletion else None

    @property
    def has_its_provider(self) -> bool:
        """Whether the pod runs on the capacity provider that the task names; one without a name runs on any."""
        provider = self.spec.get("capacityProviderName")
        return not provider or bool(self.pod and self.pod.is_on_spot == (provider == FARGATE_SPOT))

    @property
    def is_acceptable(self) -> bool:
        """Whether the pod is what was asked for: in its sandbox, of the task's size, on the task's provider."""
        return self.is_of_its_size and self.has_its_provider

    @property
    def is_of_its_size(self) -> bool:
        """Whether the pod is in its sandbox, of the task's size."""
        size = read_size(View(self.effective or {}))
        row = size.row if size else None
        return bool(self.pod and self.pod.is_sandboxed and row and self.pod.capacity == format_capacity(row))

    @property
    def patience_ends(self) -> datetime.datetime:
        """Until when the task waits for what isn't in its hands."""
        created = read_moment(self.status.get("createdAt")) or self.now
        return max(created, self.around.since or created) + self.around.patience

    def facts(self, member: Member) -> ContainerFacts:
        """A container's state."""
        return self.pod.containers.get(member.in_pod, NOTHING) if self.pod else NOTHING

    def list_members(self) -> Sequence[tuple[Member, ContainerFacts]]:
        """All containers, each with its state."""
        return [(member, self.facts(member)) for member in self.members]


def build_snapshot(
    task: Mapping[str, Any],
    definition: Mapping[str, Any] | None,
    pod: PodFacts | None,
    now: datetime.datetime,
    around: Surroundings,
) -> Snapshot:
    """Reads what a step depends on."""
    status: Json = dict(task.get("status") or {})
    effective, problem = _read_definition(task, definition, is_begun=bool((status.get("pod") or {}).get("uid")))
    members = compute_members(effective) if effective else ()
    own = pod if pod and (task.get("metadata") or {}).get("uid") in pod.owners and _may_be(pod, status) else None
    began = read_moment(status.get("pullStartedAt"))
    failures = find_failures(members, own.containers, began, now) if own else {}
    foreign = pod is not None and own is None and not pod.is_gone
    return Snapshot(task, status, effective, problem, members, own, foreign, now, around, failures)


def _may_be(pod: PodFacts, status: Mapping[str, Any]) -> bool:
    """Whether the pod may be the task's: the one that the record names, or, before it names any, one that exists."""
    recorded = (status.get("pod") or {}).get("uid")
    return pod.uid == recorded if recorded else not pod.is_gone


def _read_definition(
    task: Mapping[str, Any], definition: Mapping[str, Any] | None, *, is_begun: bool
) -> tuple[Json | None, str]:
    """What the task runs by, and what is against it; a task that has its pod isn't judged any more."""
    namespace = str((task.get("metadata") or {}).get("namespace") or "")
    if not is_begun and not namespace.startswith(NAMESPACE_PREFIX):
        return None, "ClusterNotFoundException: Cluster not found. Tasks are run in namespaces of ECSClusters."
    if definition is None:
        return None, "" if is_begun else "ClientException: Unable to describe task definition."
    try:
        return compute_effective(task, definition, is_judged=not is_begun), ""
    except Unrunnable as problem:
        return None, str(problem)
