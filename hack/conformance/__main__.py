"""Writes docs/conformance.md; `hack/generate` calls it."""

import sys
from collections import defaultdict
from pathlib import Path

from conformance.marks import Evidence, find_marks
from conformance.rules import read_rules
from conformance.table import render_table

ROOT = Path(__file__).resolve().parents[2]
TABLE = Path("docs/conformance.md")


def render(root: Path) -> str:
    """Returns what the table of the checkout at `root` should say."""
    shown: dict[str, list[Evidence]] = defaultdict(list)
    for rule, evidence in find_marks(root):
        shown[rule].append(evidence)
    return render_table(read_rules(root), shown)


def main() -> int:
    """Writes the file and says so."""
    (ROOT / TABLE).write_text(render(ROOT))
    print(f"conformance: {TABLE}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
