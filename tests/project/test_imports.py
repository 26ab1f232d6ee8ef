"""Which room may import which, and what must not be loaded for a quick start."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project.repository import ROOT, list_files

SLOW = ("kopf", "kubernetes", "aiohttp", "kubernetes_asyncio")
RULES = list_files("operator/monopod/*/rules/*.py", "operator/monopod/selectors/*.py")
QUICK = ["monopod", "monopod.api", "monopod.pods.rules.decision", "monopod.isolation.rules", "monopod.cli"]


def test_imports_go_one_way() -> None:
    """The contracts themselves are in pyproject.toml."""
    answer = subprocess.run(["lint-imports", "--no-cache"], cwd=ROOT, check=False, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def find_imports(path: Path) -> set[str]:
    modules: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules.add(node.module)
    return modules


@pytest.mark.parametrize("path", RULES, ids=str)
def test_rules_import_the_standard_library_pydantic_and_each_other(path: Path) -> None:
    """What of the standard library, and which rooms, is said in pyproject.toml."""
    known = sys.stdlib_module_names | {"pydantic", "monopod"}
    assert {module for module in find_imports(path) if module.split(".")[0] not in known} == set()


@pytest.mark.parametrize("module", QUICK)
def test_importing_loads_neither_kopf_nor_the_kubernetes_client(module: str) -> None:
    """The CLI answers in a third of a second; either of the two would cost more than that alone."""
    program = f"import sys, {module}; print([name for name in {SLOW} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert answer.stdout == "[]\n"


def find_folders() -> dict[str, int]:
    """Folders of the operator and the local cluster, with how many modules are in each."""
    paths = [path for path in list_files("operator/*.py", "hack/lab/*.py") if path.name != "__init__.py"]
    return {str(folder): [path.parent for path in paths].count(folder) for folder in {path.parent for path in paths}}


def test_every_room_is_small_enough_to_be_seen_at_once() -> None:
    """Where there are more, some of them are a room of their own."""
    assert {folder: modules for folder, modules in find_folders().items() if modules > 15} == {}


@pytest.mark.parametrize("path", list_files("operator/monopod/pods/cel/*.py"), ids=str)
def test_each_rule_of_a_pods_decision_is_told_in_both_languages(path: Path) -> None:
    """A file of the same name in `rules` says the same in Python."""
    alone = {"gates.py": "only admission writes gates"}
    twin = path.parent.parent / "rules" / path.name
    assert (ROOT / twin).is_file() or path.name in alone
