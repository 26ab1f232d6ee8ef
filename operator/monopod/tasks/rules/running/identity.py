"""By what tasks are known: their ids, and the request that ran them.

A repeated request has to find the tasks of the one before, whichever replica answers it. So the ids of tasks that were
asked for with a token follow from it.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Final

from monopod.tasks.rules.running.refusal import Refusal

ID_DIGITS: Final = 32
_LONGEST_TOKEN: Final = 64
_TOKEN: Final = re.compile(rf"[!-~]{{1,{_LONGEST_TOKEN}}}")
_HASH_DIGITS: Final = 40
_TOKEN_MEMBER: Final = "clientToken"  # noqa: S105 the name of a parameter


def read_token(params: Mapping[str, Any]) -> str:
    """The token by which a repeated request is known; "" if it has none.

    Raises:
        Refusal: it is none.
    """
    token = params.get(_TOKEN_MEMBER)
    if token is None:
        return ""
    if not _TOKEN.fullmatch(token):
        raise Refusal(f"clientToken must have 1 to {_LONGEST_TOKEN} characters of ASCII, without spaces.")
    return str(token)


def compute_task_id(account: str, namespace: str, token: str, index: int) -> str:
    """The id of one of the tasks that a request with a token asks for."""
    said = json.dumps([account, namespace, token, index])
    return hashlib.sha256(said.encode()).hexdigest()[:ID_DIGITS]


def hash_request(params: Mapping[str, Any]) -> str:
    """What a request is known by, apart from its token: the same for the same parameters, in any order."""
    said = {name: value for name, value in params.items() if name != _TOKEN_MEMBER}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:_HASH_DIGITS]
