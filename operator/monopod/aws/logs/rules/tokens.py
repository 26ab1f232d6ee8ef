"""Tokens: where to go on. No one remembers them, so that any replica answers, and none expires.

A token of GetLogEvents is a place in its stream: `f/…` asks for what is there or later, `b/…` for what is before. At
an end it comes back as it was. One of FilterLogEvents is a position in its group, and belongs to what was asked; one
of a list is what the last entry was sorted by, so that what comes or goes meanwhile leaves no gap.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from monopod.aws.logs.rules.lines import Place
from monopod.aws.logs.rules.refusals import refuse_token
from monopod.aws.logs.rules.window import Position

_OF_A_STREAM: Final = re.compile(r"([fb])/(\d{20})(\d{8})/s", re.ASCII)
_DIGEST_DIGITS: Final = 12

MOST_LISTED: Final = 50
"""What AWS lists at once, where nothing smaller is asked for."""

Key = tuple[str | int, ...]
"""What a list is sorted by."""


class StreamToken(NamedTuple):
    """Which way to go, and from where."""

    direction: Literal["f", "b"]
    place: Place

    def __str__(self) -> str:
        return f"{self.direction}/{self.place.ns:020}{self.place.ordinal:08}/s"


def read_stream_token(text: str) -> StreamToken:
    """The token of a stream.

    Raises:
        AwsError: it is none.
    """
    if not (found := _OF_A_STREAM.fullmatch(text)):
        raise refuse_token()
    return StreamToken("f" if found[1] == "f" else "b", Place(int(found[2]), int(found[3])))


def digest_question(params: Mapping[str, Any], without: Collection[str] = ("nextToken", "limit")) -> str:
    """What was asked, as a few digits."""
    asked = json.dumps({key: value for key, value in params.items() if key not in without}, sort_keys=True)
    return hashlib.sha256(asked.encode()).hexdigest()[:_DIGEST_DIGITS]


def build_token(question: str, where: Sequence[str | int]) -> str:
    """A token of a group or a list.

    Args:
        question: what was asked.
        where: after what to go on.
    """
    return base64.urlsafe_b64encode(json.dumps([question, *where], separators=(",", ":")).encode()).decode()


def _read(text: str) -> object:
    try:
        return json.loads(base64.b64decode(text, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise refuse_token() from None


def read_position(text: str, question: str) -> Position:
    """Where to go on in a group.

    Raises:
        AwsError: the token is none, or of another request.
    """
    match _read(text):
        case [str(asked), int(ns), str(stream), int(ordinal)] if asked == question:
            return Position(ns, stream, ordinal)
    raise refuse_token()


def take_page(keys: Sequence[Key], params: Mapping[str, Any], *, descending: bool = False) -> tuple[slice, str | None]:
    """The part of a sorted list that is asked for, and the token for the next one.

    Args:
        keys: what the list is sorted by, in its order.
        params: what was asked.
        descending: whether the largest comes first.

    Raises:
        AwsError: the token is none, or of another request.
    """
    question, begin = digest_question(params), 0
    if "nextToken" in params:
        after = _read_key(params["nextToken"], question)
        try:
            begin = sum(key >= after if descending else key <= after for key in keys)
        except TypeError:  # it was made up
            raise refuse_token() from None
    end = begin + params.get("limit", MOST_LISTED)
    return slice(begin, end), build_token(question, keys[end - 1]) if end < len(keys) else None


def _read_key(text: str, question: str) -> Key:
    match _read(text):
        case [str(asked), *key] if asked == question:
            return tuple(each for each in key if isinstance(each, str | int))
    raise refuse_token()
