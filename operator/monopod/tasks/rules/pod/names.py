"""What containers and volumes of a task are called in its pod, where names are labels of DNS."""

import hashlib
import re
from typing import Final

_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_KEPT: Final = 48


def name_in_pod(name: str) -> str:
    """The name itself if it may be one in a pod; else what is left of it, and a digest by which no two are the same."""
    if _LABEL.fullmatch(name):
        return name
    kept = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_KEPT].rstrip("-")
    digest = hashlib.sha256(name.encode()).hexdigest()[:10]
    return f"{kept}-{digest}" if kept else f"x-{digest}"
