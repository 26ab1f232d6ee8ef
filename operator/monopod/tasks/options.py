"""The operator's options for ECS."""

from typing import Annotated

from pydantic import Field

from monopod.kube.options import MOST, Flag, Seconds, SharedOptions, Words
from monopod.tasks.rules.pod.file_systems import FILE_SYSTEM


class TaskOptions(SharedOptions):
    """ECS: clusters and tasks."""

    ecs: bool = False
    """Run ECS: namespaces of ECSClusters, and pods of ECSTasks. The admission policies must let the operator do that:
    leave out monopod-operator-no-tasks; and so must the ClusterRole monopod-ecs."""

    ecs_capacity_seconds: Annotated[Seconds, Field(ge=1, le=MOST)] = 600
    """How long an ECS task waits for a node before it is stopped as one for which capacity is unavailable."""

    ecs_file_system: Annotated[
        tuple[Annotated[str, Field(pattern=FILE_SYSTEM)], ...], Words, Flag("ID=SOURCE", default="none")
    ] = ()
    """What an EFS file system is here: an NFS export, as `fs-0abc=nfs.example.com:/exports/a`, or a persistent volume
    claim in the namespace of the task's cluster, as `fs-0abc=claim/NAME`."""

    ecs_metadata_url: Annotated[str, Field(pattern=r"^(https?://[^/?#]+)?$"), Flag("URL", default="none")] = ""
    """Where containers of ECS tasks reach the task metadata endpoint, as `http://NAME:PORT`; the name is looked up for
    each task. Without one they aren't told."""
