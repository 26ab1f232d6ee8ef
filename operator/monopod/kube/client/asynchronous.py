"""A small client of the Kubernetes API: dicts in, dicts out.

Built on the connection and the credentials of `kubernetes.aio` (kubeconfig with exec plugins, ServiceAccount tokens
that rotate), without its models: a pod through a model costs twenty times the time and memory of a dict, and loses
the fields that the model doesn't know.
"""

import asyncio
import contextlib
import copy
import os
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from http import HTTPStatus
from typing import Final
from urllib.request import getproxies_environment

import aiohttp
from kubernetes.aio import config as kubernetes_config
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.client.rest import RESTClientObject
from multidict import CIMultiDict

from monopod.kube.client import request
from monopod.kube.client.api import (
    AnswerTooLong,
    ApiError,
    ApiUnreachable,
    Json,
    ServerTrouble,
    Unconfigured,
    WatchEvent,
)
from monopod.kube.client.request import (
    REQUEST_TIMEOUT_SECONDS,
    WATCH_GRACE_SECONDS,
    WATCH_SECONDS,
    Impersonation,
    Request,
)
from monopod.kube.clock import SYSTEM_CLOCK

LONGEST_LINE: Final = 32 * 1024 * 1024
"""Of a watch. etcd takes objects of 1.5 MiB, and of each byte the API server may make six of JSON."""

LONGEST_ANSWER: Final = 16 * 1024 * 1024
"""Of any other request: one such object, or a page of 500 ordinary pods several times over. As Python's objects it is
many times as large, and whoever may create pods may create 500 of the largest."""

TEXT_SECONDS: Final = 40.0
"""How long a text of any length may take."""

HearDate = Callable[[str | None, float], None]
"""Of an answer's header `Date`, and how many seconds ago it was asked for."""


async def load_configuration(kubeconfig: str | None = None) -> Configuration:
    """Finds the API server and the credentials: the given kubeconfig, $KUBECONFIG, the pod's own, ~/.kube/config.

    Raises:
        Unconfigured: there is none, or it can't be read.
    """
    try:
        return await _load_configuration(kubeconfig)
    except kubernetes_config.ConfigException as problem:
        raise Unconfigured(str(problem)) from problem
    except Exception as problem:
        # The client reads the file unguarded: a malformed one raises whatever its content happens to break.
        raise Unconfigured(f"Invalid kube-config file. {problem}") from problem


async def _load_configuration(kubeconfig: str | None) -> Configuration:
    configuration = Configuration()
    path = kubeconfig or os.environ.get("KUBECONFIG")
    if path is None and os.environ.get("KUBERNETES_SERVICE_HOST"):
        kubernetes_config.load_incluster_config(  # type: ignore[no-untyped-call]  # it has no annotations
            client_configuration=configuration
        )
    else:
        await kubernetes_config.load_kube_config(  # type: ignore[no-untyped-call]  # it has no annotations
            config_file=path, client_configuration=configuration
        )
    # aiohttp would look into ~/.netrc at each request, in a thread of its own: a tenth of the CPU time in a burst.
    configuration.client_session_kwargs = {"trust_env": bool(getproxies_environment())}
    return configuration


class ApiClient:
    """`monopod.kube.client.api.Api` over one connection pool, where its methods are described."""

    def __init__(self, configuration: Configuration, hear_date: HearDate | None = None) -> None:
        """Connects when it is used; `hear_date` is told of each answer."""
        self.configuration = configuration
        self._hear_date = hear_date
        self._rest = RESTClientObject(configuration)
        self._impersonation: Impersonation | None = None

    def impersonate(self, impersonation: Impersonation) -> "ApiClient":
        """The same connections, used in another's name. They are closed by the one that opened them."""
        found = copy.copy(self)
        found._impersonation = impersonation
        return found

    async def close(self) -> None:
        """Closes the connections."""
        await self._rest.close()

    @property
    def ssl_context(self) -> ssl.SSLContext:
        """What the API server's certificate is checked by, with the client's own."""
        return self._rest.ssl_context

    async def build_headers(self) -> list[tuple[str, str]]:
        """Who asks, and in whose name."""
        headers = list((await build_authorization(self.configuration)).items())
        return headers + list(self._impersonation.headers) if self._impersonation else headers

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        """Reads one object."""
        return await self._send(request.build_read(path, query))

    async def create(self, path: str, body: Json, *, dry_run: bool = False) -> Json:
        """Creates an object, or only tries to."""
        return await self._send(request.build_create(path, body, dry_run=dry_run))

    async def replace(self, path: str, body: Json) -> Json:
        """Replaces an object."""
        return await self._send(request.build_replace(path, body))

    async def merge(self, path: str, patch: Json) -> Json:
        """Changes an object by a merge patch."""
        return await self._send(request.build_merge(path, patch))

    async def patch(self, path: str, operations: list[Json]) -> Json:
        """Changes an object by a JSON patch."""
        return await self._send(request.build_patch(path, operations))

    async def apply(self, path: str, body: Json) -> Json:
        """Creates or changes an object by server-side apply."""
        return await self._send(request.build_apply(path, body))

    async def delete(self, path: str, uid: str, version: str = "") -> None:
        """Deletes an object, if it is still this one."""
        try:
            await self._send(request.build_delete(path, uid, version))
        except ApiError as error:
            if error.status != 404:
                raise

    async def read_pages(
        self,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        metadata_only: bool = False,
        is_snapshot: bool = False,
    ) -> AsyncIterator[Json]:
        """The pages of a collection."""
        pages = request.Pages(path, query, metadata_only=metadata_only)
        while pages.next:
            try:
                page = await self._send(pages.next)
            except AnswerTooLong as trouble:
                pages.shrink(trouble)
            except ApiError as error:
                if is_snapshot:
                    raise
                pages.resume(error)
            else:
                pages.take(page)
                yield page

    async def list_pages(
        self, path: str, query: Mapping[str, str] | None = None, *, metadata_only: bool = False
    ) -> AsyncIterator[Json]:
        """All objects of a collection."""
        async for page in self.read_pages(path, query, metadata_only=metadata_only):
            for item in page.get("items") or ():
                yield item

    async def watch(
        self, path: str, version: str, query: Mapping[str, str] | None = None
    ) -> AsyncGenerator[WatchEvent, None]:
        """What happens to a collection after a resourceVersion; it ends after WATCH_SECONDS."""
        asked = request.build_watch(path, version, query)
        limits = aiohttp.ClientTimeout(
            total=WATCH_SECONDS + 2 * WATCH_GRACE_SECONDS,
            sock_connect=REQUEST_TIMEOUT_SECONDS,
            sock_read=WATCH_SECONDS + WATCH_GRACE_SECONDS,
        )
        try:
            response = await self._open(asked, limits)
            try:
                if response.status != HTTPStatus.OK:
                    request.check_answer(response.status, await response.read(), response.headers.get("Retry-After"))
                async for line in _read_lines(response.content):
                    yield request.read_event(asked, line)
            finally:
                response.close()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:  # ValueError: a line without end
            raise ApiUnreachable(f"{asked}: {str(error) or type(error).__name__}") from error

    @contextlib.asynccontextmanager
    async def read_text(self, path: str, query: Mapping[str, str] | None = None) -> AsyncIterator[AsyncIterator[bytes]]:
        """Opens a text, and has it in pieces."""
        asked = request.build_read(path, query, accept="*/*")
        try:
            response = await self._open(asked, aiohttp.ClientTimeout(total=TEXT_SECONDS))
            try:
                if response.status != HTTPStatus.OK:
                    content = await _read_bounded(asked, response)
                    request.check_answer(response.status, content, response.headers.get("Retry-After"))
                yield response.content.iter_any()
            finally:
                response.close()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiUnreachable(f"{asked}: {str(error) or type(error).__name__}") from error

    async def _send(self, asked: Request) -> Json:
        attempts = 0
        while True:
            attempts += 1
            try:
                return request.read_answer(asked, *await self._exchange(asked))
            except ServerTrouble as trouble:
                pause = request.compute_pause(asked, trouble, attempts)
                if pause is None:
                    raise
                await asyncio.sleep(pause)

    async def _exchange(self, asked: Request) -> tuple[int, bytes, str | None]:
        try:
            response = await self._open(asked, aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_SECONDS))
            return response.status, await _read_bounded(asked, response), response.headers.get("Retry-After")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiUnreachable(f"{asked}: {str(error) or type(error).__name__}") from error

    async def _open(self, asked: Request, limits: aiohttp.ClientTimeout) -> aiohttp.ClientResponse:
        url = self.configuration.host.rstrip("/") + asked.target
        headers = CIMultiDict(asked.headers)
        headers.extend(await self.build_headers())
        began = SYSTEM_CLOCK.monotonic()
        answer = await self._rest.request(  # type: ignore[no-untyped-call]  # it has no annotations
            asked.method, url, headers, asked.body, _request_timeout=limits
        )
        response: aiohttp.ClientResponse = answer.response
        if self._hear_date:
            self._hear_date(response.headers.get("Date"), SYSTEM_CLOCK.monotonic() - began)
        return response


async def _read_bounded(asked: Request, response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    try:
        async for chunk in response.content.iter_any():
            content += chunk
            if len(content) > LONGEST_ANSWER:
                raise AnswerTooLong(f"{asked}: the answer is longer than {LONGEST_ANSWER:,} bytes")
    except BaseException:
        response.close()
        raise
    return bytes(content)


async def _read_lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Lines of a watch. aiohttp's own may have 4 MiB, and a pod's author can write one that is longer.

    Raises:
        ValueError: there is a line without end.
    """
    begun = bytearray()
    async for chunk in content.iter_any():
        begun += chunk
        if b"\n" in chunk:
            *lines, rest = begun.split(b"\n")
            begun = bytearray(rest)
            for line in lines:
                yield bytes(line)
        if len(begun) > LONGEST_LINE:
            raise ValueError(f"a line of a watch is longer than {LONGEST_LINE:,} bytes")
    if begun:
        yield bytes(begun)


async def build_authorization(configuration: Configuration) -> dict[str, str]:
    """The Authorization header, if the credentials are a token or a password; certificates need none."""
    token = await configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
    if token:
        return {"Authorization": token}
    if configuration.username:
        return {"Authorization": aiohttp.encode_basic_auth(configuration.username, configuration.password or "")}
    return {}
