"""The image of charts/gvisor-node: the operator's Debian Python, gVisor's programs as pinned, and gvisor-node/.

gvisor-node/Dockerfile makes the same content where Docker runs.
"""

import os
from pathlib import Path
from typing import Any

from image.layers import File, Tree, hash_parts, name_build, read_tree, write_archive, write_layer
from image.operator_image import ROOT, build_base
from lab.build.toolchain import build_tools
from lab.progress import step

REPOSITORY = "monopod.local/gvisor-node"
PROGRAMS = ("runsc", "containerd-shim-runsc-v1")
PROGRAMS_FOLDER = "opt/gvisor-node/bin"
SOURCE_FOLDER = "opt/gvisor-node/lib"
CONFIG: dict[str, Any] = {
    "User": "0:0",
    "Entrypoint": ["python3", "-m", "gvisor_node"],
    "WorkingDir": "/",
    "Env": ["PATH=/usr/bin", f"PYTHONPATH=/{SOURCE_FOLDER}", "PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1"],
}


def build_gvisor_node_image(cache: Path) -> Path:
    """Builds the image, or takes it from the cache, and returns its docker archive.

    Args:
        cache: Folder for layers and archives; made when it doesn't exist.

    Raises:
        lab.shell.CommandFailed: If packages can't be downloaded, or gVisor can't be built.
    """
    built = build_tools("gvisor")
    base = build_base(cache)
    source = read_tree(ROOT / "gvisor-node", _is_source, SOURCE_FOLDER)
    key = hash_parts(base.name, built["runsc"].parent.name, repr(sorted(source.items())), repr(CONFIG))
    archive = cache / f"gvisor-node-{key}.tar"
    if not archive.exists():
        with step("packing the image of gvisor-node"):
            programs: Tree = {f"{PROGRAMS_FOLDER}/{name}": File(built[name].read_bytes(), 0o755) for name in PROGRAMS}
            layer = cache / f"gvisor-node-{key}.{os.getpid()}.layer"
            write_layer(programs | source, layer)
            write_archive(archive, name_build(REPOSITORY, key), [base, layer], CONFIG)
            layer.unlink()
    return archive


def _is_source(path: str) -> bool:
    return path.startswith("gvisor_node/") and path.endswith(".py")
