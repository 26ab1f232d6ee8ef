"""Namespaces whose new pods the API server refuses, because profiles that reach them can't be written there."""

from typing import TYPE_CHECKING

from monopod.api.names import NAMESPACE_LABEL, NAMESPACE_LABEL_VALUE, SELECTORS_ANNOTATION
from monopod.kube.client.api import ApiError
from monopod.kube.objects.resources import NAMESPACES
from monopod.selectors.publication import describe_refused_pods

if TYPE_CHECKING:
    from monopod.cli.live import Cluster


def fetch_refusal(cluster: "Cluster", namespace: str) -> str:
    """Why the namespace's new pods are refused, in the API server's words; "" if they aren't, or it may not be read.

    Raises:
        ApiUnreachable: the API server can't be reached.
    """
    try:
        metadata = cluster.get(NAMESPACES.path(namespace))["metadata"]
    except ApiError:
        return ""
    labelled = (metadata.get("labels") or {}).get(NAMESPACE_LABEL) == NAMESPACE_LABEL_VALUE
    told = (metadata.get("annotations") or {}).get(SELECTORS_ANNOTATION)
    return "" if told or not labelled else describe_refused_pods(namespace)
