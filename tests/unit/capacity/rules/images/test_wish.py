"""Which images a profile wants on its nodes."""

import pytest

from monopod.capacity.rules.images.wish import Source, Wish, count_images
from monopod.kube.objects.fields import InvalidProfile
from tests.unit.builders import a_profile_resource


def test_a_profile_without_the_field_asks_for_nothing() -> None:
    assert Wish.from_resource(a_profile_resource("web", {"namespace": "prod"})) is None


def test_the_field_is_read_with_its_defaults() -> None:
    empty = a_profile_resource("web", {"namespace": "prod"}, warmImages={})
    assert Wish.from_resource(empty) == Wish((), False, 10, ())
    asked = {"images": ["a", "b"], "fromWorkloads": True, "maxImages": 3, "imagePullSecrets": [{"name": "key"}]}
    assert Wish.from_resource(a_profile_resource("web", {"namespace": "prod"}, warmImages=asked)) == Wish(
        ("a", "b"), True, 3, ("key",)
    )


def test_what_the_api_server_would_never_store_is_an_error() -> None:
    with pytest.raises(InvalidProfile, match=r"spec\.warmImages\.images"):
        Wish.from_resource(a_profile_resource("web", {"namespace": "prod"}, warmImages={"images": "a"}))


def test_listed_images_come_before_those_of_workloads_and_the_most_used_of_these_first() -> None:
    wish = Wish(("z", "y"), True, 4)
    chosen = wish.choose({"a": 1, "b": 5, "y": 9, "c": 5, "d": 2})
    assert chosen == {Source.SPEC: ("y", "z"), Source.WORKLOADS: ("b", "c")}


def test_of_equally_used_ones_the_names_decide_so_that_it_is_always_the_same() -> None:
    assert Wish((), True, 1).choose({"b": 1, "a": 1}) == Wish((), True, 1).choose({"a": 1, "b": 1})


def test_without_from_workloads_only_what_is_listed_counts() -> None:
    assert Wish(("z",), False, 4).choose({"a": 1}) == {Source.SPEC: ("z",), Source.WORKLOADS: ()}


def test_listed_images_leave_no_room_for_others_where_they_are_as_many_as_may_be() -> None:
    assert Wish(("a", "b"), True, 2).choose({"c": 9})[Source.WORKLOADS] == ()


def test_an_image_counts_once_for_a_pod_and_in_init_containers_too() -> None:
    first = {"spec": {"containers": [{"image": "a"}, {"image": "a"}], "initContainers": [{"image": "b"}]}}
    second = {"spec": {"containers": [{"image": "a"}, {"name": "none"}]}}
    assert count_images([first, second]) == {"a": 2, "b": 1}


@pytest.mark.parametrize("image", ["r" * 513, "not an image", "shop\n", "", "-x"])
def test_what_a_pod_names_and_can_be_no_image_is_left_out(image: str) -> None:
    longest = "r" * 512
    assert count_images([{"spec": {"containers": [{"image": image}, {"image": longest}]}}]) == {longest: 1}
