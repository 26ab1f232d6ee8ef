"""What came of images, from DaemonSets and their pods."""

import pytest

from monopod.capacity.rules.images.daemon_set import PAUSE_IMAGE
from monopod.capacity.rules.images.observation import (
    Fault,
    ImageState,
    Keeper,
    Warmth,
    observe_images,
)
from tests.unit.capacity.rules.images.builders import RUNNING, a_keeper, a_keeper_pod, a_rollout, waiting

BACK_OFF = 'Back-off pulling image "a:1": ErrImagePull: a:1: not found'


def test_where_all_pods_are_ready_each_image_is_on_each_node_without_a_look_at_them() -> None:
    found = observe_images(["a:1", "b:1"], [a_rollout(wanted=3)], [], None)
    assert found == Warmth(3, (ImageState("a:1", 3), ImageState("b:1", 3)))


def test_what_the_controller_has_not_seen_yet_is_not_complete() -> None:
    assert not observe_images(["a:1"], [a_rollout(generation=2)], [], None).is_settled


def test_without_a_daemon_set_nothing_is_there_yet() -> None:
    assert observe_images(["a:1"], [], [], None) == Warmth(0, (ImageState("a:1", 0),), 0, False)


def test_without_images_there_is_nothing_to_wait_for() -> None:
    assert observe_images([], [], [], None) == Warmth(0, ())


def test_an_image_that_cannot_be_pulled_is_told_and_the_others_count() -> None:
    keepers = [
        a_keeper("n1", {"a:1": waiting("ImagePullBackOff", BACK_OFF), "b:1": RUNNING}),
        a_keeper("n2", {"a:1": RUNNING, "b:1": RUNNING}),
    ]
    first, second = observe_images(["a:1", "b:1"], [a_rollout(ready=1)], keepers, None).images
    assert (first.nodes, second) == (1, ImageState("b:1", 2))
    assert first.trouble is not None
    assert (first.trouble.fault, first.trouble.node, first.trouble.words) == (Fault.PULL, "n1", "a:1: not found")


@pytest.mark.parametrize(
    ("state", "fault"),
    [
        pytest.param(waiting("ErrImagePull", "a:1: not found"), Fault.PULL, id="a pull that fails"),
        pytest.param(waiting("InvalidImageName", "couldn't parse"), Fault.PULL, id="a name that is none"),
        pytest.param(waiting("CreateContainerError", "mkdir: no such file"), Fault.MOUNT, id="a runtime without it"),
        pytest.param(waiting("CrashLoopBackOff", "back-off 10s"), Fault.PAUSE, id="a container that ends"),
        pytest.param(waiting("ErrImagePull", f"{PAUSE_IMAGE}: not found"), Fault.PAUSE, id="no pause image"),
    ],
)
def test_what_is_wrong_is_told_apart(state: dict[str, object], fault: Fault) -> None:
    (found,) = observe_images(["a:1"], [a_rollout(ready=0)], [a_keeper("n1", {"a:1": state})], None).images
    assert found.trouble is not None
    assert found.trouble.fault is fault


@pytest.mark.parametrize("state", [waiting("ContainerCreating"), waiting("PodInitializing"), {}])
def test_what_is_under_way_is_no_trouble(state: dict[str, object]) -> None:
    (found,) = observe_images(["a:1"], [a_rollout(ready=0)], [a_keeper("n1", {"a:1": state})], None).images
    assert found == ImageState("a:1", 0)


def test_a_pod_without_a_node_finds_no_room() -> None:
    crowded = Keeper.from_resource(a_keeper_pod("", {}), PAUSE_IMAGE)
    assert observe_images(["a:1"], [a_rollout(ready=1)], [crowded], None).crowded == 1


def test_words_that_differ_by_numbers_alone_stay_so_that_the_status_does_too() -> None:
    def look(port: int, before: Warmth | None) -> Warmth:
        state = waiting("ErrImagePull", f"dial tcp 10.0.0.1:{port}: timeout")
        return observe_images(["a:1"], [a_rollout(ready=0)], [a_keeper("n1", {"a:1": state})], before)

    first = look(40001, None)
    assert look(40002, first) == first


def test_words_that_say_something_else_replace_the_old_ones() -> None:
    def look(words: str, before: Warmth | None) -> Warmth:
        keeper = a_keeper("n1", {"a:1": waiting("ErrImagePull", words)})
        return observe_images(["a:1"], [a_rollout(ready=0)], [keeper], before)

    found = look("denied", look("not found", None)).images[0].trouble
    assert found is not None
    assert found.words == "denied"


def test_a_page_of_words_is_cut() -> None:
    keeper = a_keeper("n1", {"a:1": waiting("ErrImagePull", "<html> " * 500)})
    trouble = observe_images(["a:1"], [a_rollout(ready=0)], [keeper], None).images[0].trouble
    assert trouble is not None
    assert len(trouble.words) < 400
