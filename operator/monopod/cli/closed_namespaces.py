"""Namespaces whose new pods the API server refuses, because profiles that reach them can't be written there."""

from typing import TYPE_CHECKING

from monopod.api.names import NAMESPACE_LABEL, NAMESPACE_LABEL_VALUE, SELECTORS_ANNOTATION
from monopod.selectors.publication import describe_closed

if TYPE_CHECKING:
    from monopod.cli.live import Cluster


def find_refusal(cluster: "Cluster", namespace: str) -> str:
    """Why the namespace's new pods are refused, in the API server's words; "" if they aren't, or it may not be read.

    Raises:
        ApiFailure: the API server can't be reached.
    """
    from monopod.cli.live import Refusal

    try:
        metadata = cluster.read(f"/api/v1/namespaces/{namespace}")["metadata"]
    except Refusal:
        return ""
    labelled = (metadata.get("labels") or {}).get(NAMESPACE_LABEL) == NAMESPACE_LABEL_VALUE
    told = (metadata.get("annotations") or {}).get(SELECTORS_ANNOTATION)
    return "" if told or not labelled else describe_closed(namespace)
