"""What the operator may write for tasks of ECS's: namespaces of clusters, pods of tasks, and one profile.

As in `restraint`, nothing here trusts the operator. That it may do any of it is the chart's value `ecs.enabled`:
without it `NO_TASKS` refuses what RBAC can't, because the operator needs the same verbs for dry runs.
"""

from monopod.api.ecs.names import (
    CLUSTER_LABEL,
    ECS_CAPABILITIES,
    ECS_GROUP,
    ECS_PROFILE,
    ECS_TASK_GATE,
    ECS_TASK_LABEL,
    NAMESPACE_PREFIX,
)
from monopod.cel.expressions import Validation, Variable, quote, quote_all

_POD_SECURITY = "pod-security.kubernetes.io/"


def _is_owned(kind: str, name: str) -> str:
    return f"""object.metadata.?ownerReferences.orValue([]).size() == 1 &&
      object.metadata.ownerReferences.all(owner, owner.kind == {quote(kind)} &&
        owner.apiVersion.startsWith({quote(ECS_GROUP + "/")}) && owner.name == {name})"""


def _is_of_cluster(namespace: str) -> str:
    """Whether a namespace is named and labelled as a cluster's."""
    label = f"{namespace}.metadata.?labels[?{quote(CLUSTER_LABEL)}].orValue('')"
    return f"{label} != '' && {namespace}.metadata.name == {quote(NAMESPACE_PREFIX)} + {label}"


IS_CLUSTERS = f"""({_is_of_cluster("object")} &&
      {_is_owned("ECSCluster", f"object.metadata.labels[{quote(CLUSTER_LABEL)}]")} &&
      !object.metadata.labels.exists(key, key.startsWith({quote(_POD_SECURITY)})))"""
"""Whether a namespace that is created is that of a cluster, and Pod Security holds in it as by default."""

IS_TASK = Variable(
    "isTask",
    "Whether a pod that is created is that of a task of ECS's: in a cluster's namespace, behind the gate that only the "
    "operator lifts, and without a token.",
    f"""
    request.operation == 'CREATE' &&
      {_is_of_cluster("namespaceObject")} &&
      object.metadata.?labels[?{quote(ECS_TASK_LABEL)}].orValue('') == object.metadata.?name.orValue('') &&
      {_is_owned("ECSTask", "object.metadata.name")} &&
      object.spec.?schedulingGates.orValue([]).exists(gate, gate.name == {quote(ECS_TASK_GATE)}) &&
      object.spec.?serviceAccountName.orValue('default') == 'default' &&
      !object.spec.?automountServiceAccountToken.orValue(true)
    """,
)

WAS_TASK = f"{quote(ECS_TASK_LABEL)} in variables.labelsBefore"
"""Whether a pod that is changed is a task's."""

ONLY_CLUSTERS_DELETED = Validation(
    "All else is somebody's.",
    f"request.operation != 'DELETE' ||\n  {_is_of_cluster('oldObject')}",
    f"Monopod's operator may delete only namespaces of ECSClusters, which have the label {CLUSTER_LABEL}.",
)

ONLY_ECS_PROFILE = Validation(
    "Any other profile is the administrator's, and so is what tasks may do beyond Fargate's.",
    f"""
    request.operation != 'CREATE' || object.metadata.name == {quote(ECS_PROFILE)} &&
      object.spec.selectors.all(selector, selector.namespace.startsWith({quote(NAMESPACE_PREFIX)}) &&
        {quote(ECS_TASK_LABEL)} in selector.?labels.orValue({{}})) &&
      object.spec.?allowedCapabilities.orValue([]).all(name, name in {quote_all(ECS_CAPABILITIES)}) &&
      object.spec.?allowedAnnotations.orValue([]).size() == 0 && object.spec.?seLinuxOptions.orValue('') != 'Allow' &&
      object.spec.?spot.?fallback.orValue('None') == 'None' &&
      object.spec.?spot.?interruptionsPerHour.orValue(0) == 0
    """,
    f"Monopod's operator may create no FargateProfile but {ECS_PROFILE}, for tasks of ECS's, where it is missing, and "
    f"one that allows nothing but {', '.join(ECS_CAPABILITIES)} and the choice of Spot.",
)

NO_TASKS = Validation(
    "The chart's value ecs.enabled leaves this policy out.",
    f"""
    request.?dryRun.orValue(false) || (request.resource.resource == 'pods' &&
      !({quote(ECS_TASK_LABEL)} in object.metadata.?labels.orValue({{}})))
    """,
    "Monopod's operator may create neither namespaces nor pods for tasks of ECS's on this cluster. Set the chart's "
    "value ecs.enabled to let it.",
)
