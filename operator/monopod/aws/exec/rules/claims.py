"""Which sessions of a task have begun, so that no token opens two: an annotation of the task.

Every replica asks there, and of two that change it at once the API server refuses one. A session stands there for as
long as its token could still be shown.
"""

from collections.abc import Mapping
from typing import Any, Final

from monopod.aws.exec.rules.grant import SKEW_SECONDS

ANNOTATION: Final = "ecs.monopod.dev/exec-sessions"
MOST_CLAIMS: Final = 500
"""Sessions of one task that begin within a few minutes; the annotation has a bound."""


class AlreadyClaimed(Exception):
    """The session has begun before."""


class TooManyClaims(Exception):
    """Too many sessions have begun within minutes."""


def build_claim(task: Mapping[str, Any], session: str, expires: int, now: float) -> dict[str, Any]:
    """The merge patch by which a session begins; the API server refuses it if the task has changed since.

    Args:
        task: as it was read.
        session: the session's id.
        expires: when its token does, in seconds since 1970.
        now: the present, in the same.

    Raises:
        AlreadyClaimed: it has begun before.
        TooManyClaims: there is no room for another.
    """
    metadata = task["metadata"]
    claims = _read((metadata.get("annotations") or {}).get(ANNOTATION, ""))
    if session in claims:
        raise AlreadyClaimed
    kept = {key: until for key, until in claims.items() if now < until + 2 * SKEW_SECONDS}
    if len(kept) >= MOST_CLAIMS:
        raise TooManyClaims
    text = " ".join(f"{key}={until}" for key, until in {**kept, session: expires}.items())
    return {"metadata": {"resourceVersion": metadata["resourceVersion"], "annotations": {ANNOTATION: text}}}


def _read(text: str) -> dict[str, int]:
    found = {}
    for entry in text.split():
        key, _, until = entry.partition("=")
        if until.isdecimal() and len(until) <= 12:
            found[key] = int(until)
    return found
