"""The caches that the gates' controllers read, of all that the operator watches (`monopod.manager.sources`)."""

from typing import Protocol

from monopod.kube.cache import Kind
from monopod.kube.objects.views import NodeView, RuntimeClassView
from monopod.pods.view import PodView


class Caches(Protocol):
    """Copies of what the cluster has."""

    pods: Kind[PodView]
    nodes: Kind[NodeView]
    runtime_classes: Kind[RuntimeClassView]
