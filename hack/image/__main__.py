"""`hack/run python -m image NAME`: builds one of our images and prints its archive and its name."""

import sys

from image.gvisor_node_image import build_gvisor_node_image
from image.layers import read_reference
from image.operator_image import build_operator_image
from image.small import build_busybox_image, build_pause_image
from lab.places import cache_dir

BUILDERS = {
    "operator": build_operator_image,
    "gvisor-node": build_gvisor_node_image,
    "busybox": build_busybox_image,
    "pause": build_pause_image,
}


def main(arguments: list[str]) -> int:
    """Builds the image that the only argument names."""
    if len(arguments) != 1 or arguments[0] not in BUILDERS:
        print(f"usage: python -m image {'|'.join(BUILDERS)}", file=sys.stderr)
        return 2
    archive = BUILDERS[arguments[0]](cache_dir() / "images")
    print(archive, read_reference(archive), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
