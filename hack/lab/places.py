"""Where the local cluster keeps things: builds and images in the cache, running clusters in the state folder."""

import os
from pathlib import Path


def cache_dir() -> Path:
    """Builds, images and environments; safe to delete, slow to make again. `$MONOPOD_CACHE` moves it."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "monopod"
    return Path(os.environ.get("MONOPOD_CACHE") or default)


def state_dir() -> Path:
    """One folder per running cluster. `$MONOPOD_STATE` moves it."""
    default = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "monopod"
    return Path(os.environ.get("MONOPOD_STATE") or default)
