"""The caches that the capacity's controller reads, of all that the operator watches (`monopod.manager.sources`)."""

from typing import Any, Protocol

from monopod.kube.cache import Kind
from monopod.kube.objects.views import NodeView
from monopod.pods.view import PodView


class Caches(Protocol):
    """Copies of what the cluster has."""

    profiles: Kind[dict[str, Any]]
    nodes: Kind[NodeView]
    pods: Kind[PodView]
