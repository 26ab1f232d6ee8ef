"""Writes the generated files; `hack/generate` calls it after the CRD and the policies."""

import sys
from pathlib import Path

from chartgen.templates import render_crds, render_ecs_rbac, render_ledger_rbac, render_policies, render_rbac
from chartgen.values_table import render_reference

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    """Writes each file and says which."""
    templates = ROOT / "charts" / "monopod" / "templates"
    files = {
        templates / "crds.yaml": render_crds(ROOT / "manifests" / "crd"),
        templates / "rbac.yaml": render_rbac(ROOT / "manifests" / "rbac"),
        templates / "ledger-rbac.yaml": render_ledger_rbac(ROOT / "manifests" / "ledger" / "rbac"),
        templates / "ecs-rbac.yaml": render_ecs_rbac(ROOT / "manifests" / "ecs"),
        templates / "policies.yaml": render_policies(),
        ROOT / "docs" / "reference" / "chart.md": render_reference(ROOT / "charts" / "monopod" / "values.yaml"),
        ROOT / "docs/reference/gvisor-node.md": render_reference(ROOT / "charts/gvisor-node/values.yaml"),
    }
    for path, text in files.items():
        path.write_text(text)
        print(f"chartgen: {path.relative_to(ROOT)}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
