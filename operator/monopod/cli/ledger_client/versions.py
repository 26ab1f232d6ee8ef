"""A ledger of another release may answer in another form: then one sentence names both versions, and no traceback."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click

from monopod import __version__
from monopod.cli.failure import ApiFailure

_VERSION: Final = re.compile(r"monopod-ledger/([\w.+-]{1,40})", re.ASCII)


class LedgerVersion:
    """Which version the ledger has that answered a command."""

    def __init__(self) -> None:
        self._told: str | None = None

    def hear(self, server: str | None) -> None:
        """Takes note of an answer's header `Server`."""
        found = _VERSION.fullmatch(server or "")
        self._told = found[1] if found else ""

    @property
    def is_other(self) -> bool:
        """Whether one has answered that has another version, or doesn't say which."""
        return self._told is not None and self._told != __version__

    def describe(self) -> str:
        """Both versions, as a sentence that says what to do."""
        told = f"version {self._told}" if self._told else "a version that doesn't say which"
        return f"The ledger is of {told}, and this command of version {__version__}: use the ledger's."


@contextmanager
def told_as_another_version(version: LedgerVersion) -> Iterator[None]:
    """Whatever an answer of another version makes fail becomes an error that names both. Of one's own it is a bug.

    Raises:
        ApiFailure: the answer has another form than is known here.
    """
    try:
        yield
    except (OSError, click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except Exception as problem:
        if not version.is_other:
            raise
        what = repr(problem)[:100]  # which escapes what a terminal would obey
        raise ApiFailure(f"The ledger's answer isn't understood ({what}). {version.describe()}") from None
