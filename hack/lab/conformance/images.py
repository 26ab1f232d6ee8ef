"""Stand-ins for the images of Kubernetes' conformance tests, for nodes that can't pull.

The program in most pods, agnhost, is built from the tests' own sources; its image gets the commands that specs run in
it, from busybox and from Debian's packages, and the certificate that some serve or ask for. The image of the DNS tests
is the same, and busybox stands in for nginx. A spec that needs more of an image fails with a profile and without, and
so says nothing.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from image.debian import describe_release, download_packages, unpack_packages
from image.layers import File, Link, Tree, hash_parts
from image.small import build_busybox_tree, build_image, build_pause_image
from lab.build.toolchain import build_tools
from lab.progress import step
from lab.shell import run

PACKAGES = ("bash", "bind9-dnsutils", "curl", "dash", "iproute2", "libc-bin", "netcat-openbsd")
"""As in agnhost's Dockerfile: `dig`, `curl`, `ss`, `getent`, an `nc` with -v and -t, where busybox's shell would take
its own."""

WEB_ROOT = "usr/share/nginx/html"
CONFIGS: Mapping[str, Mapping[str, object]] = {
    "agnhost": {"Entrypoint": ["/agnhost"], "Cmd": ["pause"], "Env": ["PATH=/usr/bin:/usr/sbin:/"]},
    "busybox": {"Cmd": ["sh"], "Env": ["PATH=/usr/bin"]},
    "dns": {"Cmd": ["sh"], "Env": ["PATH=/usr/bin:/usr/sbin"]},
    "nginx": {"Cmd": ["httpd", "-f", "-p", "80", "-h", f"/{WEB_ROOT}"], "Env": ["PATH=/usr/bin"]},
}


def build_conformance_images(cache: Path) -> list[Path]:
    """Builds the archives, or takes them from the cache."""
    programs = build_tools("conformance")
    names: dict[str, list[str]] = json.loads(run([programs["conformance.test"], "--print-images"]).stdout)
    tools = _fetch_tools(cache)
    porter = {path.name: File(path.read_bytes()) for path in sorted(programs["porter"].iterdir())}
    # By the second name specs know whether a pod's own command is run.
    agnhost: Tree = {"agnhost": File(programs["agnhost"].read_bytes(), 0o755), "agnhost-2": Link("agnhost")}
    extra: dict[str, Tree] = {
        "agnhost": tools | porter | agnhost,
        # Busybox's own shell doesn't pass on a variable with a dash in its name.
        "busybox": tools | {"usr/bin/sh": Link("bash")},
        "dns": tools,
        "nginx": {f"{WEB_ROOT}/index.html": File(b"<h1>Welcome to nginx!</h1>\n")},
    }
    with step("packing the images of the conformance tests"):
        busybox = build_busybox_tree(cache)
        built = [
            build_image(cache, reference, busybox | tree, CONFIGS[kind])
            for kind, tree in extra.items()
            for reference in names[kind]
        ]
        return [*built, *(build_pause_image(cache, reference) for reference in names["pause"])]


def _fetch_tools(cache: Path) -> Tree:
    folder = cache / f"conformance-tools-{describe_release()}-{hash_parts(repr(PACKAGES))}"
    if not folder.exists():
        with step("downloading the commands of the conformance tests' images"):
            fresh = folder.with_suffix(f".{os.getpid()}")
            fresh.mkdir(parents=True)
            download_packages(fresh, PACKAGES)
            fresh.rename(folder)
    # Links that the packages' scripts make, which aren't run here.
    links: Tree = {"usr/bin/nc": Link("nc.openbsd"), "usr/bin/sh": Link("dash")}
    return unpack_packages(sorted((folder / "archives").glob("*.deb"))) | links
