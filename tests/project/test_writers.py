"""The architecture's table of writers is the code's: each field of each object has one, and nothing else writes."""

import ast
import re
from collections import Counter
from pathlib import Path

from tests.project.repository import ROOT

PACKAGE = ROOT / "operator/monopod"
VERBS = ("apply", "create", "delete", "merge", "patch", "replace")
SHARED = ("kube/statuses.py",)
"""A tool of the writers; whoever makes a StatusWriter writes statuses."""


def find_writers() -> set[str]:
    """Modules of the operator that send writes to the API server, dry runs aside."""
    modules = {str(path.relative_to(PACKAGE)): path for path in PACKAGE.rglob("*.py")}
    return {name for name, path in modules.items() if not name.startswith("cli/") and _writes(path)} - set(SHARED)


def _writes(path: Path) -> bool:
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    return any(_is_write(call) or ast.unparse(call.func) == "StatusWriter" for call in calls)


def _is_write(call: ast.Call) -> bool:
    target, _, verb = ast.unparse(call.func).rpartition(".")
    is_dry_run = any(keyword.arg == "dry_run" and ast.unparse(keyword.value) == "True" for keyword in call.keywords)
    return verb in VERBS and target.endswith("api") and not is_dry_run


def read_table() -> list[list[str]]:
    """Object, what of it, writer."""
    text = (ROOT / "docs/architecture.md").read_text().split("## Who writes what")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[:1] == "|"]
    return rows[2:]


def test_every_writer_is_in_the_table_and_writes() -> None:
    assert {re.sub("[`| ]", "", writer) for _, _, writer in read_table()} == find_writers()


def test_no_two_rows_are_about_the_same_field() -> None:
    fields = Counter((of, what) for of, what, _ in read_table())
    assert [field for field, count in fields.items() if count > 1] == []
    whole = {of for of, what, _ in read_table() if what == "all"}
    assert [of for of, what, _ in read_table() if of in whole and what != "all"] == []
