"""What is generated and committed is what its sources say."""

import hashlib
import shutil
import subprocess
from pathlib import Path

from tests.project.repository import ROOT, list_files


def read_digests(root: Path) -> dict[str, str]:
    files = [path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_generating_again_changes_nothing(tmp_path: Path) -> None:
    """Runs hack/generate in a copy, so that a stale file is reported and not overwritten."""
    for path in list_files():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / path, tmp_path / path)
    before = read_digests(tmp_path)
    answer = subprocess.run([tmp_path / "hack" / "generate"], check=False, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    after = read_digests(tmp_path)
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    assert changed == [], "run `make generate` and commit what it writes"
