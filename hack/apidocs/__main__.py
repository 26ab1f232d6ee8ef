"""Writes docs/reference/api.md; `hack/generate` calls it."""

import sys
from pathlib import Path

from apidocs.page import render_page
from monopod.api.crd import KINDS

ROOT = Path(__file__).resolve().parents[2]
PAGE = Path("docs/reference/api.md")


def main() -> int:
    """Writes the file and says so."""
    (ROOT / PAGE).write_text(render_page(KINDS))
    print(f"apidocs: {PAGE}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
