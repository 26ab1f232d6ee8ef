"""Kubernetes Events about profiles and pods, each under a name that follows from what it says.

An event that is written again, after a restart for instance, exists already: about a pod it is then left as it is,
about a profile it is counted, as `kubectl describe` shows it ("x2 over 5m").
"""

import datetime
import hashlib
from collections.abc import Mapping
from typing import Any

from monopod.api.names import EVENT_SOURCE
from monopod.api.reasons import Documented, EventType
from monopod.kube.client import ApiClient, ApiError

# Events of cluster-scoped objects live in this namespace, by Kubernetes' convention.
CLUSTER_NAMESPACE = "default"
MESSAGE_LIMIT = 1024


async def post_event(
    api: ApiClient, about: Mapping[str, str], event_type: EventType, reason: Documented, message: str, *, count: bool
) -> None:
    """Writes an event about an object reference (apiVersion, kind, name, uid, namespace), or counts it once more.

    Raises:
        ApiError: the API server refused it for another reason than that it exists.
    """
    collection = f"/api/v1/namespaces/{about.get('namespace') or CLUSTER_NAMESPACE}/events"
    event = build_event(about, event_type, reason, message)
    try:
        await api.create(collection, event)
    except ApiError as error:
        if error.status != 409:
            raise
        if count:
            path = f"{collection}/{event['metadata']['name']}"
            existing = await api.merge(path, {"lastTimestamp": event["lastTimestamp"]})
            await api.merge(path, {"count": int(existing.get("count") or 1) + 1})


def build_event(about: Mapping[str, str], event_type: EventType, reason: Documented, message: str) -> dict[str, Any]:
    """The event, first and last seen now."""
    text = message if len(message) <= MESSAGE_LIMIT else f"{message[: MESSAGE_LIMIT - 1]}…"
    digest = hashlib.sha256("\0".join((about["uid"], reason, text)).encode()).hexdigest()[:16]
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{about['name'][:230]}.{digest}",
            "namespace": about.get("namespace") or CLUSTER_NAMESPACE,
        },
        "involvedObject": dict(about),
        "type": str(event_type),
        "reason": str(reason),
        "message": text,
        "source": {"component": EVENT_SOURCE},
        "firstTimestamp": now,
        "lastTimestamp": now,
        "count": 1,
    }
