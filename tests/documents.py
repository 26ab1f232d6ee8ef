"""The project's documents, read as a user reads them: links, headings, and blocks of commands.

A block of commands is fenced as `sh` (commands alone) or `console` (after a `$ `, what is typed; below it what is
printed). A comment before it says where it runs, and a test runs it there:

    <!-- runs in: offline -->         from the project's root, without a cluster (tests/project)
    <!-- runs in: control plane -->   with an API server, Monopod and its operator, no nodes (tests/controlplane)
    <!-- runs in: fake nodes -->      the same with nodes that pretend to run pods, and controllers (tests/controlplane)
    <!-- runs in: bare control plane -->   with an API server that has no Monopod (tests/controlplane)
    <!-- runs in: a stored pod -->    with an API server, Monopod, and a pod that couldn't be created again (the same)
    <!-- runs in: its own cluster --> with no more than the first, as it makes a cluster itself (tests/controlplane)

What a `console` block shows below a command is compared with what is printed, except for spaces, ages and times; a line
`…` in it stands for any lines. Where it shows nothing, nothing is compared. A command that is shown to fail ("Error …",
"The … is invalid: …") must fail.
"""

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OFFLINE = "offline"
CONTROL_PLANE = "control plane"
FAKE_NODES = "fake nodes"
BARE_CONTROL_PLANE = "bare control plane"
OWN_CLUSTER = "its own cluster"
STORED_POD = "a stored pod"
SETTINGS = (OFFLINE, CONTROL_PLANE, FAKE_NODES, BARE_CONTROL_PLANE, STORED_POD, OWN_CLUSTER)
COMMAND_SECONDS = 240

_FENCE = re.compile(r"^(?P<indent>\s*)```(?P<language>\w*)\s*$")
_SETTING = re.compile(r"^\s*<!-- runs in: (?P<setting>[^>]*?) -->\s*$")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<inline>[^)\s]+)\)|^\s*\[[^\]]+\]:\s*(?P<reference>\S+)\s*$", re.MULTILINE)
_ASSIGNMENT = re.compile(r"""(export )?\w+=([^\s"']*|"[^"]*"|'[^']*')""")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_AGE = re.compile(r"\s\d+[smhd](\d+[smh])?$")


@dataclass(frozen=True)
class Block:
    """A fenced block: where it stands, in which language, and the setting that the comment before it names."""

    document: Path
    line: int
    language: str
    setting: str | None
    lines: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.document}:{self.line}"


@dataclass(frozen=True)
class Command:
    """What is typed, and what is shown to be printed, if anything."""

    block: Block
    typed: str
    shown: tuple[str, ...]

    @property
    def bare(self) -> str:
        """What is typed, without a comment behind it."""
        return re.sub(r"\s+# .*$", "", self.typed)


def read_blocks(document: Path) -> Iterator[Block]:
    """The fenced blocks of a document, given relative to the root."""
    setting: str | None = None
    opened: tuple[int, re.Match[str]] | None = None
    lines: list[str] = []
    for number, line in enumerate((ROOT / document).read_text().splitlines(), start=1):
        fence = _FENCE.match(line)
        if opened is None and fence:
            opened, lines = (number, fence), []
        elif opened is not None and fence and not fence["language"]:
            start, fence = opened
            yield Block(document, start, fence["language"], setting, tuple(lines))
            opened, setting = None, None
        elif opened is not None:
            lines.append(line.removeprefix(opened[1]["indent"]))
        elif comment := _SETTING.match(line):
            setting = comment["setting"]
        elif line.strip():
            setting = None


def read_commands(block: Block) -> Iterator[Command]:
    """The commands of a block; a block of `sh` is one script, because a here-document has several lines."""
    if block.language == "sh":
        yield Command(block, "\n".join(block.lines), ())
        return
    typed: list[str] = []
    shown: list[str] = []
    for line in block.lines:
        if line.startswith("$ "):
            if typed:
                yield Command(block, "\n".join(typed), tuple(shown))
            typed, shown = [line.removeprefix("$ ")], []
        elif typed and typed[-1].endswith("\\") and not shown:
            typed.append(line)
        else:
            shown.append(line)
    if typed:
        yield Command(block, "\n".join(typed), tuple(shown))


def find_links(document: Path) -> Iterator[str]:
    """The targets of a document's links, as they are written; what is in fenced blocks or code isn't a link."""
    for found in _LINK.finditer(read_prose(document)):
        yield found["inline"] or found["reference"]


def find_anchors(document: Path) -> set[str]:
    """The anchors that GitHub gives a document's headings."""
    headings = re.findall(r"^#+ (.*)$", read_prose(document, keep_code=True), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def read_prose(document: Path, *, keep_code: bool = False) -> str:
    """A document without its fenced blocks and, unless they are kept, without `code`; lines keep their numbers."""
    kept, fenced = [], False
    for line in (ROOT / document).read_text().splitlines():
        fence = _FENCE.match(line) is not None
        fenced = fenced != fence
        kept.append("" if fence or fenced else line)
    text = "\n".join(kept)
    return text if keep_code else re.sub(r"`[^`\n]*`", "``", text)


def run_block(block: Block, environment: Mapping[str, str] | None = None) -> None:
    """Runs a block's commands from the project's root.

    Raises:
        AssertionError: something else happens than is shown.
    """
    assigned: list[str] = []
    for command in read_commands(block):
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\n".join([*assigned, command.typed])],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        said = f"{block}: {command.typed}\nexit status {done.returncode}, and it printed:\n{done.stdout}"
        assert (done.returncode != 0) == is_shown_to_fail(command), said
        if _ASSIGNMENT.fullmatch(command.typed):
            assigned.append(command.typed)  # as in the reader's shell, the rest of the block knows the variable
        if command.shown:
            assert is_as_shown(command.shown, done.stdout), said


def is_shown_to_fail(command: Command) -> bool:
    """Whether the document shows an error."""
    return any(re.match(r"(?i)error\b|The \w+ .* is invalid:", line) for line in command.shown)


def is_as_shown(shown: tuple[str, ...], printed: str) -> bool:
    """Whether the output is what a document shows."""
    expected = [_normalize(line) for line in shown if line.strip()]
    pattern = "".join(r"(?:.*\n)*?" if line == "…" else re.escape(line) + r"\n" for line in expected)
    actual = "".join(_normalize(line) + "\n" for line in printed.splitlines() if line.strip())
    return re.fullmatch(pattern, actual) is not None


def _normalize(line: str) -> str:
    return " ".join(_TIME.sub("TIME", _AGE.sub(" AGE", line)).split())
