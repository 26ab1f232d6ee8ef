"""Installs the Debian and Ubuntu packages that a node needs."""

import fcntl
import os
import shutil

from lab.places import cache_dir
from lab.progress import step
from lab.shell import run

NODE_PACKAGES = {
    "runc": "runc",
    "iptables": "iptables",
    "ipset": "ipset",
    "conntrack": "conntrack",
    "nft": "nftables",
    "ip": "iproute2",
    "modprobe": "kmod",
    "pgrep": "procps",
    "busybox": "busybox-static",
}
"""Program to the package that has it."""


def install_packages(packages: dict[str, str]) -> None:
    """Installs the packages of those programs that aren't there.

    Tiers that run side by side wait for each other: apt-get gives up where another one is at work.

    Raises:
        lab.shell.CommandFailed: If apt-get fails.
    """
    cache_dir().mkdir(parents=True, exist_ok=True)
    with (cache_dir() / "apt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _install_missing(packages)


def _install_missing(packages: dict[str, str]) -> None:
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    missing = sorted({package for program, package in packages.items() if not shutil.which(program, path=path)})
    if not missing:
        return
    root = [] if os.geteuid() == 0 else ["sudo"]
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with step(f"installing {', '.join(missing)}", 15):
        run([*root, "apt-get", "update", "-q"], env=env, timeout=600)
        run([*root, "apt-get", "install", "-qy", "--no-install-recommends", *missing], env=env, timeout=600)
