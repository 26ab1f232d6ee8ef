"""The status of an ECSTask: AWS's own members of a task, by AWS's names, and what Monopod must remember of it.

ARNs aren't in it: the AWS endpoint, which knows the account and the region, adds them.
"""

from typing import Annotated, Literal

from pydantic import Field

from monopod.api.ecs.parts import Document, Time
from monopod.api.parts import ATOMIC_LIST, Part

Word = Annotated[str, Field(max_length=64)]


class TaskPod(Part):
    """The task's pod."""

    uid: Annotated[str | None, Field(max_length=64)] = None
    """Its uid: a pod of the same name and another uid isn't the task's."""

    node: Annotated[str | None, Field(max_length=253)] = None
    """The node that it runs on."""


class TaskStorage(Part):
    """The task's ephemeral storage."""

    size_in_gi_b: Annotated[int, Field(alias="sizeInGiB", ge=0)]
    """Its size."""


class TaskLog(Part):
    """Where the log of a container is, by the names that AWS's tools ask for."""

    container: Annotated[str, Field(max_length=255)]
    """The container, by its name in the task definition."""

    group: Annotated[str, Field(max_length=512)]
    """The log group."""

    stream: Annotated[str, Field(max_length=512)]
    """The log stream."""


class ECSTaskStatus(Part):
    """What became of the task. Written by the operator only."""

    last_status: Word | None = None
    """How far the task is: PROVISIONING, PENDING, ACTIVATING, RUNNING, DEACTIVATING, STOPPING, DEPROVISIONING,
    STOPPED."""

    desired_status: Word | None = None
    """RUNNING, or STOPPED."""

    version: Annotated[int | None, Field(ge=0)] = None
    """How often the status has changed."""

    created_at: Time | None = None
    """When the task was made."""

    pull_started_at: Time | None = None
    """When the first image began to be pulled."""

    pull_stopped_at: Time | None = None
    """When the last image was there."""

    connectivity: Literal["CONNECTED", "DISCONNECTED"] | None = None
    """Whether the task is connected."""

    connectivity_at: Time | None = None
    """Since when."""

    started_at: Time | None = None
    """When the task came to RUNNING."""

    stopping_at: Time | None = None
    """When the task began to stop."""

    execution_stopped_at: Time | None = None
    """When its containers had ended."""

    stopped_at: Time | None = None
    """When the task came to STOPPED."""

    stop_code: Word | None = None
    """Why it stopped, as AWS's code."""

    stopped_reason: Annotated[str | None, Field(max_length=32768)] = None
    """Why it stopped, for people."""

    health_status: Literal["HEALTHY", "UNHEALTHY", "UNKNOWN"] | None = None
    """What the health checks of its essential containers say together."""

    cpu: Word | None = None
    """The task's CPU units."""

    memory: Word | None = None
    """The task's memory in MiB."""

    ephemeral_storage: TaskStorage | None = None
    """The task's ephemeral storage."""

    availability_zone: Annotated[str | None, Field(max_length=63)] = None
    """The zone of its node."""

    attachments: Annotated[list[Document] | None, Field(max_length=10, json_schema_extra=ATOMIC_LIST)] = None
    """Its network interface, as AWS's JSON."""

    containers: Annotated[list[Document] | None, Field(max_length=20, json_schema_extra=ATOMIC_LIST)] = None
    """Its containers, as AWS's JSON: image, status, exit code, reason, addresses."""

    logs: Annotated[list[TaskLog] | None, Field(max_length=20, json_schema_extra=ATOMIC_LIST)] = None
    """Where the logs of its containers are."""

    pod: TaskPod | None = None
    """The task's pod."""
