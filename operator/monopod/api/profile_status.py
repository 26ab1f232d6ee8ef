"""What a FargateProfile's status says, and what the operator remembers in it.

What an operator that has just started must know of the one before it has a field of its own here, so that nothing has
to be inferred from the reason or the time of a condition. The docstrings are the CRD's descriptions, as everywhere in
this package.
"""

from typing import Annotated, Literal

from pydantic import Field, WithJsonSchema

from monopod.api.parts import ATOMIC_LIST, Condition, Part
from monopod.api.profile_parts.patching import ProfilePatching
from monopod.api.profile_parts.spot import SpotDrill
from monopod.api.profile_parts.warm_images import ProfileWarmImages

Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Amount = Annotated[str, Field(max_length=32, pattern=r"^[0-9]+(\.[0-9]+)?$")]


class HealthIssue(Part):
    """Something that keeps the profile from working."""

    code: str
    """The kind of issue, as one CamelCase word."""

    message: str
    """What is wrong, and what to do."""

    resource_ids: Annotated[list[str], Field(json_schema_extra=ATOMIC_LIST)] = Field(default_factory=list)
    """The objects that the issue is about, such as `RuntimeClass/kata`."""


class Health(Part):
    """What keeps the profile from working, if anything does."""

    issues: Annotated[list[HealthIssue], Field(json_schema_extra=ATOMIC_LIST)] = Field(default_factory=list)
    """Empty when the profile is healthy."""


class Deletion(Part):
    """Progress of the profile's deletion, which begins when no other profile is being deleted."""

    started_at: Time
    """When the operator began to evict the profile's pods."""

    pods: Annotated[int, Field(ge=0)]
    """How many pods there were to evict."""

    progressed_at: Time | None = None
    """When one of them last went; absent as long as none has."""


class DryRunResult(Part):
    """What the last dry run of a pod of the profile said. It holds until the next one says something, also for an
    operator that has just started.
    """

    result: Literal["Sandboxed", "NotSandboxed", "Refused", "Impossible"]
    """Sandboxed: the pod came back as the profile says. NotSandboxed: it didn't. Refused: the API server refused it.
    Impossible: no valid pod can match."""

    message: str
    """The same for a person."""

    observed_generation: Annotated[int, Field(ge=0)]
    """The metadata.generation of the profile that it is about; it says nothing about another one."""


class Blocker(Part):
    """Why some pods aren't moved."""

    reason: str
    """The reason, as one CamelCase word."""

    message: str
    """The same for a person, with what to do where something is to be done."""

    pods: Annotated[int, Field(ge=0)]
    """The number of pods concerned."""

    examples: Annotated[list[str], Field(json_schema_extra=ATOMIC_LIST)] = Field(default_factory=list)
    """Some of them, as NAMESPACE/NAME."""


class Rescheduling(Part):
    """Progress of moving the pods that existed before the profile. pods = moved + waiting + blocked + left."""

    started_at: Time
    """When this round began: when there were pods to move, and none before."""

    ended_at: Time | None = None
    """When it ended: no pod waited or was blocked any more. If pods have to move again soon after, it goes on, and this
    is absent."""

    progress: str
    """`moved/pods`, for tables."""

    pods: Annotated[int, Field(ge=0)]
    """The number of pods in this round."""

    moved: Annotated[int, Field(ge=0)]
    """How many of them no longer run outside the sandbox."""

    waiting: Annotated[int, Field(ge=0)]
    """How many will be moved in turn, or are being replaced."""

    blocked: Annotated[int, Field(ge=0)]
    """How many can't be moved now; `blockers` says why."""

    left: Annotated[int, Field(ge=0)]
    """How many are left where they are, because the profile says so."""

    blockers: Annotated[list[Blocker], Field(json_schema_extra=ATOMIC_LIST)] = Field(default_factory=list)
    """Why pods are blocked or left."""


class ProfileUsage(Part):
    """What the profile's pods cost, as the ledger computes it; refreshed every few minutes where that changes."""

    cost_per_hour: Amount
    """What the pods that run cost in an hour, rounded to the hundredth of a cent."""

    cost_this_month: Amount
    """What the profile's pods have cost since the month began (UTC), rounded likewise."""

    currency: Annotated[str, Field(max_length=8)]
    """The currency of both, as the ledger's price book has it."""

    observed_at: Time
    """When the ledger was last asked and both were this."""


class WarmCapacity(Part):
    """The room that is kept warm for the profile's next pods."""

    wanted: Annotated[int, Field(ge=0)]
    """For how many pods there should be room, by the spec."""

    ready: Annotated[int, Field(ge=0)]
    """For how many there is, on nodes that are Ready and on which the sandbox is installed."""


class ProfileCapacity(Part):
    """The room for the profile's pods; the condition CapacityAvailable says whether it lacks any, and why."""

    provider: Literal["Auto", "Karpenter", "ClusterAutoscaler", "None"]
    """What makes nodes for the profile's pods: as the spec says, or as it was found."""

    nodes: Annotated[int, Field(ge=0)]
    """How many nodes take the profile's pods, full or not."""

    pending_pods: Annotated[int, Field(ge=0)]
    """How many of the profile's pods wait for room on a node."""

    warm: WarmCapacity | None = None
    """The room that is kept warm; absent where the spec asks for none."""


class FargateProfileStatus(Part):
    """What Monopod observed. Written by the operator only."""

    phase: Literal["CREATING", "ACTIVE", "CREATE_FAILED", "DELETING", "DELETE_FAILED"] | None = None
    """Where the profile is in its life, in EKS's words. ACTIVE means observed: a pod, created as a dry run, came back
    from the API server sandboxed."""

    selectors: str | None = None
    """The selectors as one readable line, for tables: `prod-*{tier=web}`."""

    runtime_class_name: str | None = None
    """The RuntimeClass of the sandbox that each pod runs in: the spec's, the one that Monopod was installed with, or
    the one that it found, which stays while it exists, whatever is installed later."""

    pods: Annotated[int | None, Field(ge=0)] = None
    """How many pods of the profile exist."""

    observed_generation: Annotated[int | None, Field(ge=0)] = None
    """The metadata.generation of the profile that this status is about."""

    conditions: Annotated[
        list[Condition],
        Field(json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}),
    ] = Field(default_factory=list)
    """The profile's state, aspect by aspect, with reasons."""

    published: bool | None = None
    """Whether the profile's compiled selectors have been published on namespaces. From then on they stay: the profile
    waits neither for another's deletion, nor for the quota, nor for capacity."""

    dry_run: DryRunResult | None = None
    """What the last dry run of a pod said; absent while there is none to make."""

    enforced_since: Time | None = None
    """Since when every matching pod is sandboxed when it is created, as far as is known; absent while the profile isn't
    Ready. Pods that were created since, and run elsewhere, stop the rescheduling of their workload."""

    health: Health | None = None
    """Issues that keep the profile from working, as EKS reports them."""

    deletion: Deletion | None = None
    """Present while the profile's pods are evicted because it is being deleted."""

    rescheduling: Rescheduling | None = None
    """Present once there were pods to move."""

    patching: ProfilePatching | None = None
    """Present once there were sandboxes to replace."""

    capacity: ProfileCapacity | None = None
    """The room for the profile's pods; absent until it has been looked at, and while the profile is being deleted."""

    warm_images: ProfileWarmImages | None = None
    """The images that are on nodes before pods come; absent where the spec names none, until they have been looked at,
    and while the profile is being deleted."""

    spot_drill: SpotDrill | None = None
    """The last interruption of the drill that the spec asks for; absent while it asks for none, or none was."""

    usage: ProfileUsage | None = None
    """What the profile's pods cost; absent without a ledger, once the ledger hasn't answered for an hour, and while the
    profile is being deleted."""
