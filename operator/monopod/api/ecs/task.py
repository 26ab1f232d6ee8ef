"""The kind ECSTask: one task, what was asked and what became of it.

How a task's life goes is decided in `monopod.tasks.rules.lifecycle`, its pod in `monopod.tasks.rules.pod`.
"""

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from monopod.api.ecs.names import ECS_API_VERSION
from monopod.api.ecs.parts import Document, EcsName, Time, fixed
from monopod.api.ecs.task_definition import Revision
from monopod.api.ecs.task_status import ECSTaskStatus
from monopod.api.parts import ATOMIC_LIST, ATOMIC_MAP, Part
from monopod.api.profile_fields import Tags
from monopod.api.rules import Rule, for_kind

_RUN = "run another task"

StopCode = Literal[
    "TaskFailedToStart",
    "EssentialContainerExited",
    "UserInitiated",
    "ServiceSchedulerInitiated",
    "SpotInterruption",
    "TerminationNotice",
    "InfrastructureHealth",
]

Text = Annotated[str, Field(max_length=255)]

GroupName = Annotated[
    str,
    Field(max_length=255),
    # Commas are between the groups in the pod's annotation.
    Rule("!self.contains(',')", "a security group's name has no comma; write one group an item"),
]


class TaskDefinitionReference(Part):
    """A revision of a task definition."""

    family: EcsName
    """The family."""

    revision: Revision
    """The number of the revision."""


class TaskNetwork(Part):
    """Where the task is in the network, as RunTask's awsvpcConfiguration says."""

    subnets: Annotated[list[Text], Field(max_length=16, json_schema_extra=ATOMIC_LIST)] = Field(default_factory=list)
    """The subnets that were asked for."""

    zones: Annotated[list[Text], Field(max_length=16, json_schema_extra=ATOMIC_LIST)] = Field(default_factory=list)
    """The zones that they stand for; any zone if there are none."""

    security_groups: Annotated[list[GroupName], Field(max_length=5, json_schema_extra=ATOMIC_LIST)] = Field(
        default_factory=list
    )
    """Names of SecurityGroups; the profile's groups if there are none."""

    assign_public_ip: Literal["ENABLED", "DISABLED"] = "DISABLED"
    """What was asked for. Pods have the addresses that the cluster's network gives them."""


class TaskStop(Part):
    """That the task is to stop, and why."""

    code: StopCode = "UserInitiated"
    """AWS's code of the reason."""

    reason: Annotated[str, Field(max_length=1024)] = ""
    """The reason, for people."""

    at: Time | None = None
    """When it was asked for."""


class ECSTaskSpec(Part):
    """What was asked."""

    model_config = ConfigDict(
        json_schema_extra=for_kind(
            fixed("taskDefinition", _RUN),
            fixed("overrides", _RUN, optional=True),
            fixed("group", _RUN, optional=True),
            fixed("startedBy", _RUN, optional=True),
            fixed("launchType", _RUN),
            fixed("capacityProviderName", _RUN),
            fixed("platformVersion", _RUN),
            fixed("enableExecuteCommand", _RUN),
            fixed("network", _RUN, optional=True),
            fixed("requestHash", _RUN, optional=True),
            Rule(
                "!has(oldSelf.stop) || has(self.stop) && self.stop == oldSelf.stop",
                "stop can't be changed or taken back: a task that stops doesn't start again",
                "FieldValueForbidden",
                ".stop",
            ),
        )
    )

    task_definition: TaskDefinitionReference
    """What the task runs. Can't be changed."""

    overrides: Document | None = None
    """What differs from the task definition, as RunTask's overrides. Can't be changed."""

    group: Text | None = None
    """The task's group; `family:` and the family if it isn't given. Can't be changed."""

    started_by: Annotated[str | None, Field(max_length=128)] = None
    """Who or what started it, by its own account. Can't be changed."""

    launch_type: Literal["FARGATE", ""] = ""
    """FARGATE, or empty if a capacity provider was chosen. Can't be changed."""

    capacity_provider_name: Literal["FARGATE", "FARGATE_SPOT", ""] = ""
    """The capacity provider that was chosen, or empty. Can't be changed."""

    platform_version: Annotated[str, Field(max_length=32)] = "1.4.0"
    """Fargate's platform version. Can't be changed."""

    enable_execute_command: bool = False
    """Whether `aws ecs execute-command` may enter the task's containers. Can't be changed."""

    network: TaskNetwork | None = None
    """Where the task is in the network. Can't be changed."""

    tags: Annotated[Tags, Field(json_schema_extra=ATOMIC_MAP)] = Field(default_factory=dict)
    """Tags of the task; at most 50."""

    request_hash: Annotated[str | None, Field(max_length=128)] = None
    """By what a repetition of the request that ran the task is known. Can't be changed."""

    stop: TaskStop | None = None
    """Given once the task is to stop. Can't be changed or taken back."""


class ECSTask(Part):
    """An ECSTask is one task of ECS's: a pod in a sandbox of its own, and the record of what became of it.

    Its name is the task's id, and its pod's. `aws ecs run-task` makes such an object, and so may `kubectl`. A stopped
    task is kept for an hour. Deleting one stops it and discards the record.
    """

    model_config = ConfigDict(
        json_schema_extra=for_kind(
            Rule(
                "self.metadata.name.matches('^[0-9a-f]{32}$')",
                "a task's name is its id: 32 hexadecimal digits in lower case, as `openssl rand -hex 16` makes them",
                "FieldValueInvalid",
                ".metadata.name",
            )
        )
    )

    api_version: Annotated[str, Field(description="The API's group and version.")] = ECS_API_VERSION
    kind: Annotated[Literal["ECSTask"], Field(description="The kind.")] = "ECSTask"
    metadata: dict[str, Any] = Field(default_factory=dict)
    """The object's metadata; the name is the task's id, 32 hexadecimal digits."""

    spec: ECSTaskSpec
    """What was asked."""

    status: ECSTaskStatus | None = None
    """What became of the task. Written by the operator only."""
