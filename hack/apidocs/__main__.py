"""Writes docs/reference/api.md and docs/reference/operator.md; `hack/generate` calls it."""

import sys
from pathlib import Path

from apidocs.options import render_options
from apidocs.page import render_page
from chartgen.arguments import read_arguments
from monopod.api.crd import KINDS
from monopod.manager.options import OperatorOptions

ROOT = Path(__file__).resolve().parents[2]
DEPLOYMENT = ROOT / "charts/monopod/templates/deployment.yaml"


def main() -> int:
    """Writes each file and says which."""
    pages = {"api": render_page(KINDS), "operator": render_options(OperatorOptions, read_arguments(DEPLOYMENT))}
    for name, text in pages.items():
        path = Path(f"docs/reference/{name}.md")
        (ROOT / path).write_text(text)
        print(f"apidocs: {path}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
