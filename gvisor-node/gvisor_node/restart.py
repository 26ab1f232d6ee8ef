"""Restarts the service that runs containerd, by the node's own systemctl. Pods go on: their shims don't end with it."""

import ctypes
import os
import subprocess
from collections.abc import Callable, Sequence

_CLONE_NEWNS = 0x00020000
_SECONDS = 180
_libc = ctypes.CDLL(None, use_errno=True)

Run = Callable[[Sequence[str]], "subprocess.CompletedProcess[str]"]


class NotRestarted(Exception):
    """The service isn't running again; the message says what systemctl said."""


def run_on_node(command: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Runs a program of the node in the mount namespace of its process 1, which a pod with hostPID sees.

    In a mere chroot systemctl refuses to restart anything.
    """
    return subprocess.run(
        command,
        preexec_fn=_enter_node,  # this program has one thread
        env={"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )


def _enter_node() -> None:
    namespace = os.open("/proc/1/ns/mnt", os.O_RDONLY)
    if _libc.setns(namespace, _CLONE_NEWNS):
        raise OSError(ctypes.get_errno(), "setns")
    os.close(namespace)


def restart(units: Sequence[str], run: Run = run_on_node) -> str:
    """Restarts the first of these units that is active, and returns its name.

    Raises:
        NotRestarted: none is active, or it doesn't come back.
    """
    try:
        unit = next((unit for unit in units if run(["systemctl", "is-active", "--quiet", unit]).returncode == 0), None)
        if unit is None:
            raise NotRestarted(f"no unit of {', '.join(units)} is active on the node")
        done = run(["systemctl", "restart", unit])
    except (OSError, subprocess.SubprocessError) as error:
        raise NotRestarted(f"systemctl can't be run on the node: {error}") from None
    if done.returncode:
        raise NotRestarted(f"systemctl restart {unit}: {done.stderr.strip() or done.returncode}")
    return unit
