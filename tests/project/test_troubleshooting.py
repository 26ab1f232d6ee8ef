"""The page for troubleshooting quotes what the program really says."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from monopod.api import reasons
from tests.documents import ROOT, read_blocks
from tests.project.repository import list_files

PAGE = Path("docs/how-to/troubleshooting.md")
EVENT = re.compile(r"(?:Warning|Normal)\s+(?P<reason>\w+)\s+")
QUOTES = [
    line
    for block in read_blocks(PAGE)
    if block.language == "text"
    for line in block.lines
    if not line.startswith("kubectl ")
]
REASONS = {
    str(member)
    for family in vars(reasons).values()
    if isinstance(family, type) and issubclass(family, reasons.Documented)
    for member in family
}


def read_texts(path: Path) -> Iterator[str]:
    """The texts in a source file; of those with values in them, what stands between the values."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield " ".join(node.value.split())


TEXT = "\n".join(text for path in list_files("operator/monopod/*.py") for text in read_texts(path))


@pytest.mark.parametrize("line", QUOTES)
def test_every_line_that_is_quoted_is_said_by_the_program(line: str) -> None:
    said = EVENT.sub("", line)
    # A message may be put together from several texts, between which there is a mark of punctuation.
    parts = (part.strip(" .,:;/") for part in re.split(r"…|: |, |\. ", said))
    assert [part for part in parts if part not in TEXT] == []


@pytest.mark.parametrize("line", [line for line in QUOTES if EVENT.match(line)])
def test_every_event_that_is_quoted_has_a_reason_of_ours(line: str) -> None:
    found = EVENT.match(line)
    assert found
    assert found["reason"] in REASONS
