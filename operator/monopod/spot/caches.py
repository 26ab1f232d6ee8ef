"""The caches that Spot's controllers read, of all that the operator watches (`monopod.manager.sources`)."""

from typing import Any, Protocol

from monopod.kube.cache import Kind
from monopod.kube.objects.views import NodeView
from monopod.pods.view import PodView
from monopod.selectors.publication import NamespaceView


class Caches(Protocol):
    """Copies of what the cluster has, for whoever tells of interruptions."""

    profiles: Kind[dict[str, Any]]
    nodes: Kind[NodeView]


class FallbackCaches(Protocol):
    """The same, for whoever has workloads run on demand."""

    profiles: Kind[dict[str, Any]]
    namespaces: Kind[NamespaceView]
    pods: Kind[PodView]


class DrillCaches(Protocol):
    """The same, for whoever runs drills."""

    profiles: Kind[dict[str, Any]]
    namespaces: Kind[NamespaceView]
    pods: Kind[PodView]
