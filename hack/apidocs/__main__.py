"""Writes api.md, operator.md, ledger.md and aws.md in docs/reference; `hack/generate` calls it."""

import sys
from pathlib import Path

from apidocs.options import AWS_INTRODUCTION, INTRODUCTION, LEDGER_INTRODUCTION, render_options
from apidocs.page import render_page
from chartgen.arguments import read_arguments
from monopod.api.crd import KINDS
from monopod.aws.options import AwsOptions
from monopod.ledger.options import LedgerOptions
from monopod.manager.options import OperatorOptions

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "charts/monopod/templates"


def main() -> int:
    """Writes each file and says which."""
    operator, ledger, aws = (
        read_arguments(TEMPLATES / name) for name in ("deployment.yaml", "ledger.yaml", "aws.yaml")
    )
    pages = {
        "api": render_page(KINDS),
        "operator": render_options(INTRODUCTION, OperatorOptions, operator),
        "ledger": render_options(LEDGER_INTRODUCTION, LedgerOptions, ledger),
        "aws": render_options(AWS_INTRODUCTION, AwsOptions, aws),
    }
    for name, text in pages.items():
        path = Path(f"docs/reference/{name}.md")
        (ROOT / path).write_text(text)
        print(f"apidocs: {path}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
