"""The product's table of resources, and the kinds that only tests handle."""

from collections.abc import Mapping
from typing import Final

from monopod.kube.objects.resources import BY_KIND, Resource

_RBAC = "rbac.authorization.k8s.io"

RESOURCES: Final[Mapping[str, Resource]] = dict(BY_KIND) | {
    resource.kind: resource
    for resource in (
        Resource("LimitRange", "", "v1", "limitranges"),
        Resource("ClusterRole", _RBAC, "v1", "clusterroles", namespaced=False),
        Resource("ClusterRoleBinding", _RBAC, "v1", "clusterrolebindings", namespaced=False),
        Resource(
            "CustomResourceDefinition", "apiextensions.k8s.io", "v1", "customresourcedefinitions", namespaced=False
        ),
    )
}
