"""What a profile's status says of its images."""

import pytest

from monopod.capacity.rules.images.observation import Fault, ImageState, Trouble, Warmth
from monopod.capacity.rules.images.report import Kept, NoSandbox, Outcome, Unwritten, contribute_images
from monopod.capacity.rules.images.wish import Source
from monopod.kube.objects.conditions import Severity

CHOSEN = {Source.SPEC: ("a:1",), Source.WORKLOADS: ("b:1",)}


def kept(*images: ImageState, nodes: int = 2, crowded: int = 0, settled: bool = False) -> Kept:
    return Kept(CHOSEN, Warmth(nodes, images, crowded, settled))


def failed(image: str, fault: Fault, words: str = "not found") -> ImageState:
    return ImageState(image, 1, Trouble(fault, "n1", words))


CASES: dict[str, tuple[Outcome, bool | None, str, str]] = {
    "all are there": (kept(ImageState("a:1", 2), settled=True), True, "ImagesWarm", "1 image is on 2 nodes"),
    "no node yet": (kept(ImageState("a:1", 0), nodes=0, settled=True), True, "ImagesWarm", "each node of the sandbox"),
    "no images": (kept(settled=True), True, "ImagesWarm", "there are no images"),
    "some are missing": (kept(ImageState("a:1", 2), ImageState("b:1", 0)), False, "ImagesPulling", "1 of 2 images is"),
    "no room": (kept(ImageState("a:1", 1), crowded=1), False, "ImagesPulling", "no room"),
    "a listed one can't be pulled": (
        kept(failed("a:1", Fault.PULL)),
        False,
        "ImagePullFailed",
        "a:1 can't be pulled (node n1: not found), 1 node of 2 has it: see whether it exists",
    ),
    "a workload's can't": (kept(failed("b:1", Fault.PULL)), False, "ImagePullFailed", "list a private one"),
    "the pause image can't": (kept(failed("a:1", Fault.PAUSE)), False, "ImagePullFailed", "pauseImage"),
    "no image volumes": (kept(failed("a:1", Fault.MOUNT)), False, "ImageVolumesUnsupported", "containerd 2.1"),
    "no sandbox": (NoSandbox(), None, "RuntimeClassNotFound", "RuntimeClassFound"),
    "not written": (Unwritten("quota exceeded"), False, "WarmImagesNotWritten", "quota exceeded"),
}


@pytest.mark.parametrize(("outcome", "holds", "reason", "words"), CASES.values(), ids=CASES)
def test_the_condition_says_what_came_of_the_images(
    outcome: Outcome, holds: bool | None, reason: str, words: str
) -> None:
    (finding,) = contribute_images(outcome).findings
    assert (finding.holds, finding.reason) == (holds, reason)
    assert words in finding.message


@pytest.mark.parametrize(("outcome", "_holds", "_reason", "_words"), CASES.values(), ids=CASES)
def test_it_never_makes_a_profile_unready(outcome: Outcome, _holds: bool | None, _reason: str, _words: str) -> None:
    (finding,) = contribute_images(outcome).findings
    assert finding.severity is Severity.REMARK


def test_the_status_has_each_image_with_its_nodes_and_the_kubelets_words() -> None:
    fields = contribute_images(kept(ImageState("a:1", 2), failed("b:1", Fault.PULL))).fields
    images = [{"image": "a:1", "nodes": 2}, {"image": "b:1", "nodes": 1, "message": "node n1: not found"}]
    assert fields == {"warmImages": {"nodes": 2, "images": images}}


def test_a_pause_image_that_fails_goes_before_all_else_and_several_failures_are_counted() -> None:
    (finding,) = contribute_images(kept(failed("a:1", Fault.PULL), failed("b:1", Fault.PULL))).findings
    assert "a:1 and 1 more can't be pulled" in finding.message
    (finding,) = contribute_images(kept(failed("a:1", Fault.PULL), failed("b:1", Fault.PAUSE))).findings
    assert "pauseImage" in finding.message
