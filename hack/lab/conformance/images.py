"""Stand-ins for the images of Kubernetes' conformance tests, for nodes that can't pull.

The program in most pods, agnhost, is built from the tests' own sources; its image gets busybox's commands, and busybox
also stands in for nginx. A spec that needs more of an image fails with a profile and without, and so says nothing.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from image.layers import File, Tree
from image.small import build_busybox_tree, build_image, build_pause_image
from lab.build.toolchain import build_tools
from lab.progress import step
from lab.shell import run

WEB_ROOT = "usr/share/nginx/html"
CONFIGS: Mapping[str, Mapping[str, object]] = {
    "agnhost": {"Entrypoint": ["/agnhost"], "Cmd": ["pause"], "Env": ["PATH=/usr/bin:/"]},
    "busybox": {"Cmd": ["sh"], "Env": ["PATH=/usr/bin"]},
    "nginx": {"Cmd": ["httpd", "-f", "-p", "80", "-h", f"/{WEB_ROOT}"], "Env": ["PATH=/usr/bin"]},
}


def build_conformance_images(cache: Path) -> list[Path]:
    """Builds the archives, or takes them from the cache."""
    programs = build_tools("conformance")
    names: dict[str, list[str]] = json.loads(run([programs["conformance.test"], "--print-images"]).stdout)
    extra: dict[str, Tree] = {
        "agnhost": {"agnhost": File(programs["agnhost"].read_bytes(), 0o755)},
        "busybox": {},
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
