"""Text for a person: in colour on a terminal, plain in a pipe."""

from collections.abc import Callable
from typing import Final

import click
from rich.console import Console, RenderableType
from rich.table import Table

_PIPE_WIDTH: Final = 100_000
"""Columns where there is no terminal: lines are then not broken, so that grep finds whole ones."""


def print_lines(*parts: RenderableType) -> None:
    """Writes tables, texts and strings to stdout, in colour on a terminal."""
    print_all(lambda out: out.print(*parts, sep="\n"))


def print_all(write: Callable[[Console], None]) -> None:
    """Lets `write` fill stdout."""
    out = _open_console()
    if out.is_terminal:
        write(out)
        return
    # A table fills its lines with spaces, which would be noise in a file.
    with out.capture() as capture:
        write(out)
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))


def _open_console() -> Console:
    on_terminal = Console(highlight=False, markup=False, emoji=False)
    if on_terminal.is_terminal:
        return on_terminal
    return Console(highlight=False, markup=False, emoji=False, width=_PIPE_WIDTH)


def build_grid(columns: int) -> Table:
    """A table without lines and head. Where a terminal is too narrow, words are broken and nothing is left out."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for _ in range(columns):
        table.add_column(overflow="fold")
    return table
