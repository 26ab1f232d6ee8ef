"""Stands in for the API client: answers by path, from a script, and remembers what it was asked."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any

from monopod.kube.client.api import ApiError, Json, WatchEvent

Answer = Json | Exception | Callable[[Json], Json]


def not_found() -> ApiError:
    return ApiError(404, "NotFound", "not found")


def conflict() -> ApiError:
    return ApiError(409, "AlreadyExists", "already exists")


class FakeApi:
    """Give `answers` by method and path; without one, a read finds nothing and a write returns its body."""

    def __init__(self, answers: Mapping[tuple[str, str], Answer] | None = None) -> None:
        self.answers: dict[tuple[str, str], Answer] = dict(answers or {})
        self.lists: dict[str, list[Json]] = {}
        self.watches: list[list[WatchEvent | Exception]] = []
        self.requests: list[tuple[str, str, Json]] = []

    def sent(self, method: str) -> list[tuple[str, Json]]:
        return [(path, body) for verb, path, body in self.requests if verb == method]

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        return self._answer("get", path, {}, not_found())

    async def create(self, path: str, body: Json, *, dry_run: bool = False) -> Json:
        return self._answer("try" if dry_run else "create", path, body, body)

    async def replace(self, path: str, body: Json) -> Json:
        return self._answer("replace", path, body, body)

    async def merge(self, path: str, patch: Json) -> Json:
        return self._answer("merge", path, patch, patch)

    async def apply(self, path: str, body: Json) -> Json:
        return self._answer("apply", path, body, body)

    async def patch(self, path: str, operations: list[Json]) -> Json:
        return self._answer("patch", path, {"operations": operations}, {})

    async def delete(self, path: str, uid: str, version: str = "") -> None:
        self._answer("delete", path, {"uid": uid, **({"version": version} if version else {})}, {})

    async def read_pages(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        metadata_only: bool = False,
        is_snapshot: bool = False,
    ) -> AsyncIterator[Json]:
        items = list(self.lists.get(path, ()))
        # Of objects without spec and status the API server writes an empty list as null.
        yield {"metadata": {"resourceVersion": "5"}, "items": items or (None if metadata_only else [])}

    async def list_pages(
        self, path: str, query: Mapping[str, str] | None = None, *, metadata_only: bool = False
    ) -> AsyncIterator[Json]:
        async for page in self.read_pages(path, query, metadata_only=metadata_only):
            for item in page["items"] or ():
                yield item

    def read_text(
        self, path: str, query: Mapping[str, str] | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        raise not_found()

    async def watch(
        self, path: str, version: str, query: Mapping[str, str] | None = None
    ) -> AsyncGenerator[WatchEvent, None]:
        self.requests.append(("watch", path, {"version": version}))
        for event in self.watches.pop(0) if self.watches else ():
            if isinstance(event, Exception):
                raise event
            yield event

    def _answer(self, method: str, path: str, body: Json, default: Answer) -> Json:
        self.requests.append((method, path, body))
        answer = self.answers.get((method, path), default)
        if isinstance(answer, Exception):
            raise answer
        return answer(body) if callable(answer) else answer


def an_object(name: str, *, uid: str = "", version: int = 1, namespace: str = "", **metadata: Any) -> Json:
    where = {"namespace": namespace} if namespace else {}
    return {"metadata": {"name": name, "uid": uid or name, "resourceVersion": str(version), **where, **metadata}}
