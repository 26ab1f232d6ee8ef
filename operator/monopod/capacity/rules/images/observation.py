"""What came of images: from the DaemonSets that keep them, and from their pods where these aren't all Ready."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from monopod.api.names import WARM_IMAGES_LABEL
from monopod.capacity.rules.images.daemon_set import name_volume
from monopod.kube.objects.fields import Part
from monopod.kube.objects.text import to_line

MOST_CHARACTERS: Final = 300
"""Of a kubelet's words; a registry's answer may be a page of HTML."""


class Fault(StrEnum):
    """What keeps an image from being warm."""

    PULL = "pull"
    """It can't be pulled."""
    MOUNT = "mount"
    """It can't be mounted as a volume."""
    PAUSE = "pause"
    """The container that would keep it doesn't run."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a node doesn't have an image, in the kubelet's words."""

    fault: Fault
    node: str
    words: str

    def is_same(self, other: "Trouble | None") -> bool:
        """Whether it is the same but for numbers: ports, times and counts change with each attempt."""
        return (
            other is not None and self.fault is other.fault and _mask_numbers(self.words) == _mask_numbers(other.words)
        )


def _mask_numbers(words: str) -> str:
    return re.sub(r"\d+", "#", words)


@dataclass(frozen=True, slots=True)
class Rollout:
    """A DaemonSet that keeps images.

    Attributes:
        uid: tells it from another of its name.
        generation: tells what was written from what someone else wrote since.
        wanted: how many nodes it is for.
        is_complete: whether each of them has all of its images.
        is_going: whether it is being deleted.
    """

    name: str
    uid: str
    profile: str
    generation: int
    wanted: int
    is_complete: bool
    is_going: bool

    @classmethod
    def from_resource(cls, resource: Mapping[str, Any]) -> "Rollout":
        """Reads a DaemonSet as the API server sends it."""
        root = Part(resource)
        metadata, status = root.child("metadata"), root.child("status")
        wanted, generation = status.number("desiredNumberScheduled"), metadata.number("generation")
        updated, ready = status.number("updatedNumberScheduled"), status.number("numberReady")
        return cls(
            metadata.text("name"),
            metadata.text("uid"),
            metadata.text_map("labels").get(WARM_IMAGES_LABEL, ""),
            generation,
            wanted,
            status.number("observedGeneration") >= generation and wanted == updated == ready,
            bool(metadata.text("deletionTimestamp")),
        )


@dataclass(frozen=True, slots=True)
class Keeper:
    """A pod that keeps images on its node.

    Attributes:
        profile: the profile that it is for.
        node: "" as long as no node has room for it.
        kept: the volumes' names of the images that the node has.
        troubles: by volume's name, why it hasn't others.
    """

    profile: str
    node: str
    kept: frozenset[str]
    troubles: Mapping[str, Trouble]

    @classmethod
    def from_resource(cls, pod: Mapping[str, Any], pause_image: str) -> "Keeper":
        """Reads a pod as the API server sends it."""
        root = Part(pod)
        node, labels = root.child("spec").text("nodeName"), root.child("metadata").text_map("labels")
        kept, troubles = set[str](), dict[str, Trouble]()
        for container in root.child("status").children("containerStatuses"):
            state, name = container.child("state"), container.text("name")
            if state.fields.get("running") is not None:
                kept.add(name)
            elif trouble := _read_trouble(state.child("waiting"), node, pause_image):
                troubles[name] = trouble
        return cls(labels.get(WARM_IMAGES_LABEL, ""), node, frozenset(kept), troubles)


_PULLS: Final = frozenset({
    *("ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ImageInspectError", "ErrImageNeverPull"),
    *("RegistryUnavailable", "SignatureValidationFailed"),
})  # fmt: skip
_PAUSES: Final = frozenset({"CrashLoopBackOff", "RunContainerError", "StartError"})
_FINE: Final = frozenset({"", "ContainerCreating", "PodInitializing"})
_PREFIX: Final = re.compile(r'^(Back-off pulling image "[^"]*": |(ErrImagePull|RegistryUnavailable): )+')


def _read_trouble(waiting: Part, node: str, pause_image: str) -> Trouble | None:
    reason, message = waiting.text("reason"), waiting.text("message")
    if reason in _FINE:
        return None
    words = " ".join(_PREFIX.sub("", message).split()) or reason
    words = words if len(words) <= MOST_CHARACTERS else f"{words[:MOST_CHARACTERS]}…"
    if reason in _PULLS:
        # The volumes' images are pulled first, so the container's own is named only where all else is there.
        fault = Fault.PAUSE if pause_image in message else Fault.PULL
    else:
        fault = Fault.PAUSE if reason in _PAUSES else Fault.MOUNT
    return Trouble(fault, node, to_line(words).removesuffix("."))


@dataclass(frozen=True, slots=True)
class ImageState:
    """What came of one image: how many nodes have it, and why one of the others can't."""

    image: str
    nodes: int
    trouble: Trouble | None = None


@dataclass(frozen=True, slots=True)
class Warmth:
    """What came of all images of a profile.

    Attributes:
        nodes: how many nodes should have them.
        images: each of them.
        crowded: how many pods that would keep them find no room on their node.
        is_settled: whether nothing more is expected to happen.
    """

    nodes: int
    images: tuple[ImageState, ...]
    crowded: int = 0
    is_settled: bool = True

    @property
    def is_pulling(self) -> bool:
        """Whether it is a matter of moments: nothing is known to fail."""
        return not self.is_settled and not self.crowded and not any(state.trouble for state in self.images)


def observe_images(
    images: Iterable[str], rollouts: Iterable[Rollout], keepers: Iterable[Keeper], before: Warmth | None
) -> Warmth:
    """What came of a profile's images.

    Args:
        images: the images that it wants now.
        rollouts: its DaemonSets.
        keepers: their pods; none are needed where all rollouts are complete.
        before: what was known the last time, whose words stay as long as they say the same.
    """
    known, pods = list(rollouts), list(keepers)
    wanted = max((rollout.wanted for rollout in known), default=0)
    states = {state.image: state for state in before.images} if before else {}
    complete = bool(known) and all(rollout.is_complete for rollout in known)
    found = tuple(
        ImageState(image, wanted) if complete else _observe_image(image, pods, states.get(image)) for image in images
    )
    crowded = 0 if complete else sum(not pod.node for pod in pods)
    return Warmth(wanted, found, crowded, complete or not found)


def _observe_image(image: str, pods: Iterable[Keeper], before: ImageState | None) -> ImageState:
    volume = name_volume(image)
    nodes = {pod.node for pod in pods if volume in pod.kept}
    troubles = sorted((pod.troubles[volume] for pod in pods if volume in pod.troubles), key=_get_node)
    trouble = troubles[0] if troubles else None
    last = before.trouble if before else None
    if last and any(last.is_same(each) for each in troubles):
        trouble = last
    return ImageState(image, len(nodes), trouble)


def _get_node(trouble: Trouble) -> str:
    return trouble.node
