"""The caches that Spot's controllers read, of all that the operator watches (`monopod.manager.sources`)."""

from typing import Protocol

from monopod.kube.cache import Kind
from monopod.kube.objects.views import NodeView


class Caches(Protocol):
    """Copies of what the cluster has."""

    nodes: Kind[NodeView]
