"""Lists in pages: what stands on one, and the token by which the next is asked for.

No one remembers a token: it says itself after which name to go on, so that any replica answers it, at any time, and
what comes or goes meanwhile leaves no gap. It belongs to what was asked, and to nothing else.
"""

import base64
import binascii
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from monopod.aws.wire.call import AwsError

LARGEST_PAGE: Final = 100
"""What AWS returns at once, where nothing smaller is asked for."""


@dataclass(frozen=True, slots=True)
class Page:
    """Names, and the token for the next ones; "" where there are none."""

    names: list[str]
    next_token: str


def take_page(
    names: Iterable[str], asked: str, size: int | None, token: str | None, *, descending: bool = False
) -> Page:
    """The names of one page, sorted.

    Args:
        names: all that there are.
        asked: what the list is of; a token of another one isn't taken.
        size: how many are wanted at most.
        token: the one that came with the page before.
        descending: whether the last name comes first.

    Raises:
        AwsError: this is no token for this list.
    """
    left = sorted(set(names), reverse=descending)
    if token is not None:
        after = _read_token(token, asked)
        left = [name for name in left if (name < after if descending else name > after)]
    page = left[: size or LARGEST_PAGE]
    return Page(page, _build_token(page[-1], asked) if len(page) < len(left) else "")


def _build_token(after: str, asked: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([asked, after]).encode()).decode()


def _read_token(token: str, asked: str) -> str:
    try:
        match json.loads(base64.b64decode(token, altchars=b"-_", validate=True)):
            case [str(kind), str(after)] if kind == asked:
                return after
    except (binascii.Error, ValueError, RecursionError):
        pass
    raise AwsError("InvalidParameterException", "The nextToken parameter is invalid")
