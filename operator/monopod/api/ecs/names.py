"""Every name of ECS's kinds and of what is written on other objects for them."""

from typing import Final

ECS_GROUP: Final = "ecs.monopod.dev"
ECS_VERSION: Final = "v1beta1"
ECS_API_VERSION: Final = f"{ECS_GROUP}/{ECS_VERSION}"

ECS_CLUSTER_PLURAL: Final = "ecsclusters"
ECS_TASK_FAMILY_PLURAL: Final = "ecstaskfamilies"
ECS_TASK_DEFINITION_PLURAL: Final = "ecstaskdefinitions"
ECS_TASK_PLURAL: Final = "ecstasks"

NAMESPACE_PREFIX: Final = "ecs-"
"""A cluster's namespace is this and the cluster object's name."""

ECS_PROFILE: Final = "ecs"
"""The FargateProfile of all tasks. The operator makes it where it is missing."""

ECS_CAPABILITIES: Final = ("SYS_PTRACE",)
"""What Fargate lets a container of a task add to its capabilities, and the profile of all tasks allows."""

LONGEST_CLUSTER_NAME: Final = 63 - len(NAMESPACE_PREFIX)

CLUSTER_LABEL: Final = f"{ECS_GROUP}/cluster"
"""On a cluster's namespace: the name of the ECSCluster whose it is. Written by the operator."""

ECS_TASK_LABEL: Final = f"{ECS_GROUP}/task"
"""On a task's pod: the task's id, which is the pod's name, too."""

FAMILY_LABEL: Final = f"{ECS_GROUP}/family"
"""On a task definition and on what runs by it: the name of the ECSTaskFamily."""

FAMILY_ANNOTATION: Final = f"{ECS_GROUP}/family"
"""On a task definition whose family has a name that Kubernetes doesn't take: that name."""

ECS_TASK_GATE: Final = f"{ECS_GROUP}/task"
"""The scheduling gate of a task's pod: it waits until the pod was seen in its sandbox and the task's record names it.
Only the operator removes it, so no other pod of the task ever starts."""

MANAGED_TAGS_ANNOTATION: Final = f"{ECS_GROUP}/managed-tags"
"""On a task that was run with enableECSManagedTags: "true". Which tags these are follows from where the task is."""

METADATA_LABEL: Final = f"{ECS_GROUP}/metadata"
"""On the pods of the AWS endpoint that tasks may ask about themselves. Written by the chart."""
