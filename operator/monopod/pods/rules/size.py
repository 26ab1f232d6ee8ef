"""How large a pod is on Fargate: what its containers ask for, plus 256 MiB, rounded up to a size of Fargate's.

Sources: EKS user guide, Fargate pod configuration (sizes, 256 MB, init containers); Kubernetes' component-helpers,
`AggregateContainerRequests` (restartable init containers, which AWS doesn't describe) and the API server's defaults for
pod-level resources. AWS writes GB; here 1 GB of a size is 1 GiB.

Amounts are rounded up per container, before they are added: CPU to millicores, memory and storage to MiB. CEL can't
add quantities, so the admission policy has to round there, and both sides must agree.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from math import ceil
from typing import Final

from monopod.api.names import CAPACITY_ANNOTATION, PROFILE_LABEL
from monopod.kube.objects.fields import Part

COMPONENTS_MEMORY_MIB: Final = 256
"""Fargate's share for kubelet, kube-proxy and containerd; part of the size, as on AWS."""

DEFAULT_STORAGE_GIB: Final = 20
MAX_STORAGE_GIB: Final = 175
MAX_STORAGE_MIB: Final = MAX_STORAGE_GIB * 1024

_MIB: Final = Fraction(2**20)
_UNITS: Final[Mapping[str, Fraction]] = {"cpu": Fraction(1, 1000), "memory": _MIB, "ephemeral-storage": _MIB}
"""What one unit of each field of `Resources` is, in the fields' order."""


@dataclass(frozen=True, slots=True, order=True)
class PodSize:
    """A size that Fargate offers: millicores and MiB, ordered by CPU first, then memory."""

    cpu_millis: int
    memory_mib: int

    def __str__(self) -> str:
        """As in the annotation CapacityProvisioned: `0.25vCPU 0.5GB`."""
        return format_capacity(self)


def _build_size_table() -> tuple[PodSize, ...]:
    gib_by_cpu: Mapping[int, Iterable[Fraction | int]] = {
        250: (Fraction(1, 2), 1, 2),
        500: range(1, 5),
        1000: range(2, 9),
        2000: range(4, 17),
        4000: range(8, 31),
        8000: range(16, 61, 4),
        16000: range(32, 121, 8),
    }
    return tuple(PodSize(cpu, int(gib * 1024)) for cpu, sizes in gib_by_cpu.items() for gib in sizes)


SIZE_TABLE: Final = _build_size_table()
LARGEST: Final = SIZE_TABLE[-1]


class ContainerKind(StrEnum):
    """How long a container runs, which decides how its requests add up."""

    ORDINARY = "container"
    SIDECAR = "sidecar"
    INIT = "init container"


@dataclass(frozen=True, slots=True)
class Resources:
    """Whole millicores and MiB."""

    cpu_millis: int = 0
    memory_mib: int = 0
    storage_mib: int = 0


@dataclass(frozen=True, slots=True)
class ContainerNeed:
    """What one container asks for: its requests, or its limits where it has no request."""

    name: str
    kind: ContainerKind
    resources: Resources


@dataclass(frozen=True, slots=True)
class InitPeak:
    """What the pod takes while an ordinary init container runs, besides the sidecars that started before it."""

    name: str
    resources: Resources


@dataclass(frozen=True, slots=True)
class Need:
    """What a pod asks for, before the 256 MiB, and how that came about.

    Attributes:
        total: the larger of `running`, all `init_peaks` and the pod-level amounts, per resource.
        containers: in the manifest's order, ordinary containers first.
        running: the sum of the ordinary containers and the sidecars.
        init_peaks: one per ordinary init container.
        pod_cpu_millis: the CPU that the pod's own spec.resources asks for, if it does.
        pod_memory_mib: the same for memory.
    """

    total: Resources
    containers: tuple[ContainerNeed, ...]
    running: Resources
    init_peaks: tuple[InitPeak, ...]
    pod_cpu_millis: int | None = None
    pod_memory_mib: int | None = None

    @property
    def memory_with_components_mib(self) -> int:
        """The memory that the row has to hold, in MiB."""
        return self.total.memory_mib + COMPONENTS_MEMORY_MIB


@dataclass(frozen=True, slots=True)
class Size:
    """What a pod asks for and the row that it gets."""

    need: Need
    row: PodSize


def format_capacity(row: PodSize) -> str:
    """The row in AWS's notation, such as `0.25vCPU 0.5GB`."""
    return f"{_format_decimal(row.cpu_millis, 1000)}vCPU {_format_decimal(row.memory_mib, 1024)}GB"


def _format_decimal(amount: int, unit: int) -> str:
    return f"{amount / unit:.10g}"


def compute_pod_size(need: Need) -> PodSize | None:
    """The smallest row that holds the need and 256 MiB, or None if even the largest doesn't."""
    return fit_size(need.total.cpu_millis, need.total.memory_mib)


def fit_size(cpu_millis: int, memory_mib: int) -> PodSize | None:
    """The same of amounts, without the 256 MiB."""
    memory = memory_mib + COMPONENTS_MEMORY_MIB
    return next((row for row in SIZE_TABLE if row.cpu_millis >= cpu_millis and row.memory_mib >= memory), None)


def measure_need(pod: Mapping[str, object], runtime_class: str = "") -> Need:
    """What the pod asks for.

    Pod-level spec.resources count where they exceed the containers' sum; the API server refuses smaller ones. On a pod
    that admission has sized already they are the size itself (see `_uncount_components`).

    Args:
        pod: its manifest.
        runtime_class: the class of its profile, by which a copy is known that has lost its marks.

    Raises:
        InvalidPod: a field is of the wrong type, or not a quantity.
    """
    root = Part(pod)
    spec = root.child("spec")
    containers = _read_containers(spec)
    sums = {resource: combine([(each.kind, each.round_up(resource)) for each in containers]) for resource in _UNITS}
    pod_cpu = _get_pod_level(spec, "cpu", containers)
    pod_memory = _get_pod_level(spec, "memory", containers)
    if is_sized(root) or _is_copy(spec, runtime_class, containers):
        pod_cpu, pod_memory = _uncount_components(pod_cpu, pod_memory)
    inits = [each.name for each in containers if each.kind is ContainerKind.INIT]
    return Need(
        total=Resources(
            max(sums["cpu"].total, pod_cpu or 0),
            max(sums["memory"].total, pod_memory or 0),
            sums["ephemeral-storage"].total,
        ),
        containers=tuple(each.as_need() for each in containers),
        running=Resources(*(sums[resource].running for resource in _UNITS)),
        init_peaks=tuple(
            InitPeak(name, Resources(*(sums[resource].peaks[index] for resource in _UNITS)))
            for index, name in enumerate(inits)
        ),
        pod_cpu_millis=pod_cpu,
        pod_memory_mib=pod_memory,
    )


@dataclass(frozen=True, slots=True)
class _Container:
    """A container's exact requests, or its limits where it has no request."""

    name: str
    kind: ContainerKind
    asked: Mapping[str, Fraction]

    def round_up(self, resource: str) -> int:
        """The request in whole units of `_UNITS`; 0 without one."""
        return ceil(self.asked.get(resource, Fraction(0)) / _UNITS[resource])

    def as_need(self) -> ContainerNeed:
        return ContainerNeed(self.name, self.kind, Resources(*(self.round_up(resource) for resource in _UNITS)))


def _read_containers(spec: Part) -> list[_Container]:
    ordinary = [_read_container(part, ContainerKind.ORDINARY) for part in spec.children("containers")]
    return ordinary + [_read_container(part, get_kind(part)) for part in spec.children("initContainers")]


def get_kind(init_container: Part) -> ContainerKind:
    """Whether an init container is a sidecar."""
    return ContainerKind.SIDECAR if init_container.text("restartPolicy") == "Always" else ContainerKind.INIT


def _read_container(part: Part, kind: ContainerKind) -> _Container:
    resources = part.child("resources")
    # The API server fills missing requests from limits before any policy sees the pod; a file hasn't been through it.
    return _Container(part.text("name"), kind, resources.quantities("limits") | resources.quantities("requests"))


@dataclass(frozen=True, slots=True)
class Sums:
    """Kubernetes' formula for one resource, step by step; `peaks` has one amount per ordinary init container."""

    running: int
    peaks: tuple[int, ...]

    @property
    def total(self) -> int:
        """What the pod takes at most."""
        return max(self.running, *self.peaks, 0)


def combine(amounts: Sequence[tuple[ContainerKind, int]]) -> Sums:
    """Kubernetes' formula for one resource; init containers and sidecars come in the manifest's order."""
    peaks = []
    running = sum(amount for kind, amount in amounts if kind is ContainerKind.ORDINARY)
    sidecars = 0
    for kind, amount in amounts:
        if kind is ContainerKind.SIDECAR:
            sidecars += amount
        elif kind is ContainerKind.INIT:
            peaks.append(sidecars + amount)
    return Sums(running + sidecars, tuple(peaks))


def _get_pod_level(spec: Part, resource: str, containers: Sequence[_Container]) -> int | None:
    """The pod-level request for one resource, in whole units, as the API server's defaults complete it."""
    resources = spec.child("resources")
    request = resources.quantities("requests").get(resource)
    if request is None and any(resource in each.asked for each in containers):
        # Beside a pod-level limit the API server writes the containers' sum as the request: the same as having none.
        return None
    if request is None:
        request = resources.quantities("limits").get(resource)
    return None if request is None else ceil(request / _UNITS[resource])


def is_sized(pod: Part) -> bool:
    """Whether spec.resources is what admission wrote: it runs again after webhooks, and manifests are copied."""
    metadata = pod.child("metadata")
    return PROFILE_LABEL in metadata.text_map("labels") and CAPACITY_ANNOTATION in metadata.text_map("annotations")


def _is_copy(spec: Part, runtime_class: str, containers: Sequence[_Container]) -> bool:
    """Whether spec.resources is one of the sizes, on a pod of the profile's class: written by no one but admission."""
    if not runtime_class or spec.text("runtimeClassName") != runtime_class:
        return False
    limits = spec.child("resources").quantities("limits")
    if not {"cpu", "memory"} <= limits.keys():
        return False
    row = PodSize(*(ceil(limits[resource] / _UNITS[resource]) for resource in ("cpu", "memory")))
    if row not in SIZE_TABLE:
        return False
    return row == PodSize(*(_compute_request(spec, each, containers) for each in ("cpu", "memory")))


def _compute_request(spec: Part, resource: str, containers: Sequence[_Container]) -> int:
    """The pod-level request next to a limit, as the API server completes it."""
    request = _get_pod_level(spec, resource, containers)
    return combine([(each.kind, each.round_up(resource)) for each in containers]).total if request is None else request


def _uncount_components(cpu: int | None, memory: int | None) -> tuple[int | None, int | None]:
    """A size that admission wrote, as the need that it stands for: a pod never gets smaller by going round again.

    Without this, each run would add another 256 MiB. Ignoring the size instead would lose what the pod's author wrote
    in spec.resources before the first run. Cut off at the largest size, so that no forged size makes a pod too large.
    """
    largest = LARGEST.memory_mib - COMPONENTS_MEMORY_MIB
    return (
        None if cpu is None else min(cpu, LARGEST.cpu_millis),
        None if memory is None else max(0, min(memory - COMPONENTS_MEMORY_MIB, largest)),
    )
