"""Cuts off what JSON nests too deeply.

The API server takes objects of up to 10,000 levels, in fields whose content it doesn't look at, which is more than
Python reads: one such object would make a whole list unreadable, and with it everyone's objects in it.
"""

import re
from collections.abc import Iterator
from typing import Final

MOST_LEVELS: Final = 200
"""Far more than any kind of Kubernetes' has, and few enough for whoever walks through it by recursion."""

_TOKEN: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{]|[\]}]', re.DOTALL)


def cut_levels(content: bytes) -> bytes:
    """The same JSON with null in the place of each list and structure that is too deep."""
    return b"".join(_list_pieces(content))


def _list_pieces(content: bytes) -> Iterator[bytes]:
    level, begin = 0, 0
    for token in _TOKEN.finditer(content):
        sign = token[0]
        if sign in (b"[", b"{"):
            level += 1
            if level == MOST_LEVELS + 1:
                yield content[begin : token.start()]
        elif sign in (b"]", b"}"):
            if level == MOST_LEVELS + 1:
                yield b"null"
                begin = token.end()
            level -= 1
    yield content[begin:]
