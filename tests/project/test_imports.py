"""Which package may import which, and what must not be loaded for a quick start."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project.repository import ROOT, find_files

SLOW = ("kopf", "kubernetes", "aiohttp", "kubernetes_asyncio")


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


@pytest.mark.parametrize("path", find_files("operator/monopod/domain/*.py"), ids=str)
def test_the_domain_imports_the_standard_library_pydantic_and_the_api_types(path: Path) -> None:
    strangers = {
        module
        for module in find_imports(path)
        if module.split(".")[0] not in sys.stdlib_module_names | {"pydantic"}
        and not module.startswith(("monopod.api", "monopod.domain"))
    }
    assert strangers == set()


@pytest.mark.parametrize("module", ["monopod", "monopod.api", "monopod.domain", "monopod.cli"])
def test_importing_loads_neither_kopf_nor_the_kubernetes_client(module: str) -> None:
    """The CLI answers in a third of a second; either of the two would cost more than that alone."""
    program = f"import sys, {module}; print([name for name in {SLOW} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert answer.stdout == "[]\n"
