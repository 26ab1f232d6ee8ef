"""How much room is wanted for each profile's next pods, of which size, and how much of it the installation allows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from monopod.capacity.rules.sandbox import Sandbox
from monopod.kube.objects.fields import InvalidProfile, Part
from monopod.pods.rules.selection import Profile
from monopod.pods.rules.size import SIZE_TABLE, PodSize

MOST: Final = 100
"""For how many pods there is room at most, whatever percentage of however many: the bound of `replicas`."""

_SIZES: Final[Mapping[str, PodSize]] = {str(size): size for size in SIZE_TABLE}

Running = Counter[PodSize]
"""How many pods of a profile run, by their size."""


@dataclass(frozen=True, slots=True)
class WarmSettings:
    """A profile's `spec.capacity.warm`.

    Attributes:
        size: None: that of most of the profile's pods.
    """

    replicas: int = 0
    percent: int = 0
    size: PodSize | None = None

    @classmethod
    def from_resource(cls, resource: Mapping[str, object]) -> "WarmSettings":
        """Reads a FargateProfile as the API server sends it; one that asks for nothing reads as 0.

        Raises:
            InvalidProfile: a field holds what the API server would never store.
        """
        spec = Part(resource, error=InvalidProfile).child("spec").child("capacity").child("warm")
        text = spec.text("size")
        if text and text not in _SIZES:
            raise spec.fail("size", f"must be a size of Fargate's, not {text!r}")
        return cls(spec.number("replicas"), spec.number("percent"), _SIZES.get(text))

    @property
    def asks(self) -> bool:
        """Whether any room is to be kept."""
        return self.replicas > 0 or self.percent > 0

    @property
    def needs_pods(self) -> bool:
        """Whether the pods that run decide, too."""
        return self.asks and (self.percent > 0 or self.size is None)


@dataclass(frozen=True, slots=True)
class Chunk:
    """The room of one pod, and where it has to be.

    Attributes:
        zones: none: any.
        spot_label: the label of Spot's nodes, `key=value`; "" if no nodes are Spot's.
        is_spot: whether it has to be on these, or else on others.
    """

    size: PodSize
    sandbox: Sandbox
    zones: tuple[str, ...] = ()
    spot_label: str = ""
    is_spot: bool = False

    @property
    def cpu_millis(self) -> int:
        """What the scheduler counts, the sandbox's overhead included."""
        return self.size.cpu_millis + self.sandbox.cpu_millis

    @property
    def memory_mib(self) -> int:
        """The same of memory."""
        return self.size.memory_mib + self.sandbox.memory_mib


@dataclass(frozen=True, slots=True)
class Asking:
    """A profile that asks for warm capacity.

    Attributes:
        grows: whether an autoscaler makes nodes for its pods.
    """

    profile: str
    settings: WarmSettings
    sandbox: Sandbox
    zones: tuple[str, ...] = ()
    spot_label: str = ""
    is_spot: bool = False
    grows: bool = False


@dataclass(frozen=True, slots=True)
class Wish:
    """The room that a profile wants.

    Attributes:
        wanted: for how many pods, by the spec.
        allowed: for how many, by what is left of the installation's bound.
        grows: as in `Asking`.
    """

    profile: str
    wanted: int
    allowed: int
    chunk: Chunk
    grows: bool


def read_asking(resource: Mapping[str, object]) -> str:
    """The name of a profile that asks for warm capacity; "" if it doesn't, or is being deleted."""
    metadata = Part(resource).child("metadata")
    try:
        asks = WarmSettings.from_resource(resource).asks
    except InvalidProfile:  # the condition Valid says so
        return ""
    return metadata.text("name") if asks and "deletionTimestamp" not in metadata.fields else ""


def build_asking(resource: Mapping[str, object], sandbox: Sandbox, spot_label: str, *, grows: bool) -> Asking:
    """What such a profile asks for.

    Args:
        resource: the profile.
        sandbox: its RuntimeClass.
        spot_label: the label of Spot's nodes; "" if no nodes are Spot's.
        grows: whether an autoscaler makes nodes for its pods.
    """
    profile = Profile.from_resource(resource, sandbox.name, spot_label)
    settings = WarmSettings.from_resource(resource)
    return Asking(profile.name, settings, sandbox, profile.zones, spot_label, profile.is_spot, grows)


def read_running(pods: Sequence[tuple[str, str]]) -> dict[str, Running]:
    """How many pods of each profile run, of each size.

    Args:
        pods: the profile and the annotation CapacityProvisioned of each.
    """
    found: dict[str, Running] = {}
    for profile, capacity in pods:
        if size := _SIZES.get(capacity):
            found.setdefault(profile, Counter())[size] += 1
    return found


def compute_wishes(
    asking: Sequence[Asking], running: Mapping[str, Running], present: Mapping[str, str], bound: int
) -> list[Wish]:
    """What each profile wants, in the order of their names, in which they also share the bound.

    Args:
        asking: the profiles.
        running: their pods that run.
        present: the size that each has now, as text: it stays as long as no other is more frequent.
        bound: for how many pods the installation keeps room, for all profiles together.
    """
    wishes, left = list[Wish](), bound
    for one in sorted(asking, key=lambda each: each.profile):
        pods = running.get(one.profile, Counter())
        wanted = _count(one.settings, pods.total())
        size = one.settings.size or _choose_size(pods, _SIZES.get(present.get(one.profile, "")))
        chunk = Chunk(size, one.sandbox, one.zones, one.spot_label, one.is_spot)
        allowed = min(wanted, left)
        left -= allowed
        wishes.append(Wish(one.profile, wanted, allowed, chunk, one.grows))
    return wishes


def _count(settings: WarmSettings, pods: int) -> int:
    if settings.percent:
        return min(MOST, max(1, ceil(pods * settings.percent / 100)))
    return min(MOST, settings.replicas)


def _choose_size(pods: Running, present: PodSize | None) -> PodSize:
    """The most frequent size, of several the one that there is room of already, else the smallest."""
    if not pods:
        return present or SIZE_TABLE[0]
    most = max(pods.values())
    frequent = [size for size, count in pods.items() if count == most]
    return present if present in frequent else min(frequent)
