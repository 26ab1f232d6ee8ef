"""What `nodes` tells of pods, as a pure function of what the API server says of them.

On EKS each pod has a Node object of its own. Here pods share nodes, and what `kubectl get nodes` would show there is a
pod's size, sandbox, host and age.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from monopod.kube.objects.fields import Part
from monopod.kube.objects.timestamps import read_time
from monopod.pods.rules.size import PodSize
from monopod.pods.rules.state import get_mark, has_ended
from monopod.usage.rules.lifetime import Lifetime
from monopod.usage.rules.price import PriceList
from monopod.usage.rules.sighting import read_sighting

NOT_SCHEDULED: Final = "NotScheduled"


@dataclass(frozen=True, slots=True)
class SandboxedPod:
    """A pod of a profile.

    Attributes:
        size: None if it can't be read.
        storage_gib: its ephemeral storage.
        architecture: `x86` or `arm`; "" if it can't be read.
        capacity_provider: `FARGATE` or `FARGATE_SPOT`; "" if it can't be read.
        sandbox: the RuntimeClass.
        host: the node that it runs on; "" as long as there is none.
        waiting: why there is none, as the condition PodScheduled says: Unschedulable, SchedulingGated.
        age_seconds: since its creation.
        hourly: what it costs in an hour once it has a node; None if its size can't be read.
    """

    namespace: str
    name: str
    profile: str
    size: PodSize | None
    storage_gib: int
    architecture: str
    capacity_provider: str
    sandbox: str
    host: str
    waiting: str
    age_seconds: int
    hourly: Decimal | None


def list_sandboxed_pods(pods: Iterable[Mapping[str, Any]], prices: PriceList, now: datetime) -> list[SandboxedPod]:
    """The pods of profiles that haven't ended, by namespace and name."""
    found = (_read(pod, prices, now) for pod in pods if get_mark(pod) and not has_ended(pod))
    return sorted(found, key=lambda each: (each.namespace, each.name))


def _read(pod: Mapping[str, Any], prices: PriceList, now: datetime) -> SandboxedPod:
    root = Part(pod)
    metadata, spec = root.child("metadata"), root.child("spec")
    created = read_time(metadata.text("creationTimestamp")) or now
    # What the ledger makes of the pod, so that both tell the same price.
    seen = read_sighting(pod, "", 0)
    known = seen.description if isinstance(seen, Lifetime) else None
    size = PodSize(known.cpu_millis, known.memory_mib) if known else None
    host = spec.text("nodeName")
    return SandboxedPod(
        metadata.text("namespace"),
        metadata.text("name"),
        get_mark(pod),
        size,
        known.storage_gib if known else 0,
        known.architecture if known else "",
        known.capacity if known else "",
        spec.text("runtimeClassName"),
        host,
        "" if host else next(_list_waits(root), NOT_SCHEDULED),
        max(0, int((now - created).total_seconds())),
        prices.compute_hourly(known.architecture, size, known.storage_gib, known.capacity) if known and size else None,
    )


def _list_waits(root: Part) -> Iterator[str]:
    for condition in root.child("status").children("conditions"):
        if condition.text("type") == "PodScheduled" and condition.text("status") == "False":
            yield condition.text("reason") or NOT_SCHEDULED
