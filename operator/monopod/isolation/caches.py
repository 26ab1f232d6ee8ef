"""The caches that isolation reads, of all that the operator watches (`monopod.manager.sources`)."""

from typing import Any, Protocol

from monopod.gates import caches as gates_caches
from monopod.isolation.rules.changes import PolicyView
from monopod.kube.cache import Kind
from monopod.kube.objects.views import AccountView, Endpoints
from monopod.selectors.publication import NamespaceView


class Caches(gates_caches.Caches, Protocol):
    """Copies of what the cluster has."""

    accounts: Kind[AccountView]
    endpoints: Kind[Endpoints]
    group_policies: Kind[dict[str, Any]]
    groups: Kind[dict[str, Any]]
    namespaces: Kind[NamespaceView]
    network_policies: Kind[PolicyView]
    profiles: Kind[dict[str, Any]]
    has_group_policies: bool | None
