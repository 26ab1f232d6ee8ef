"""Where a notice may be sent, and what a receiver's answer means for it."""

import datetime
import email.utils
from enum import Enum
from typing import Final
from urllib.parse import urlsplit

_NO_USE: Final = frozenset({400, 410, 413, 415, 422})
"""The receiver has read the notice, and won't take it; by 410, a receiver of CloudEvents says that it wants none.
Whatever else it refuses may be its own state, or a token that is about to be renewed: EventBridge, too, sends again
after 401, 429 and failures of the server."""

LONGEST_WISH: Final = 3600.0
"""A receiver that asks for a longer pause than an hour is asked again all the same: it may have been mended."""


class Answer(Enum):
    """What a receiver made of a notice."""

    TAKEN = "taken"
    REFUSED = "refused"
    TROUBLED = "troubled"


def read_answer(status: int) -> Answer:
    """What an HTTP status means. A redirection isn't followed: it would lead where nobody configured."""
    if 200 <= status < 300:
        return Answer.TAKEN
    return Answer.REFUSED if status in _NO_USE else Answer.TROUBLED


def read_retry_after(value: str, now: datetime.datetime) -> float:
    """How many seconds a receiver wishes to be left alone, by its header `Retry-After`; 0 if it doesn't say."""
    if value.isascii() and value.isdecimal():
        return float(min(int(value[:9]), LONGEST_WISH))
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # the latter of numbers that are too large for any date
        return 0.0
    zoned = moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)
    return min(max(0.0, (zoned - now).total_seconds()), LONGEST_WISH)


def find_target_problem(url: str, *, has_token: bool) -> str:
    """Why nothing may be sent there; "" if it may. The URL isn't repeated: it may hold a secret.

    Args:
        url: of the receiver.
        has_token: whether a token would go with it.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return "the webhook's URL can't be read"
    if parts.scheme not in ("https", "http") or not host:
        return "the webhook's URL must begin with https://, or http:// for a receiver without a token"
    if parts.scheme == "http" and has_token:
        return "the webhook has a token, which isn't sent in plain HTTP: use an https:// URL"
    return ""
