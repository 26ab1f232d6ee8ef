"""What a cluster of our own has on this machine, and must not leave there."""

import json
import subprocess
from pathlib import Path


def find_processes(cluster: str) -> list[str]:
    """Command lines of processes that name the cluster's folder, as all of a node's do."""
    marker = f"/{cluster}/".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue  # it ended meanwhile
        if marker in words:
            found.append(words.replace(b"\0", b" ").decode(errors="replace"))
    return found


def find_interfaces() -> set[str]:
    said = subprocess.run(["ip", "-json", "link"], capture_output=True, text=True, timeout=10, check=True).stdout
    return {link["ifname"] for link in json.loads(said)}
