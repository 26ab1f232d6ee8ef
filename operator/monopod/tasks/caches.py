"""The caches that tasks are worked on by, of all that the operator watches (`monopod.manager.sources`)."""

from typing import Any, Protocol

from monopod.kube.cache import Kind
from monopod.kube.objects.views import NodeView


class Caches(Protocol):
    """Copies of what the cluster has."""

    ecs_tasks: Kind[dict[str, Any]]
    ecs_clusters: Kind[dict[str, Any]]
    nodes: Kind[NodeView]
    network_policies: Kind[Any]


class ClusterCaches(Protocol):
    """Copies of what clusters are made from."""

    ecs_clusters: Kind[dict[str, Any]]
    namespaces: Kind[Any]
    profiles: Kind[dict[str, Any]]
