"""The pinned versions of hack/versions.env."""

import functools
import re
from pathlib import Path

HACK = Path(__file__).resolve().parents[2]


@functools.cache
def read_pins(path: Path = HACK / "versions.env") -> dict[str, str]:
    """Returns the pins by name without the `_VERSION` suffix, in lower case: `{"kubernetes": "1.36.3", …}`."""
    lines = re.findall(r"^([A-Z_]+)_VERSION=(\S+)", path.read_text(), re.MULTILINE)
    return {name.lower(): version for name, version in lines}
