"""Every resource that Monopod reads or writes: where the API server has it. All paths of requests are built here.

It knows no client and sends nothing. A control-plane test holds the table to what a real API server serves.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from monopod.api.ecs.names import (
    ECS_CLUSTER_PLURAL,
    ECS_GROUP,
    ECS_TASK_DEFINITION_PLURAL,
    ECS_TASK_FAMILY_PLURAL,
    ECS_TASK_PLURAL,
    ECS_VERSION,
)
from monopod.api.names import (
    GROUP,
    GROUP_POLICY_GROUP,
    GROUP_POLICY_PLURAL,
    GROUP_POLICY_VERSION,
    PROFILE_PLURAL,
    SECURITY_GROUP_PLURAL,
    STORED_POD_PLURAL,
    VERSION,
)


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind, and how the API server serves it.

    Attributes:
        kind: as in manifests.
        group: the API group, "" for the core.
        version: the group's version.
        plural: the name in paths and in RBAC rules.
        namespaced: whether objects of it are in namespaces.
        subresources: those that are used here.
    """

    kind: str
    group: str
    version: str
    plural: str
    namespaced: bool = True
    subresources: tuple[str, ...] = ()

    @property
    def api_version(self) -> str:
        """As in manifests: `v1`, `apps/v1`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def group_path(self) -> str:
        """Where the API server tells what its group has in this version."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def list_path(self, namespace: str = "") -> str:
        """The collection: a namespace's, or without one all objects of the cluster.

        Raises:
            ValueError: a namespace for a kind that is in none.
        """
        if not namespace:
            return f"{self.group_path}/{self.plural}"
        if not self.namespaced:
            raise ValueError(f"A {self.kind} is in no namespace.")
        return f"{self.group_path}/namespaces/{_quote(namespace)}/{self.plural}"

    def path(self, name: str, namespace: str = "", subresource: str = "") -> str:
        """One object, or one of its subresources.

        Raises:
            ValueError: the name or the namespace is missing, or the table hasn't this subresource.
        """
        if not name or (self.namespaced and not namespace):
            raise ValueError(f"A {self.kind} needs a name{' and a namespace' if self.namespaced else ''}.")
        if subresource and subresource not in self.subresources:
            raise ValueError(f"A {self.kind} has no subresource {subresource}.")
        path = f"{self.list_path(namespace)}/{_quote(name)}"
        return f"{path}/{subresource}" if subresource else path


def _quote(name: str) -> str:
    # People type names: what isn't one must not lead to another path. Nor may dots, which clients resolve as folders.
    return quote(name, safe=":") if name.strip(".") else name.replace(".", "%2E")


CONFIG_MAPS: Final = Resource("ConfigMap", "", "v1", "configmaps")
EVENTS: Final = Resource("Event", "", "v1", "events")
NAMESPACES: Final = Resource("Namespace", "", "v1", "namespaces", namespaced=False)
NODES: Final = Resource("Node", "", "v1", "nodes", namespaced=False, subresources=("proxy",))
PERSISTENT_VOLUME_CLAIMS: Final = Resource("PersistentVolumeClaim", "", "v1", "persistentvolumeclaims")
PERSISTENT_VOLUMES: Final = Resource("PersistentVolume", "", "v1", "persistentvolumes", namespaced=False)
POD_TEMPLATES: Final = Resource("PodTemplate", "", "v1", "podtemplates")
PODS: Final = Resource("Pod", "", "v1", "pods", subresources=("eviction", "exec", "log"))
REPLICATION_CONTROLLERS: Final = Resource("ReplicationController", "", "v1", "replicationcontrollers")
RESOURCE_QUOTAS: Final = Resource("ResourceQuota", "", "v1", "resourcequotas")
SECRETS: Final = Resource("Secret", "", "v1", "secrets")
SERVICE_ACCOUNTS: Final = Resource("ServiceAccount", "", "v1", "serviceaccounts", subresources=("token",))

TOKEN_REVIEWS: Final = Resource("TokenReview", "authentication.k8s.io", "v1", "tokenreviews", namespaced=False)
SUBJECT_ACCESS_REVIEWS: Final = Resource(
    "SubjectAccessReview", "authorization.k8s.io", "v1", "subjectaccessreviews", namespaced=False
)
SELF_SUBJECT_ACCESS_REVIEWS: Final = Resource(
    "SelfSubjectAccessReview", "authorization.k8s.io", "v1", "selfsubjectaccessreviews", namespaced=False
)

DAEMON_SETS: Final = Resource("DaemonSet", "apps", "v1", "daemonsets")
DEPLOYMENTS: Final = Resource("Deployment", "apps", "v1", "deployments")
REPLICA_SETS: Final = Resource("ReplicaSet", "apps", "v1", "replicasets")
STATEFUL_SETS: Final = Resource("StatefulSet", "apps", "v1", "statefulsets")
AUTOSCALERS: Final = Resource("HorizontalPodAutoscaler", "autoscaling", "v2", "horizontalpodautoscalers")
JOBS: Final = Resource("Job", "batch", "v1", "jobs")
LEASES: Final = Resource("Lease", "coordination.k8s.io", "v1", "leases")
ENDPOINT_SLICES: Final = Resource("EndpointSlice", "discovery.k8s.io", "v1", "endpointslices")
NETWORK_POLICIES: Final = Resource("NetworkPolicy", "networking.k8s.io", "v1", "networkpolicies")
RUNTIME_CLASSES: Final = Resource("RuntimeClass", "node.k8s.io", "v1", "runtimeclasses", namespaced=False)
DISRUPTION_BUDGETS: Final = Resource("PodDisruptionBudget", "policy", "v1", "poddisruptionbudgets")
PRIORITY_CLASSES: Final = Resource("PriorityClass", "scheduling.k8s.io", "v1", "priorityclasses", namespaced=False)

_ADMISSION: Final = "admissionregistration.k8s.io"
MUTATING_POLICIES: Final = Resource(
    "MutatingAdmissionPolicy", _ADMISSION, "v1", "mutatingadmissionpolicies", namespaced=False
)
MUTATING_BINDINGS: Final = Resource(
    "MutatingAdmissionPolicyBinding", _ADMISSION, "v1", "mutatingadmissionpolicybindings", namespaced=False
)
VALIDATING_POLICIES: Final = Resource(
    "ValidatingAdmissionPolicy", _ADMISSION, "v1", "validatingadmissionpolicies", namespaced=False
)
VALIDATING_BINDINGS: Final = Resource(
    "ValidatingAdmissionPolicyBinding", _ADMISSION, "v1", "validatingadmissionpolicybindings", namespaced=False
)
ADMISSION_RESOURCES: Final = (MUTATING_POLICIES, MUTATING_BINDINGS, VALIDATING_POLICIES, VALIDATING_BINDINGS)

NODE_POOLS: Final = Resource("NodePool", "karpenter.sh", "v1", "nodepools", namespaced=False)
"""Karpenter's, where it is installed; so it isn't in `BY_KIND`."""
CAPACITY_BUFFERS: Final = Resource("CapacityBuffer", "autoscaling.x-k8s.io", "v1beta1", "capacitybuffers")
"""SIG Autoscaling's, where an autoscaler brought it; likewise."""

PROFILES: Final = Resource("FargateProfile", GROUP, VERSION, PROFILE_PLURAL, namespaced=False, subresources=("status",))
SECURITY_GROUPS: Final = Resource(
    "SecurityGroup", GROUP, VERSION, SECURITY_GROUP_PLURAL, namespaced=False, subresources=("status",)
)
STORED_PODS: Final = Resource("StoredPod", GROUP, VERSION, STORED_POD_PLURAL, subresources=("status",))
GROUP_POLICIES: Final = Resource("SecurityGroupPolicy", GROUP_POLICY_GROUP, GROUP_POLICY_VERSION, GROUP_POLICY_PLURAL)
ECS_CLUSTERS: Final = Resource(
    "ECSCluster", ECS_GROUP, ECS_VERSION, ECS_CLUSTER_PLURAL, namespaced=False, subresources=("status",)
)
ECS_TASK_FAMILIES: Final = Resource("ECSTaskFamily", ECS_GROUP, ECS_VERSION, ECS_TASK_FAMILY_PLURAL, namespaced=False)
ECS_TASK_DEFINITIONS: Final = Resource(
    "ECSTaskDefinition", ECS_GROUP, ECS_VERSION, ECS_TASK_DEFINITION_PLURAL, namespaced=False
)
ECS_TASKS: Final = Resource("ECSTask", ECS_GROUP, ECS_VERSION, ECS_TASK_PLURAL, subresources=("status",))

BY_KIND: Final[Mapping[str, Resource]] = {
    resource.kind: resource
    for resource in (
        CONFIG_MAPS,
        EVENTS,
        NAMESPACES,
        NODES,
        PERSISTENT_VOLUME_CLAIMS,
        PERSISTENT_VOLUMES,
        POD_TEMPLATES,
        PODS,
        REPLICATION_CONTROLLERS,
        RESOURCE_QUOTAS,
        SECRETS,
        SERVICE_ACCOUNTS,
        TOKEN_REVIEWS,
        SUBJECT_ACCESS_REVIEWS,
        SELF_SUBJECT_ACCESS_REVIEWS,
        DAEMON_SETS,
        DEPLOYMENTS,
        REPLICA_SETS,
        STATEFUL_SETS,
        AUTOSCALERS,
        JOBS,
        LEASES,
        ENDPOINT_SLICES,
        NETWORK_POLICIES,
        RUNTIME_CLASSES,
        DISRUPTION_BUDGETS,
        PRIORITY_CLASSES,
        *ADMISSION_RESOURCES,
        PROFILES,
        SECURITY_GROUPS,
        STORED_PODS,
        GROUP_POLICIES,
        ECS_CLUSTERS,
        ECS_TASK_FAMILIES,
        ECS_TASK_DEFINITIONS,
        ECS_TASKS,
    )
}
