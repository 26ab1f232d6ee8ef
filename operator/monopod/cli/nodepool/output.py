"""What `nodepool` writes: YAML that can be applied or copied, with what to know of it as comments above."""

import textwrap
from collections.abc import Iterable
from typing import Any

import click

from monopod.cli.input.documents import format_documents

_WIDTH = 100


def write(document: dict[str, Any], notes: Iterable[str]) -> None:
    """Writes the document to stdout."""
    for note in notes:
        click.echo(textwrap.fill(note, _WIDTH, initial_indent="# ", subsequent_indent="#   ", break_on_hyphens=False))
    click.echo(format_documents([document]), nl=False)
