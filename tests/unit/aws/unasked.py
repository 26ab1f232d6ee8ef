"""What the endpoint's handlers never ask of the API server."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping

from monopod.kube.client.api import Json, WatchEvent


class UnaskedApi:
    """The part of an `Api` in memory that fails whoever asks for it."""

    async def replace(self, path: str, body: Json) -> Json:
        raise NotImplementedError

    async def patch(self, path: str, operations: list[Json]) -> Json:
        raise NotImplementedError

    async def apply(self, path: str, body: Json) -> Json:
        raise NotImplementedError

    def read_pages(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        metadata_only: bool = False,
        is_snapshot: bool = False,
    ) -> AsyncIterator[Json]:
        raise NotImplementedError

    def watch(
        self, path: str, version: str, query: Mapping[str, str] | None = None
    ) -> AsyncGenerator[WatchEvent, None]:
        raise NotImplementedError
