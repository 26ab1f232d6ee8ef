"""The kind ECSCluster: a place for tasks, which is a namespace of its own.

How it comes and goes is decided in `monopod.tasks.rules.lifecycle.cluster`.
"""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from monopod.api.ecs.names import ECS_API_VERSION, LONGEST_CLUSTER_NAME
from monopod.api.ecs.parts import EcsName, Time, fixed
from monopod.api.parts import ATOMIC_LIST, ATOMIC_MAP, Part
from monopod.api.profile_fields import Tags
from monopod.api.rules import Rule, for_kind

CapacityProvider = Literal["FARGATE", "FARGATE_SPOT"]

MAX_STRATEGY = 20


class StrategyItem(Part):
    """How much of what is run goes to a capacity provider."""

    capacity_provider: CapacityProvider
    """The capacity provider."""

    weight: Annotated[int, Field(ge=0, le=1000)] = 0
    """Its share of what is beyond the base, relative to the other weights."""

    base: Annotated[int, Field(ge=0, le=100_000)] = 0
    """How many tasks it gets at least, before weights count."""


class ECSClusterSpec(Part):
    """What the cluster is."""

    model_config = ConfigDict(
        json_schema_extra=for_kind(fixed("name", "create another cluster", optional=True)),
    )

    name: EcsName | None = None
    """The cluster's name on ECS, where it isn't the object's: with upper case, underscores, or more than 59 characters.
    Can't be changed."""

    active: bool = True
    """Whether tasks can be run. Of a cluster that isn't active any more the namespace is deleted once its last task has
    gone, and the cluster an hour later."""

    capacity_providers: Annotated[list[CapacityProvider], Field(max_length=2, json_schema_extra=ATOMIC_LIST)] = Field(
        default_factory=list
    )
    """The capacity providers that a strategy may name."""

    default_capacity_provider_strategy: Annotated[
        list[StrategyItem], Field(max_length=MAX_STRATEGY, json_schema_extra=ATOMIC_LIST)
    ] = Field(default_factory=list)
    """What is used for a task that says neither a launch type nor a strategy; FARGATE if there is nothing."""

    tags: Annotated[Tags, Field(json_schema_extra=ATOMIC_MAP)] = Field(default_factory=dict)
    """Tags of the cluster itself; at most 50."""


class ECSClusterStatus(Part):
    """What Monopod observed. Written by the operator only."""

    phase: Literal["PROVISIONING", "ACTIVE", "INACTIVE", "FAILED"] | None = None
    """PROVISIONING: its namespace is being made. ACTIVE: tasks can be run. INACTIVE: it was deleted on ECS. FAILED: see
    message."""

    since: Time | None = None
    """When the phase began."""

    namespace: Annotated[str | None, Field(max_length=63)] = None
    """The namespace of its tasks."""

    message: Annotated[str | None, Field(max_length=32768)] = None
    """What is wrong, and what to do."""


class ECSCluster(Part):
    """An ECSCluster is a cluster of ECS's: a namespace of its own, `ecs-` and its name, in which tasks run.

    Each task is a pod in a sandbox of its own. `aws ecs create-cluster` makes such an object, and so may `kubectl`.
    """

    model_config = ConfigDict(
        json_schema_extra=for_kind(
            Rule(
                f"self.metadata.name.size() <= {LONGEST_CLUSTER_NAME} && !self.metadata.name.contains('.')",
                f"a cluster's name has at most {LONGEST_CLUSTER_NAME} characters and no dots, because it becomes part "
                "of its namespace's; spec.name may be any name of ECS's",
                "FieldValueInvalid",
                ".metadata.name",
            )
        )
    )

    api_version: Annotated[str, Field(description="The API's group and version.")] = ECS_API_VERSION
    kind: Annotated[Literal["ECSCluster"], Field(description="The kind.")] = "ECSCluster"
    metadata: dict[str, Any] = Field(default_factory=dict)
    """The object's metadata; the name is at most 59 characters, without dots."""

    spec: Annotated[ECSClusterSpec, Field(json_schema_extra={"default": {}})]
    """What the cluster is."""

    status: ECSClusterStatus | None = None
    """What Monopod observed. Written by the operator only."""
