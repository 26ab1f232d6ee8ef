"""The control groups of a cluster's pods, under a root of the cluster's own, on cgroup v1 and v2."""

import contextlib
import os
import time
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def cgroup_root(cluster: str) -> str:
    """The parent of all cgroups of a cluster, as the kubelet wants it named."""
    return f"/monopod-{cluster}"


def make_cgroups(cluster: str, node: str) -> str:
    """Makes the node's root in every hierarchy (the kubelet wants it there) and returns its name."""
    name = f"{cgroup_root(cluster)}/{node}"
    for hierarchy in _hierarchies():
        (hierarchy / name.lstrip("/")).mkdir(parents=True, exist_ok=True)
        _inherit_cpuset(hierarchy, name)
    return name


def remove_cgroups(cluster: str, node: str = "") -> None:
    """Removes what is left of a cluster's cgroups, or of one node's, once its processes are gone."""
    for hierarchy in _hierarchies():
        root = hierarchy / cgroup_root(cluster).lstrip("/") / node
        deadline = time.monotonic() + 5
        while root.exists() and time.monotonic() < deadline:
            for folder, _, _ in os.walk(root, topdown=False):  # which minds no folder that goes away meanwhile
                with contextlib.suppress(OSError):
                    os.rmdir(folder)  # busy while the kernel still reaps its last process
            time.sleep(0.02)


def is_v2() -> bool:
    """Tells whether the machine has the unified hierarchy only."""
    return (CGROUPS / "cgroup.controllers").exists()


def _hierarchies() -> list[Path]:
    if is_v2():
        return [CGROUPS]
    return [entry for entry in CGROUPS.iterdir() if entry.is_dir() and not entry.is_symlink()]


def _inherit_cpuset(hierarchy: Path, name: str) -> None:
    # A new cpuset of cgroup v1 has neither CPUs nor memory nodes, and no process can enter it.
    if not (hierarchy / "cpuset.cpus").exists() or is_v2():
        return
    folder = hierarchy
    for part in name.strip("/").split("/"):
        for file in ("cpuset.cpus", "cpuset.mems"):
            if not (folder / part / file).read_text().strip():
                (folder / part / file).write_text((folder / file).read_text())
        folder = folder / part
