"""Installs the Debian and Ubuntu packages that a node needs."""

import os
import shutil

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

    Raises:
        lab.shell.CommandFailed: If apt-get fails.
    """
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    missing = sorted({package for program, package in packages.items() if not shutil.which(program, path=path)})
    if not missing:
        return
    root = [] if os.geteuid() == 0 else ["sudo"]
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with step(f"installing {', '.join(missing)}", 15):
        run([*root, "apt-get", "update", "-q"], env=env, timeout=600)
        run([*root, "apt-get", "install", "-qy", "--no-install-recommends", *missing], env=env, timeout=600)
