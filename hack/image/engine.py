"""Images where the machine isn't Debian's: made by the container engine that runs kind, from Debian's own images.

Elsewhere the project makes them itself, from Debian's packages and without an engine (`debian`), which also works where
no registry of images can be reached.
"""

import os
import shutil
from pathlib import Path

from image.gvisor_node_image import REPOSITORY as GVISOR_NODE
from image.gvisor_node_image import build_gvisor_node_image
from image.layers import name_build
from image.operator_image import REPOSITORY, ROOT, build_operator_image
from image.small import BUSYBOX, BUSYBOX_COMMANDS, build_busybox_image
from lab.progress import step
from lab.shell import run

BUSYBOX_REFERENCE = "monopod.local/busybox:1"
BUSYBOX_DOCKERFILE = f"""\
FROM debian:bookworm-slim AS base
RUN apt-get update && apt-get install --yes --no-install-recommends busybox-static
RUN mkdir -p /image/usr/bin /image/etc /image/tmp && chmod 1777 /image/tmp && ln -s usr/bin /image/bin \\
 && cp /{BUSYBOX} /image/usr/bin/busybox \\
 && for name in {" ".join(BUSYBOX_COMMANDS)}; do ln -s busybox /image/usr/bin/$name; done \\
 && printf 'root:x:0:0::/:/bin/sh\\nnobody:x:65532:65532::/:/bin/sh\\n' > /image/etc/passwd
FROM scratch
COPY --from=base /image /
ENV PATH=/usr/bin
CMD ["sh"]
"""


def has_debian_tools() -> bool:
    """Tells whether this machine can download and unpack Debian's packages."""
    return all(shutil.which(program) for program in ("apt-get", "dpkg-deb"))


def provide_operator_image(cache: Path, engine: str | None) -> Path:
    """Builds the operator's image in the way that this machine can, and returns its archive.

    Raises:
        lab.shell.CommandFailed: If it can't be built.
    """
    if engine is None or has_debian_tools():
        return build_operator_image(cache)
    with step("building the operator's image", 120):
        identity = run([engine, "build", "--quiet", "."], cwd=ROOT, timeout=None).stdout.strip()
        digest = identity.removeprefix("sha256:")[:12]
        return _save(engine, identity, name_build(REPOSITORY, digest), cache / f"operator-{digest}.tar")


def provide_gvisor_node_image(cache: Path, engine: str | None) -> Path:
    """Builds the image of charts/gvisor-node in the way that this machine can, and returns its archive.

    Raises:
        lab.shell.CommandFailed: If it can't be built.
    """
    if engine is None or has_debian_tools():
        return build_gvisor_node_image(cache)
    with step("building the image of gvisor-node", 300):
        command = [engine, "build", "--quiet", "--file", "gvisor-node/Dockerfile", "."]
        identity = run(command, cwd=ROOT, timeout=None).stdout.strip()
        digest = identity.removeprefix("sha256:")[:12]
        return _save(engine, identity, name_build(GVISOR_NODE, digest), cache / f"gvisor-node-{digest}.tar")


def provide_busybox_image(cache: Path, engine: str | None) -> Path:
    """Builds the samples' image in the way that this machine can, and returns its archive.

    Raises:
        lab.shell.CommandFailed: If it can't be built.
    """
    if engine is None or has_debian_tools():
        return build_busybox_image(cache, BUSYBOX_REFERENCE)
    with step("building the samples' image", 30):
        built = run([engine, "build", "--quiet", "-"], stdin=BUSYBOX_DOCKERFILE, timeout=None).stdout.strip()
        return _save(engine, built, BUSYBOX_REFERENCE, cache / f"busybox-{built.removeprefix('sha256:')[:12]}.tar")


def _save(engine: str, identity: str, reference: str, archive: Path) -> Path:
    if not archive.exists():
        run([engine, "tag", identity, reference])
        archive.parent.mkdir(parents=True, exist_ok=True)
        fresh = archive.with_suffix(f".{os.getpid()}")
        run([engine, "save", "--output", fresh, reference], timeout=None)
        fresh.rename(archive)
    return archive
