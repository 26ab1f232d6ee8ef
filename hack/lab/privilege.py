"""Root, where a cluster with nodes needs it: asked for through sudo, and its files given back to who asked."""

import os
import sys
from pathlib import Path

from lab.cluster.provider import ENGINE_VARIABLE, NO_ENGINE, find_engine
from lab.places import state_dir
from lab.progress import say

KEPT_BY_SUDO = (
    "PATH,PYTHONPATH,HOME,VIRTUAL_ENV,MONOPOD_CACHE,MONOPOD_ENGINE,MONOPOD_STATE,XDG_CACHE_HOME,XDG_STATE_HOME"
)


def become_root(module: str) -> None:
    """Starts the same command again through sudo where it needs root and this user isn't root.

    Args:
        module: The command's module, as for `python -m`.
    """
    if os.geteuid() == 0 or find_engine():
        return
    say("Without Docker the cluster's nodes need root: asking sudo.")
    # Root may reach a Docker that this user may not; the cluster would then be another one than this user can see.
    os.environ[ENGINE_VARIABLE] = NO_ENGINE
    again = [sys.executable, "-m", module, *sys.argv[1:]]
    os.execvp("sudo", ["sudo", f"--preserve-env={KEPT_BY_SUDO}", *again])  # noqa: S606 - replaces this process: no shell wanted


def give_back(kubeconfig: Path) -> None:
    """Lets the user who called sudo read the kubeconfig, and make clusters that need no root beside this one."""
    if "SUDO_UID" in os.environ:
        for path in (kubeconfig, state_dir()):
            os.chown(path, int(os.environ["SUDO_UID"]), int(os.environ["SUDO_GID"]))
