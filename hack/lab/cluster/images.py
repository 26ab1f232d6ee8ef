"""The images that every node gets: nothing can be pulled here."""

from pathlib import Path

from image.small import build_binary_image, build_busybox_image, build_pause_image
from lab.cluster.addons import COREDNS_IMAGE
from lab.cluster.node import PAUSE_IMAGE
from lab.places import cache_dir

BUSYBOX_IMAGE = "monopod.local/busybox:1"


def build_node_images(coredns: Path) -> list[Path]:
    """Builds the archives of the pause, busybox and CoreDNS images, or takes them from the cache.

    Args:
        coredns: The built CoreDNS; its folder's name holds its version, and so does the archive's.
    """
    cache = cache_dir() / "images"
    cache.mkdir(parents=True, exist_ok=True)
    archive = cache / f"{coredns.parent.name}.tar"
    if not archive.exists():
        fresh = build_binary_image(COREDNS_IMAGE, coredns, archive.with_suffix(".new"))
        fresh.rename(archive)
    return [build_pause_image(cache, PAUSE_IMAGE), build_busybox_image(cache, BUSYBOX_IMAGE), archive]
