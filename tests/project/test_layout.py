"""Where things are, and how large they may be."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project.repository import ROOT, list_files

MAX_LINES = 400


def test_operator_is_no_package() -> None:
    """With operator/__init__.py it would shadow the standard library's operator, and no `python -m` would start."""
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_the_standard_librarys_operator_is_found_from_the_root() -> None:
    command = [sys.executable, "-c", "import operator; print(operator.add(1, 1))"]
    assert subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout == "2\n"


@pytest.mark.parametrize("path", list_files("*.py", "hack/*", ":!:*.lock", ":!:*go.sum", ":!:*go.mod"), ids=str)
def test_no_source_file_is_longer_than_400_lines(path: Path) -> None:
    assert len((ROOT / path).read_text().splitlines()) <= MAX_LINES, "split it"


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    places = {str(ROOT), str(Path.home()), os.environ.get("HOME", "")} - {"", "/"}
    pattern = re.compile("|".join(rf"(?<![\w.-]){re.escape(place)}(?![\w-])" for place in sorted(places)))
    found = [
        f"{path}:{number}: {line.strip()}"
        for path in list_files()
        for number, line in enumerate((ROOT / path).read_text(errors="replace").splitlines(), start=1)
        if pattern.search(line)
    ]
    assert found == []


LICENCED = {
    "pyproject.toml": 'license = "Apache-2.0"',
    "charts/monopod/Chart.yaml": "artifacthub.io/license: Apache-2.0",
    "charts/gvisor-node/Chart.yaml": "artifacthub.io/license: Apache-2.0",
    "README.md": "[Apache-2.0](LICENSE)",
}
"""Where those who use a part look for its licence, and what stands there."""


@pytest.mark.parametrize("path", LICENCED)
def test_the_licence_is_named_where_one_looks_for_it(path: str) -> None:
    assert LICENCED[path] in (ROOT / path).read_text()


def test_the_licence_is_there_in_full() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License\n" in text
    assert "9. Accepting Warranty or Additional Liability." in text


SUPPRESSION = re.compile(
    r"#\s*(?:noqa(?::\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*)?|type:\s*ignore(?:\[[\w, -]*\])?)(?P<reason>.*)$"
)


def test_every_suppressed_warning_has_a_reason_beside_it() -> None:
    without = [
        f"{path}:{number}: {line.strip()}"
        for path in list_files("*.py")
        for number, line in enumerate((ROOT / path).read_text().splitlines(), start=1)
        if (match := SUPPRESSION.search(line)) and len(match["reason"].strip(" #-:–").split()) < 2
    ]
    assert without == []


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = {name for line in re.findall(r"^\.PHONY: (.*)", makefile, re.MULTILINE) for name in line.split()}
    environment = {**os.environ, "MAKEFLAGS": ""}
    shown = subprocess.run(["make", "help"], cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
    assert {line.split()[0] for line in shown.stdout.splitlines() if line.strip()} == targets
