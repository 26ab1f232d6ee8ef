"""The token that opens a session's channel: what was granted, signed by the secret of the caller's access key.

Every replica has the access keys, so every replica can tell a token, and none has to remember one. Whoever owns the key
could make tokens for themselves; they would open nothing that they may not do anyway, because everything that a token
leads to is done in the name of the key's user, and is checked when the token is used. A deleted key opens nothing.
"""

import base64
import binascii
import hashlib
import hmac
import json
from dataclasses import asdict, dataclass
from typing import Any, Final

SECONDS: Final = 60
"""How long a token is good for."""

SKEW_SECONDS: Final = 300
"""By how much the clocks of replicas may differ before a token could be used twice."""

LONGEST_TOKEN: Final = 16_384

_PURPOSE: Final = b"monopod ecs exec, version 1"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token is good for.

    Attributes:
        session: the session's id.
        key: the id of the access key of whom it was granted to.
        cluster: the name of the task's cluster, on ECS.
        task: the task's id.
        container: the container, by its name in the task definition.
        command: what is to run, word by word.
        expires: in seconds since 1970.
    """

    session: str
    key: str
    cluster: str
    task: str
    container: str
    command: tuple[str, ...]
    expires: int


class UnknownToken(Exception):
    """A token that was never given, that was altered, or that is too old."""


def build_token(grant: Grant, secret: str) -> str:
    """The token of a grant."""
    content = _encode(json.dumps(asdict(grant), separators=(",", ":")).encode())
    return f"{content}.{_sign(content, secret)}"


def read_key(token: str) -> str:
    """The id of the access key that a token says it was granted to; nothing of it is proven yet.

    Raises:
        UnknownToken: it says none.
    """
    return _parse(token).key


def read_token(token: str, secret: str, session: str, now: float) -> Grant:
    """What a token is good for.

    Args:
        token: as the client sent it.
        secret: of the access key that it names.
        session: the session that it is to open.
        now: the present, in seconds since 1970.

    Raises:
        UnknownToken: it isn't good for this.
    """
    grant = _parse(token)
    content, _, signature = token.partition(".")
    if not is_equal(signature, _sign(content, secret)):
        raise UnknownToken("The token's signature is wrong.")
    if grant.session != session:
        raise UnknownToken("The token is for another session.")
    if not now < grant.expires <= now + SECONDS + SKEW_SECONDS:
        raise UnknownToken("The token has expired.")
    return grant


def is_equal(told: str, expected: str) -> bool:
    """Compares in constant time. What a client tells is text of JSON, in which half a surrogate may stand alone."""
    return hmac.compare_digest(told.encode(errors="surrogatepass"), expected.encode())


def _parse(token: str) -> Grant:
    if len(token) > LONGEST_TOKEN:
        raise UnknownToken("The token is too long.")
    try:
        told: Any = json.loads(base64.urlsafe_b64decode(token.partition(".")[0].encode("ascii")))
        texts = {name: told[name] for name in ("session", "key", "cluster", "task", "container")}
        command, expires = told["command"], told["expires"]
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
        raise UnknownToken("This is no token.") from None
    is_sound = all(isinstance(text, str) for text in texts.values()) and isinstance(command, list)
    if not is_sound or not all(isinstance(word, str) for word in command) or type(expires) is not int:
        raise UnknownToken("This is no token.")
    return Grant(**texts, command=tuple(command), expires=expires)


def _sign(content: str, secret: str) -> str:
    key = hmac.new(secret.encode(errors="surrogateescape"), _PURPOSE, hashlib.sha256).digest()
    return _encode(hmac.new(key, content.encode(errors="surrogateescape"), hashlib.sha256).digest())


def _encode(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode()
