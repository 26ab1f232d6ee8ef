"""The API server as the product knows it: what it can be asked, and the two ways in which it fails.

Whoever decides goes by a failure's status, reason and causes. Messages are for people: Kubernetes promises none of
their words. Where it gives nothing else, the code that reads a message names the code of Kubernetes that writes it.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

Json = dict[str, Any]


class Cause(NamedTuple):
    """One of the causes in an answer: of a refused object, one for each field that is wrong."""

    reason: str
    message: str
    field: str = ""


class ApiUnreachable(Exception):
    """No usable answer: the connection failed, took too long, or the server is overloaded. Worth trying again."""


class AnswerTooLong(ApiUnreachable):
    """An answer that memory needn't have room for was broken off. Of a list, a shorter page may be had."""


@dataclass
class _Answered:
    """What an answer says that is no success.

    Attributes:
        status: the HTTP status.
        reason: Kubernetes' reason (`NotFound`); "" if what answered is no API server, or it doesn't serve the path.
        message: its words, for people.
        causes: the causes in the answer.
        retry_after: after how many seconds the server wishes to be asked again, 0 if it doesn't say.
        continue_token: where the rest of a list is to be had whose beginning is too old.
    """

    status: int
    reason: str
    message: str
    causes: tuple[Cause, ...] = ()
    retry_after: float = 0.0
    continue_token: str = ""

    def has_cause(self, reason: str) -> bool:
        """Whether one of the causes has this reason."""
        return any(cause.reason == reason for cause in self.causes)

    def __str__(self) -> str:
        return f"{self.message} ({self.status}{f' {self.reason}' if self.reason else ''})"


class ServerTrouble(_Answered, ApiUnreachable):
    """The API server, or something before it, answered with 429 or an error of its own."""


class ApiError(_Answered, Exception):
    """The API server refused a request. Asked again, it would say the same."""

    @property
    def is_unserved(self) -> bool:
        """Whether the API server doesn't serve this kind. Of a kind that it serves it says what it hasn't found."""
        return self.status == 404 and not self.reason


Failure = ApiError | ApiUnreachable


class WatchEvent(NamedTuple):
    """What a watch brings.

    Attributes:
        type: ADDED, MODIFIED, DELETED, or BOOKMARK, whose object has nothing but its resourceVersion.
        object: as it is, or of a deletion as it last was, with the resourceVersion of the deletion.
    """

    type: str
    object: Json


class Unconfigured(Exception):
    """There is no kubeconfig or ServiceAccount to go by, or it can't be used; the message says why."""


class Api(Protocol):
    """Dicts in, dicts out. Methods raise `ApiError` if the API server refuses, and `ApiUnreachable` if none answers."""

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        """Reads one object."""
        ...

    async def create(self, path: str, body: Json, *, dry_run: bool = False) -> Json:
        """Creates an object, or only tries to."""
        ...

    async def replace(self, path: str, body: Json) -> Json:
        """Replaces an object; with a resourceVersion in it, only if no one else changed it meanwhile."""
        ...

    async def merge(self, path: str, patch: Json) -> Json:
        """Changes an object by a merge patch: null removes a field."""
        ...

    async def patch(self, path: str, operations: list[Json]) -> Json:
        """Changes an object by a JSON patch, all of it or nothing: a `test` that fails refuses the whole."""
        ...

    async def apply(self, path: str, body: Json) -> Json:
        """Creates or changes an object by server-side apply, taking over fields that others own."""
        ...

    async def delete(self, path: str, uid: str, version: str = "") -> None:
        """Deletes an object, and no other of its name that replaced it; one that is gone already is fine.

        With a resourceVersion only if no one changed it meanwhile. Another object, or another version of it, is 409.
        """
        ...

    def read_pages(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        metadata_only: bool = False,
        is_snapshot: bool = False,
    ) -> AsyncIterator[Json]:
        """The pages of a collection; with `metadata_only` its objects are without spec and status.

        With `is_snapshot` all of them are as of the first one's version. A page that is no longer to be had is an
        `ApiError` with the status 410 then, where else the list goes on as the collection is by now.
        """
        ...

    def list_pages(
        self, path: str, query: Mapping[str, str] | None = None, *, metadata_only: bool = False
    ) -> AsyncIterator[Json]:
        """All objects of a collection, read in pages; with `metadata_only` without spec and status."""
        ...

    def watch(
        self, path: str, version: str, query: Mapping[str, str] | None = None
    ) -> AsyncGenerator[WatchEvent, None]:
        """What happens to a collection after a resourceVersion, with bookmarks; it ends after some seconds.

        A version that the API server no longer has is an `ApiError` with the status 410.
        """
        ...


class TextApi(Api, Protocol):
    """It also reads texts that are of any length."""

    def read_text(
        self, path: str, query: Mapping[str, str] | None = None
    ) -> contextlib.AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Opens a text, such as a container's log, and has it in pieces; whoever has enough leaves the context."""
        ...
