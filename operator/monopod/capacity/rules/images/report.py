"""What a profile's status says of its images: the condition ImagesWarm, with what to do, and status.warmImages.

The condition is a warning: a profile whose images can't be had is Ready all the same, and its pods pull them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from monopod.api.reasons import ConditionType, Reason
from monopod.capacity.rules.images.observation import Fault, ImageState, Warmth
from monopod.capacity.rules.images.wish import Source
from monopod.kube.objects.conditions import Contribution, Finding, Severity

_KIND: Final = ConditionType.IMAGES_WARM

NOT_READ: Final = Finding(
    _KIND,
    None,
    Reason.WARM_IMAGES_NOT_READ,
    "the nodes' images haven't been looked at yet",
    severity=Severity.REMARK,
    keeps=True,
)
"""What is said as long as nothing is known: what the status said before."""


@dataclass(frozen=True, slots=True)
class NoSandbox:
    """The profile's RuntimeClass doesn't exist, so there is no saying which nodes are meant."""


@dataclass(frozen=True, slots=True)
class Unwritten:
    """What would pull the images can't be written, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Kept:
    """The images, where each is named, and what came of them."""

    chosen: Mapping[Source, tuple[str, ...]]
    warmth: Warmth


Outcome = NoSandbox | Unwritten | Kept


def contribute_images(outcome: Outcome) -> Contribution:
    """The condition ImagesWarm, and status.warmImages."""
    match outcome:
        case NoSandbox():
            message = "the RuntimeClass doesn't exist: see RuntimeClassFound"
            return Contribution((_find(None, Reason.RUNTIME_CLASS_NOT_FOUND, message),))
        case Unwritten(why):
            return Contribution((_find(False, Reason.WARM_IMAGES_NOT_WRITTEN, why),))
        case Kept(chosen, warmth):
            return Contribution((_judge(chosen, warmth),), {"warmImages": _write_fields(warmth)})


def _find(holds: bool | None, reason: Reason, message: str) -> Finding:
    return Finding(_KIND, holds, reason, message, severity=Severity.REMARK)


def _write_fields(warmth: Warmth) -> dict[str, Any]:
    images = []
    for state in warmth.images:
        words = {"message": f"node {state.trouble.node}: {state.trouble.words}"} if state.trouble else {}
        images.append({"image": state.image, "nodes": state.nodes, **words})
    return {"nodes": warmth.nodes, "images": images}


def _judge(chosen: Mapping[Source, tuple[str, ...]], warmth: Warmth) -> Finding:
    for fault in (Fault.PAUSE, Fault.PULL, Fault.MOUNT):
        if failed := [state for state in warmth.images if state.trouble and state.trouble.fault is fault]:
            return _describe_fault(fault, failed, chosen, warmth)
    if not warmth.images:
        message = "there are no images: none is listed, and no running pod of the profile has one"
        return _find(True, Reason.IMAGES_WARM, message)
    count = _count(len(warmth.images), "image")
    if warmth.is_settled:
        nodes = (
            f"on {_count(warmth.nodes, 'node')}" if warmth.nodes else "pulled by each node of the sandbox that comes"
        )
        return _find(True, Reason.IMAGES_WARM, f"{count} {'is' if len(warmth.images) == 1 else 'are'} {nodes}")
    there = sum(state.nodes >= warmth.nodes > 0 for state in warmth.images)
    message = f"{there} of {count} {'is' if there == 1 else 'are'} on all of {_count(warmth.nodes, 'node')}"
    if warmth.crowded:
        message += f"; {_count(warmth.crowded, 'node')} has no room for the pod that keeps them"
    return _find(False, Reason.IMAGES_PULLING, message)


def _describe_fault(
    fault: Fault, failed: list[ImageState], chosen: Mapping[Source, tuple[str, ...]], warmth: Warmth
) -> Finding:
    first = failed[0]
    told = f"node {first.trouble.node}: {first.trouble.words}" if first.trouble else ""
    image = first.image + (f" and {len(failed) - 1} more" if len(failed) > 1 else "")
    match fault:
        case Fault.PAUSE:
            message = f"the container that keeps {image} doesn't run ({told}): see the chart's value pauseImage"
            return _find(False, Reason.IMAGE_PULL_FAILED, message)
        case Fault.MOUNT:
            message = (
                f"{image} can't be kept by every node ({told}): an image is mounted as a volume, for which a node "
                "needs containerd 2.1 or newer"
            )
            return _find(False, Reason.IMAGE_VOLUMES_UNSUPPORTED, message)
        case Fault.PULL:
            remedy = (
                "see whether it exists and the nodes reach its registry; a private one needs a Secret of Monopod's "
                "namespace in warmImages.imagePullSecrets"
                if first.image in chosen.get(Source.SPEC, ())
                else "images of workloads are pulled without their Secrets: list a private one in warmImages.images, "
                "with imagePullSecrets"
            )
            message = (
                f"{image} can't be pulled ({told}), {_count(first.nodes, 'node')} of {warmth.nodes} has it: {remedy}"
            )
            return _find(False, Reason.IMAGE_PULL_FAILED, message)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
