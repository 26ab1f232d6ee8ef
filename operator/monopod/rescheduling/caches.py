"""The caches that rescheduling reads, of all that the operator watches (`monopod.manager.sources`)."""

from typing import Protocol

from monopod.kube.cache import Kind
from monopod.pods.view import PodView
from monopod.selectors.publication import NamespaceView
from monopod.workloads import caches as workloads_caches


class Caches(workloads_caches.Caches, Protocol):
    """Copies of what the cluster has."""

    namespaces: Kind[NamespaceView]
    pods: Kind[PodView]
