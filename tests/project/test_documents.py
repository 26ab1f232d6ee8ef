"""What the documents say can be found, followed and run."""

import re
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest
import yaml

from monopod.pods.rules.size import SIZE_TABLE, format_capacity
from tests.documents import (
    OFFLINE,
    ROOT,
    SETTINGS,
    Block,
    find_anchors,
    find_links,
    is_as_shown,
    read_blocks,
    read_commands,
    read_prose,
    run_block,
)
from tests.project.repository import list_files

DOCUMENTS = list_files("*.md")
INDEX = Path("docs/README.md")
MAX_COLUMNS = 120
BLOCKS = [block for document in DOCUMENTS for block in read_blocks(document)]
COMMAND_BLOCKS = [block for block in BLOCKS if block.language in ("sh", "console", "bash", "shell")]

RUN_COMMANDS = {command.bare for block in COMMAND_BLOCKS if block.setting for command in read_commands(block)}
"""What a test takes from some document; another document may show it without running it again."""
NOT_RUN: dict[str, str] = {
    "./hack/demo": "tests/e2e runs it",
    "./hack/demo ecs": "tests/e2e plays what it plays",
    "./hack/demo scale": "tests/e2e runs it",
    "kubectl get runtimeclasses": "shows what a cluster of the reader's has",
    "kubectl apply --server-side -k manifests/default": "instead of helm install; tests/chart compares the two",
    "docker build -t registry.example.com/monopod:0.1.0 .": "needs Docker",
    "docker push registry.example.com/monopod:0.1.0": "needs a registry",
}
"""Commands that no test takes from a document, each with the reason. Anything else must say where it runs."""


def find_targets(document: Path) -> Iterator[tuple[str, Path, str]]:
    """The links of a document that stay within the repository: as written, the path, the anchor."""
    for link in find_links(document):
        if "://" not in link and not link.startswith("mailto:"):
            path, _, anchor = link.partition("#")
            target = (ROOT / document).parent / path if path else ROOT / document
            yield link, Path(target.resolve().relative_to(ROOT)), anchor


def is_broken(target: Path, anchor: str) -> bool:
    if not (ROOT / target).exists():
        return True
    return bool(anchor) and target.suffix == ".md" and anchor not in find_anchors(target)


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_link_leads_somewhere(document: Path) -> None:
    assert [link for link, target, anchor in find_targets(document) if is_broken(target, anchor)] == []


def test_every_document_is_reached_from_the_index() -> None:
    reached, following = {INDEX}, [INDEX]
    while following:
        for _, target, _ in find_targets(following.pop()):
            if target.suffix == ".md" and target not in reached and (ROOT / target).exists():
                reached.add(target)
                following.append(target)
    assert [document for document in list_files("docs/*.md") if document not in reached] == []


def test_the_readme_leads_to_the_index() -> None:
    assert INDEX in {target for _, target, _ in find_targets(Path("README.md"))}


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_no_line_of_prose_is_longer_than_120_characters(document: Path) -> None:
    """A table's row and a long address can't be broken."""
    lines = enumerate(read_prose(document, keep_code=True).splitlines(), start=1)
    assert [n for n, line in lines if len(line) > MAX_COLUMNS and "|" not in line and "://" not in line] == []


@pytest.mark.parametrize("block", COMMAND_BLOCKS, ids=str)
def test_every_block_of_commands_says_where_it_runs(block: Block) -> None:
    assert block.language in ("sh", "console"), "fence commands as sh, or as console with what they print"
    if block.setting is None:
        commands = [command.bare for command in read_commands(block)]
        assert [bare for bare in commands if bare not in NOT_RUN and bare not in RUN_COMMANDS] == []
    else:
        assert block.setting in SETTINGS


def test_every_command_that_is_not_run_is_in_a_document() -> None:
    typed = {command.bare for block in COMMAND_BLOCKS if not block.setting for command in read_commands(block)}
    assert NOT_RUN.keys() - typed == set()
    assert NOT_RUN.keys() & RUN_COMMANDS == set()


@pytest.mark.parametrize("block", [block for block in COMMAND_BLOCKS if block.setting == OFFLINE], ids=str)
def test_a_command_that_needs_no_cluster_does_what_is_shown(block: Block) -> None:
    run_block(block)


def test_the_table_of_sizes_is_the_ladder() -> None:
    rows = (line.strip("|").split("|") for line in (ROOT / "docs/concepts/size.md").read_text().splitlines())
    after_head = list(takewhile(lambda row: len(row) == 3, (row for row in rows if len(row) == 3)))[2:]
    documented = [
        f"{cpu.strip()}vCPU {memory.strip()}GB" for cpu, sizes, _ in after_head for memory in sizes.split(",")
    ]
    assert documented == [format_capacity(row) for row in SIZE_TABLE]


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_every_test_that_is_named_exists(document: Path) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / document).read_text())
    missing = [
        f"{path}::{test}"
        for path, test in named
        if not (ROOT / path).exists() or not re.search(rf"def {test}\(", (ROOT / path).read_text())
    ]
    assert missing == []


def test_every_order_that_must_hold_is_in_the_architecture() -> None:
    walls = Path("tests/controlplane/operating/test_walls.py")
    tests = re.findall(r"^def (test_\w+)\(", (ROOT / walls).read_text(), re.MULTILINE)
    architecture = (ROOT / "docs/architecture.md").read_text()
    assert [test for test in tests if f"`{walls}::{test}`" not in architecture] == []


def test_the_readmes_profile_is_the_sample() -> None:
    (shown,) = (block for block in read_blocks(Path("README.md")) if block.language == "yaml")
    sample = (ROOT / "manifests/samples/profile/profile.yaml").read_text()
    assert yaml.safe_load("\n".join(shown.lines)) == yaml.safe_load(sample)


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        pytest.param(("a  b",), "a b\n", True, id="spaces don't count"),
        pytest.param(("web 40s",), "web 2m5s\n", True, id="ages don't count"),
        pytest.param(("first", "…", "last"), "first\n1\n2\nlast\n", True, id="left out"),
        pytest.param(("first", "…"), "first\n", True, id="nothing left out"),
        pytest.param(("a",), "b\n", False, id="another word"),
        pytest.param(("a",), "a\nb\n", False, id="more than shown"),
        pytest.param(("a", "b"), "a\n", False, id="less than shown"),
    ],
)
def test_what_is_printed_is_compared_with_what_is_shown(shown: tuple[str, ...], printed: str, same: bool) -> None:
    assert is_as_shown(shown, printed) is same
