"""At the bounds of what profiles may put on a namespace, ordinary pods are still admitted, and as the profiles say.

Kubernetes bounds the cost of CEL, and refuses a request whose policies exceed it. What profiles can do to that cost is
tried here in its worst shapes, with pods of more labels than pods have: what is promised of them is in
docs/concepts/profiles.md.
"""

from collections.abc import Callable

import pytest

from monopod.api.names import PROFILE_LABEL
from monopod.pods.rules.bounds import MAX_LABEL_CHARACTERS
from monopod.pods.rules.selection import Profile
from monopod.selectors.capacity import CapacityRequest, Registration
from monopod.selectors.compile import MAX_COMPILED, compile_profile, compute_allocation
from tests.controlplane.reach import reach
from tests.controlplane.server import Server
from tests.unit.builders import PodBuilder, a_pod, a_profile, a_selector

LABEL_CHARACTERS = MAX_LABEL_CHARACTERS - len("app=shop") - 1
"""Of all labels of a pod together but one, as `key=value` and a separator: as many as are promised."""

FOUR = {f"label-{number}": "x" * 63 for number in range(4)}
"""Labels that every pod here has, so that a selector of five labels is tested to its last."""

LONG_KEY = f"{'p*' * 30}.{'q*' * 31}.{'r*' * 31}.{'s*' * 29}/{'n*' * 31}"

SHAPES: dict[str, Callable[[str], Profile]] = {
    "selectors that fail at their last label": lambda name: a_profile(name, a_selector("*", {**FOUR, "last": "no"})),
    "short selectors": lambda name: a_profile(name, a_selector("*", last="no")),
    "five patterns for values": lambda name: a_profile(
        name, a_selector("*", {**dict.fromkeys(FOUR, "x*x?x*x*"), "last": "*"})
    ),
    "long patterns for values": lambda name: a_profile(
        name, a_selector("*", {**dict.fromkeys(FOUR, "x*" * 31), "last": "*"})
    ),
    "the shortest patterns for any label": lambda name: a_profile(name, a_selector("*", {"*": "q"})),
    "patterns for any label": lambda name: a_profile(name, a_selector("*", {"label-*": "x*y"})),
    "the longest patterns for any label": lambda name: a_profile(name, a_selector("*", {LONG_KEY: "x*" * 31})),
    "five patterns for any label": lambda name: a_profile(
        name, a_selector("*", {**{f"?abel-{number}": "x*" for number in range(4)}, "*": "q"})
    ),
    "zones": lambda name: a_profile(name, a_selector("*", last="no"), zones=tuple(f"zone-{n:02}" for n in range(16))),
}


def fill(shape: Callable[[str], Profile], rest: list[Profile]) -> list[Profile]:
    """As many profiles of the shape as there is room for beside the others and one for `reach`."""
    profiles = [*rest, shape("zz-sentinel-0000"), *build(shape, MAX_COMPILED)]
    claims = [
        CapacityRequest(Registration(f"{n:04}", each.name), compile_profile(each)) for n, each in enumerate(profiles)
    ]
    allocated = compute_allocation(claims, ()).compiled
    return [profile for profile in profiles[len(rest) + 1 :] if profile.name in allocated]


def build(shape: Callable[[str], Profile], count: int) -> list[Profile]:
    return [shape(f"a{number:04}") for number in range(count)]


def a_pod_with_many_labels() -> PodBuilder:
    """Also with 58 containers, which its size is computed from."""
    pod = a_pod().labelled(FOUR)
    for number in range(19):
        pod.with_container(f"c{number}", cpu="100m", memory="100Mi")
        pod.with_init(f"i{number}", cpu="100m", memory="100Mi")
        pod.with_sidecar(f"s{number}", cpu="100m", memory="100Mi")
    labels = pod.build()["metadata"]["labels"]
    while (left := LABEL_CHARACTERS - sum(len(key) + len(value) + 2 for key, value in labels.items())) > 20:
        labels[f"filling-{len(labels):03}"] = "x" * min(50, left - 13)
    return pod.labelled(labels)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_pods_are_admitted_where_there_is_no_room_for_more_rows(
    server: Server, shape: Callable[[str], Profile]
) -> None:
    winner = a_profile("z", a_selector("*", app="*"))
    profiles = fill(shape, [winner])
    assert profiles
    reach(server, "full", [*profiles, winner])
    for pod in (a_pod(), a_pod_with_many_labels()):
        unmatched = server.create_pod("full", pod.build()).expect_ok()
        assert PROFILE_LABEL not in unmatched["metadata"].get("labels", {})
        matched = server.create_pod("full", pod.labelled(app="shop").build()).expect_ok()
        assert matched["metadata"]["labels"][PROFILE_LABEL] == "z"
