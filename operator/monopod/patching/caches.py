"""The caches that patching reads, of all that the operator watches (`monopod.manager.sources`)."""

from typing import Protocol

from monopod.kube.cache import Kind
from monopod.kube.objects.views import NodeView, RuntimeClassView
from monopod.pods.view import PodView
from monopod.selectors.publication import NamespaceView


class Caches(Protocol):
    """Copies of what the cluster has."""

    namespaces: Kind[NamespaceView]
    nodes: Kind[NodeView]
    pods: Kind[PodView]
    runtime_classes: Kind[RuntimeClassView]
