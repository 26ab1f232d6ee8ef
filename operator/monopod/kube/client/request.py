"""The core of both clients: requests as values, what their answers mean, and when one is sent again. It sends nothing.

    Request ──transport: sends, waits──► status, bytes ──read_answer──► dict │ ApiError │ ServerTrouble
                   ▲                                                                          │
                   └────────────────────────── compute_pause: reads only ◄──────────────────────┘

A read that the server is too busy for is sent again, as client-go does: after the seconds that the server names, or a
pause that doubles. A write never is. It may have been done although the answer says otherwise, and its author has a
back-off and knows by then whether it is still wanted.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

from monopod import __version__
from monopod.api.names import FIELD_MANAGER
from monopod.kube.client.api import AnswerTooLong, ApiError, ApiUnreachable, Cause, Json, ServerTrouble, WatchEvent
from monopod.kube.client.nesting import cut_levels

REQUEST_TIMEOUT_SECONDS: Final = 15.0
PAGE_SIZE: Final = 500

WATCH_SECONDS: Final = 10
"""How long a watch lasts. The API server sends a bookmark two seconds before the end, otherwise once a minute: whoever
watches knows this often up to when nothing has been missed. A stream that is silent for longer is dead."""

WATCH_GRACE_SECONDS: Final = 5.0

SHORTEST_SECONDS: Final = 1.0
"""A watch that ends sooner isn't opened again at once: what answers may be a proxy without an API server."""

# Of what the server says. A webhook may say anything, and statuses that quote it are refused if they are too long.
LONGEST_MESSAGE: Final = 4096

MOST_RETRIES: Final = 2
FIRST_PAUSE_SECONDS: Final = 0.25
# Whoever is told to wait for longer has better things to do meanwhile: a controller's queue, a person.
LONGEST_PAUSE_SECONDS: Final = 2.0

WATCH_EVENTS: Final = frozenset({"ADDED", "MODIFIED", "DELETED", "BOOKMARK"})

JSON: Final = "application/json"
_JSON_PATCH: Final = "application/json-patch+json"
_MERGE_PATCH: Final = "application/merge-patch+json"
_APPLY_PATCH: Final = "application/apply-patch+yaml"
_METADATA_ONLY: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


@dataclass(frozen=True, slots=True)
class Request:
    """One request, before anything is known of a connection or of credentials."""

    method: str
    path: str
    query: Mapping[str, str] | None = None
    body: Any = None
    content_type: str = JSON
    accept: str = JSON

    @property
    def target(self) -> str:
        """The path, and the query if there is one."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path

    @property
    def headers(self) -> dict[str, str]:
        """Those that follow from the request; credentials are the transport's."""
        return {"Accept": self.accept, "Content-Type": self.content_type, "User-Agent": f"monopod/{__version__}"}

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Impersonation:
    """As whom a request is made: the API server checks that the sender may, and then goes by this user's rights.

    Attributes:
        user: the user's name.
        groups: all groups but those that Kubernetes adds to everyone.
    """

    user: str
    groups: tuple[str, ...] = ()

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """A group each has a header of its own."""
        return (("Impersonate-User", self.user), *(("Impersonate-Group", group) for group in self.groups))


def build_read(path: str, query: Mapping[str, str] | None = None, accept: str = JSON) -> Request:
    """Reads an object, a collection, or with another `accept` a text."""
    return Request("GET", path, query, accept=accept)


def build_create(path: str, body: Json, *, dry_run: bool = False, manager: str = FIELD_MANAGER) -> Request:
    """Creates an object, or only tries to."""
    return Request("POST", path, {"fieldManager": manager, **({"dryRun": "All"} if dry_run else {})}, body)


def build_replace(path: str, body: Json) -> Request:
    """Replaces an object."""
    return Request("PUT", path, {"fieldManager": FIELD_MANAGER}, body)


def build_merge(path: str, patch: Json, *, manager: str = FIELD_MANAGER) -> Request:
    """Changes an object by a merge patch."""
    return Request("PATCH", path, {"fieldManager": manager}, patch, _MERGE_PATCH)


def build_patch(path: str, operations: list[Json]) -> Request:
    """Changes an object by a JSON patch."""
    return Request("PATCH", path, {"fieldManager": FIELD_MANAGER}, operations, _JSON_PATCH)


def build_apply(path: str, body: Json, *, manager: str = FIELD_MANAGER) -> Request:
    """Creates or changes an object by server-side apply, taking over fields that others own."""
    return Request("PATCH", path, {"fieldManager": manager, "force": "true"}, body, _APPLY_PATCH)


def build_delete(path: str, uid: str = "", version: str = "", *, grace_seconds: int | None = None) -> Request:
    """Deletes an object: with a uid only this one, with a version only as it was; a pod within this time."""
    wanted = {"uid": uid, "resourceVersion": version}
    preconditions = {key: value for key, value in wanted.items() if value}
    grace = {} if grace_seconds is None else {"gracePeriodSeconds": grace_seconds}
    body = {**({"preconditions": preconditions} if preconditions else {}), **grace}
    return Request("DELETE", path, body=body or None)


def build_watch(path: str, version: str, query: Mapping[str, str] | None = None) -> Request:
    """Watches a collection from a resourceVersion on."""
    asked = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": str(WATCH_SECONDS)}
    return Request("GET", path, {**(query or {}), **asked, "resourceVersion": version})


class Pages:
    """A collection that is read in pages: which page is to be read next, until `next` is None.

    The API server bounds a page by its number of objects only. One that is too long is asked for again with fewer.
    A list as of an exact resourceVersion names it once: it is in the token of the pages after the first, and the API
    server refuses both together.
    """

    def __init__(self, path: str, query: Mapping[str, str] | None = None, *, metadata_only: bool = False) -> None:
        self._path = path
        self._query = query or {}
        self._accept = _METADATA_ONLY if metadata_only else JSON
        self._size = PAGE_SIZE
        self._token = ""
        self.next: Request | None = self._build()

    def take(self, page: Json) -> Iterable[Json]:
        """The objects of a page that was read."""
        self._size = min(self._size * 2, PAGE_SIZE)
        self._continue((page.get("metadata") or {}).get("continue") or "")
        return page.get("items") or ()

    def resume(self, error: ApiError) -> None:
        """Goes on after a page that is no longer to be had.

        The API server keeps a list as it was for five minutes or so. After that (410, Expired) its answer has a token
        for the rest of the list as it is now: an object that existed all the while is still seen, and seen once.

        Raises:
            ApiError: it refused for another reason, or gave no token.
        """
        if error.status != HTTPStatus.GONE or not error.continue_token:
            raise error
        self._continue(error.continue_token)

    def shrink(self, trouble: AnswerTooLong) -> None:
        """Asks for the same page again, for fewer objects.

        Raises:
            AnswerTooLong: it was a single one.
        """
        if self._size == 1:
            raise trouble
        self._size = max(1, self._size // 4)
        self.next = self._build()

    def _continue(self, token: str) -> None:
        self._token = token
        self.next = self._build() if token else None

    def _build(self) -> Request:
        query = {"limit": str(self._size), **self._query}
        if self._token:
            query = {key: value for key, value in query.items() if key not in _VERSIONS} | {"continue": self._token}
        return build_read(self._path, query, self._accept)


_VERSIONS: Final = frozenset({"resourceVersion", "resourceVersionMatch"})


def read_answer(request: Request, status: int, content: bytes, retry_after: str | None = None) -> Json:
    """The object in an answer.

    Args:
        request: what was asked.
        status: the answer's HTTP status.
        content: its body.
        retry_after: its header of this name.

    Raises:
        ApiError: the API server refused.
        ServerTrouble: it has trouble of its own.
        ApiUnreachable: this is no API server, or it broke off.
    """
    check_answer(status, content, retry_after)
    answer = _parse(content)
    if answer is None:
        raise ApiUnreachable(f"{request}: {status}, and not a Kubernetes object: {_quote(content, status)}")
    return answer


def read_event(request: Request, line: bytes) -> WatchEvent:
    """One line of a watch.

    Raises:
        ApiError: the API server refused to go on.
        ServerTrouble: it has trouble of its own.
        ApiUnreachable: this is no event.
    """
    told = _parse(line) or {}
    kind, content = _read_text(told.get("type")), _read_mapping(told.get("object"))
    if kind == "ERROR":
        code = content.get("code")
        check_answer(code if isinstance(code, int) else HTTPStatus.INTERNAL_SERVER_ERROR, json.dumps(content).encode())
    if kind not in WATCH_EVENTS:
        raise ApiUnreachable(f"{request}: not an event of a watch: {_quote(line, HTTPStatus.OK)}")
    return WatchEvent(kind, content)


def check_answer(status: int, content: bytes, retry_after: str | None = None) -> None:
    """The same for an answer whose body may be anything.

    Raises:
        ApiError: the API server refused.
        ServerTrouble: it has trouble of its own.
    """
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return
    # No Status comes from a proxy before the API server, from the server while it starts or stops, or of a path that
    # it doesn't serve.
    told = _parse(content) or {}
    details = _read_mapping(told.get("details"))
    wish = _read_seconds(retry_after) or _read_seconds(details.get("retryAfterSeconds"))
    told_all = (
        status,
        _read_text(told.get("reason")),
        _read_text(told.get("message"))[:LONGEST_MESSAGE] or _quote(content, status),
        tuple(_read_causes(details.get("causes"))),
        wish,
        _read_text(_read_mapping(told.get("metadata")).get("continue")),
    )
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise ServerTrouble(*told_all)
    raise ApiError(*told_all)


def compute_pause(request: Request, trouble: ServerTrouble, attempts: int) -> float | None:
    """For how many seconds to wait before the request is sent again; None if it isn't.

    Args:
        request: what was asked.
        trouble: the answer.
        attempts: how often it was sent.
    """
    if request.method != "GET" or attempts > MOST_RETRIES:
        return None
    pause = trouble.retry_after or FIRST_PAUSE_SECONDS * 2 ** (attempts - 1)
    return pause if pause <= LONGEST_PAUSE_SECONDS else None


def _parse(content: bytes) -> Json | None:
    try:
        answer = json.loads(content)
    except RecursionError:
        answer = _parse_deep(content)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _parse_deep(content: bytes) -> object:
    try:
        return json.loads(cut_levels(content))
    except (ValueError, RecursionError):
        return None


def _quote(content: bytes, status: int) -> str:
    text = " ".join(content[:1000].decode(errors="replace").split())
    if text.startswith("<"):
        return f"a web page with HTTP status {status}, as from a proxy or a gateway"
    return text[:300] or f"HTTP status {status}"


def _read_causes(causes: object) -> Iterator[Cause]:
    for cause in causes if isinstance(causes, list) else ():
        told = _read_mapping(cause)
        yield Cause(*(_read_text(told.get(key)) for key in ("reason", "message", "field")))


def _read_seconds(value: object) -> float:
    return float(value) if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()) else 0.0


def _read_mapping(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _read_text(value: object) -> str:
    return value if isinstance(value, str) else ""
