"""A real kubelet's garbage collection takes images that nothing uses, and spares those that a profile keeps warm."""

from collections.abc import Iterator

import pytest

from image.small import build_busybox_tree, build_image
from lab.aws.registry import KEPT
from lab.places import cache_dir
from lab.shell import run
from tests.e2e.kubelet import configured
from tests.e2e.live import Live, Object
from tests.e2e.workloads import SANDBOXED, a_profile

PROFILE = "kept-images"
UNUSED = "monopod.local/unused-busybox:1"
AT_ONCE = {"imageMinimumGCAge": "1ns", "imageMaximumGCAge": "2ns"}
"""Thus a kubelet collects as soon as it starts; it looks again after five minutes only."""
SECONDS = 180


def list_images(live: Live) -> set[str]:
    """The images that the node has, by all their names."""
    lines = run(live.cluster.enter_ctr("--namespace", "k8s.io", "images", "ls")).stdout.splitlines()[1:]
    return {line.split()[0] for line in lines}


@pytest.fixture
def pinned(live: Live) -> None:
    """No image that is on the node by now is ever collected: other tests' can't be pulled again."""
    label = live.cluster.enter_ctr("--namespace", "k8s.io", "images", "label")
    for name in list_images(live):
        run([*label, name, "io.cri-containerd.pinned=pinned"])


@pytest.fixture
def unused(live: Live, pinned: None) -> Iterator[None]:
    """An image that nothing uses."""
    load_unused(live)
    yield
    live.kubectl("delete", "fargateprofile", PROFILE, "--ignore-not-found", "--wait=true", "--timeout=150s")


def load_unused(live: Live) -> None:
    cache = cache_dir() / "images"
    config = {"Cmd": ["sh"], "Env": ["PATH=/usr/bin"], "Labels": {"of": "nobody"}}
    live.cluster.load_image_archive(build_image(cache, UNUSED, build_busybox_tree(cache), config))


def keep_warm(live: Live) -> None:
    """Has a profile keep the image on the node."""
    profile = a_profile(PROFILE, "kept-*", SANDBOXED)
    profile["spec"]["warmImages"] = {"images": [KEPT]}
    live.apply(profile)

    def look() -> bool:
        status: Object = live.get("fargateprofile", PROFILE).get("status", {})
        return any(each["nodes"] for each in status.get("warmImages", {}).get("images", ()))

    live.wait_for(look, "the image on the node", SECONDS)


def test_an_image_that_is_kept_warm_is_spared_where_the_kubelet_collects_others(live: Live, unused: None) -> None:
    pull = live.cluster.enter_ctr("--namespace", "k8s.io", "images", "pull", "--plain-http", KEPT)
    run(pull)
    with configured(live, **AT_ONCE) as restart:
        restart()
        live.wait_for(lambda: not {KEPT, UNUSED} & list_images(live), "both collected, as nothing uses them", SECONDS)

        keep_warm(live)
        load_unused(live)
        assert {KEPT, UNUSED} <= list_images(live)
        restart()
        live.wait_for(lambda: UNUSED not in list_images(live), "the unused one collected again", SECONDS)
    assert KEPT in list_images(live)
