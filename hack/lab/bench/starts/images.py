"""Two images of one size, for a pod to start by: one that the node is to have, and one that it forgets each time.

They have nothing in common with each other or with any image of the node, so that what is pulled is all of an image.
"""

import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

from image.layers import File, write_archive, write_layer
from image.small import build_busybox_tree
from lab.aws.registry import TAG, Registry, install_registry_of
from lab.bench.cluster import wait_until
from lab.cluster.provider import Cluster
from lab.places import cache_dir
from lab.shell import run

REGISTRY = Registry("starts-registry", 5006)
WARM = f"{REGISTRY.host}/warm:{TAG}"
COLD = f"{REGISTRY.host}/cold:{TAG}"
PATIENCE_SECONDS = 240.0
CONFIG = {"Cmd": ["sh"], "Env": ["PATH=/usr/bin"]}


def install_images(cluster: Cluster, mebibytes: int) -> None:
    """Makes both images, of busybox and so much that can't be compressed, to be had from a registry on the node."""
    with tempfile.TemporaryDirectory() as folder:
        archives = {name: _build_image(Path(folder, name), name, mebibytes) for name in ("warm", "cold")}
        install_registry_of(cluster, REGISTRY, archives)


def _build_image(target: Path, name: str, mebibytes: int) -> Path:
    layer = target.with_suffix(".layer")
    ballast = random.Random(name).randbytes(mebibytes << 20)  # noqa: S311 the same in each run, and no secret
    write_layer(build_busybox_tree(cache_dir() / "images") | {"ballast": File(ballast)}, layer)
    write_archive(target, f"monopod.local/starts-{name}:1", [layer], CONFIG)
    return target


def forget_image(cluster: Cluster) -> None:
    """Removes the cold image from the node with all that it consists of, as if it had never been there."""
    names = find_names(run(_enter(cluster, "images", "ls")).stdout, COLD)
    # As long as a container of it exists, its layer is kept, and not pulled again.
    wait_until(lambda: not _is_used(cluster, names), f"the end of all containers of {COLD}", PATIENCE_SECONDS, 0.2)
    run(_enter(cluster, "images", "rm", "--sync", *names))


def _is_used(cluster: Cluster, names: Sequence[str]) -> bool:
    containers = run(_enter(cluster, "containers", "ls")).stdout.split()
    return not set(names).isdisjoint(containers)


def find_names(listed: str, image: str) -> list[str]:
    """All names under which containerd has an image: by tag, by digest, and that of the kubelet, which is its id.

    Args:
        listed: what `ctr images ls` prints: a heading, then the name, the type and the digest of each.
        image: one of the names.
    """
    digests = {words[0]: words[2] for words in map(str.split, listed.splitlines()[1:]) if len(words) > 2}
    return [name for name, digest in digests.items() if image in digests and digest == digests[image]]


def _enter(cluster: Cluster, *argv: str) -> list[str | Path]:
    return cluster.enter_ctr("--namespace", "k8s.io", *argv)
