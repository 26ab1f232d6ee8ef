"""Everything that the operator watches: a cache for each kind, and what is read of each object.

Capabilities don't know this: each names the caches that it needs (`caches.py` in its folder).
"""

from typing import Any

from monopod.api.names import (
    PATTERNS_CONFIGMAP,
    PROFILE_LABEL,
)
from monopod.isolation.policy_view import read_policy
from monopod.isolation.rules.changes import PolicyView
from monopod.kube.cache import Kind
from monopod.kube.client.api import Api, ApiError
from monopod.kube.objects.resources import (
    CONFIG_MAPS,
    ECS_CLUSTERS,
    ECS_TASKS,
    ENDPOINT_SLICES,
    GROUP_POLICIES,
    NAMESPACES,
    NETWORK_POLICIES,
    NODES,
    PODS,
    PROFILES,
    RUNTIME_CLASSES,
    SECURITY_GROUPS,
    SERVICE_ACCOUNTS,
)
from monopod.kube.objects.views import (
    AccountView,
    Endpoints,
    NodeView,
    RuntimeClassView,
    read_account,
    read_data,
    read_endpoints,
    read_node,
    read_runtime_class,
    read_whole,
)
from monopod.pods.view import PodView, read_pod
from monopod.selectors.publication import NamespaceView, read_namespace


class WatchedCaches:
    """Everything that the operator watches."""

    def __init__(self, system_namespace: str, *, has_ecs: bool = False) -> None:
        self.profiles: Kind[dict[str, Any]] = Kind(PROFILES, read_whole, metadata_only=False)
        self.namespaces: Kind[NamespaceView] = Kind(NAMESPACES, read_namespace)
        self.runtime_classes: Kind[RuntimeClassView] = Kind(RUNTIME_CLASSES, read_runtime_class, metadata_only=False)
        self.pods: Kind[PodView] = Kind(
            PODS,
            read_pod,
            query={"labelSelector": PROFILE_LABEL},
            indexes={
                "uid": lambda pod: (pod.uid,),
                "namespace": lambda pod: (pod.namespace,),
                "profile": lambda pod: (pod.profile,),
                "group": lambda pod: pod.groups,
                "groups": lambda pod: (pod.groups,),
                "set": lambda pod: ((pod.namespace, pod.profile, pod.groups),),
            },
        )
        self.network_policies: Kind[PolicyView] = Kind(
            NETWORK_POLICIES,
            read_policy,
            metadata_only=False,
            indexes={
                "kind": lambda policy: (policy.kind,),
                "owner": lambda policy: (policy.owner,) if policy.owner else (),
                "place": lambda policy: ((policy.namespace, policy.kind),),
            },
        )
        self.patterns: Kind[dict[str, str]] = Kind(
            CONFIG_MAPS,
            read_data,
            query={"fieldSelector": select_patterns(system_namespace)},
            metadata_only=False,
        )

        self.groups: Kind[dict[str, Any]] = Kind(SECURITY_GROUPS, read_whole, metadata_only=False)
        self.nodes: Kind[NodeView] = Kind(NODES, read_node, metadata_only=False)
        self.endpoints: Kind[Endpoints] = Kind(
            ENDPOINT_SLICES,
            read_endpoints,
            query={"fieldSelector": API_SERVER_SLICE},
            metadata_only=False,
        )
        self.group_policies: Kind[dict[str, Any]] = Kind(
            GROUP_POLICIES,
            read_whole,
            metadata_only=False,
            indexes={"namespace": lambda policy: (policy["metadata"]["namespace"],)},
        )
        self.accounts: Kind[AccountView] = Kind(
            SERVICE_ACCOUNTS,
            read_account,
            indexes={"namespace": lambda account: (account.namespace,)},
        )
        self.ecs_clusters: Kind[dict[str, Any]] = Kind(ECS_CLUSTERS, read_whole, metadata_only=False)
        self.ecs_tasks: Kind[dict[str, Any]] = Kind(ECS_TASKS, read_whole, metadata_only=False)
        self.has_ecs = has_ecs
        """Whether this installation runs ECS. Without it no one needs its kinds."""

        self.has_group_policies: bool | None = None
        """Whether the cluster has EKS's kind; None before that is known. Without it no one needs accounts."""

    def kinds(self) -> tuple[Kind[Any], ...]:
        """All kinds, the profiles first. Pods come after everything that is decided about them."""
        optional = (self.group_policies, self.accounts) if self.has_group_policies else ()
        ecs = (self.ecs_clusters, self.ecs_tasks) if self.has_ecs else ()
        return (
            self.profiles,
            self.namespaces,
            self.runtime_classes,
            self.patterns,
            self.groups,
            self.nodes,
            self.endpoints,
            *optional,
            *ecs,
            self.network_policies,
            self.pods,
        )

    async def load(self, api: Api) -> None:
        """The full lists that everything starts with."""
        self.has_group_policies = await self.fetch_group_policies(api)
        for kind in self.kinds():
            await kind.load(api)

    async def fetch_group_policies(self, api: Api) -> bool:
        """Whether the API server serves EKS's kind now."""
        try:
            served = await api.get(GROUP_POLICIES.group_path)
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return any(resource.get("name") == GROUP_POLICIES.plural for resource in served.get("resources") or ())

    def get_dead_watches(self) -> list[str]:
        """Kinds whose watch brings nothing any more."""
        return [kind.resource.plural for kind in self.kinds() if kind.is_dead]


API_SERVER_SLICE = "metadata.name=kubernetes,metadata.namespace=default"
"""The EndpointSlice that the API server itself writes, and restores; anybody else's may carry the same labels."""


def select_patterns(system_namespace: str) -> str:
    """The field selector of the one ConfigMap that is watched; RBAC allows a list by this name alone."""
    return f"metadata.name={PATTERNS_CONFIGMAP},metadata.namespace={system_namespace}"
