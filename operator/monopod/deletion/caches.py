"""The caches that deletions read, of all that the operator watches (`monopod.manager.sources`)."""

from typing import Any, Protocol

from monopod.kube.cache import Kind
from monopod.selectors.publication import NamespaceView
from monopod.workloads import caches as workloads_caches


class Caches(workloads_caches.Caches, Protocol):
    """Copies of what the cluster has."""

    profiles: Kind[dict[str, Any]]
    namespaces: Kind[NamespaceView]
