"""The files of this repository, as git sees them: committed ones and new ones, without what is ignored."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def list_files(*patterns: str) -> list[Path]:
    """Paths relative to the root, of those files whose path matches one of the git patterns."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *patterns]
    listing = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    paths = [Path(name) for name in listing.split("\0") if name]
    # A file that was deleted and not committed yet is still in git's list.
    return [path for path in paths if (ROOT / path).is_file()]
