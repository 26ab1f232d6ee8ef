"""One request with the operator's token, and whether it gets through."""

from dataclasses import dataclass
from typing import Any

from tests.attack.people import Person
from tests.controlplane.operating.lab import Json
from tests.controlplane.server import MERGE_PATCH, Answer

GONE = {"apiVersion": "v1", "kind": "Namespace", "name": "gone", "uid": "11111111-1111-1111-1111-111111111111"}


@dataclass(frozen=True)
class Attempt:
    """A request, and whether it gets through; a dry run, unless it is to be real."""

    what: str
    allowed: bool
    method: str
    path: str
    body: Any = None
    kind: str = "application/json"
    real: bool = False

    def make(self, person: Person) -> Answer:
        path = self.path
        if self.method != "GET" and not self.real:
            path += ("&" if "?" in path else "?") + "dryRun=All"
        return person.send(self.method, path, self.body, self.kind)


def no(what: str, method: str, path: str, body: Any = None, kind: str = "", **more: Any) -> Attempt:
    return Attempt(what, False, method, path, body, kind or _find_kind(method), **more)


def yes(what: str, method: str, path: str, body: Any = None, kind: str = "", **more: Any) -> Attempt:
    return Attempt(what, True, method, path, body, kind or _find_kind(method), **more)


def _find_kind(method: str) -> str:
    return MERGE_PATCH if method == "PATCH" else "application/json"


def meta(**fields: Any) -> Json:
    return {"metadata": fields}
