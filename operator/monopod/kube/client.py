"""A small client of the Kubernetes API: dicts in, dicts out.

Built on the connection and the credentials of `kubernetes.aio` (kubeconfig with exec plugins, ServiceAccount tokens
that rotate), without its models: a pod through a model costs twenty times the time and memory of a dict, and loses
the fields that the model doesn't know.
"""

import json
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from urllib.request import getproxies_environment

import aiohttp
from kubernetes.aio import config as kubernetes_config
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.client.rest import RESTClientObject

from monopod import __version__
from monopod.api.names import FIELD_MANAGER

REQUEST_TIMEOUT_SECONDS = 15.0
# Of what the server says. A webhook may say anything, and statuses that quote it are refused if they are too long.
LONGEST_MESSAGE = 4096
PAGE_SIZE = 500

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

Json = dict[str, Any]


class ApiUnreachable(Exception):
    """No usable answer: the connection failed, took too long, or the server is overloaded. Worth trying again."""


@dataclass
class ServerTrouble(ApiUnreachable):
    """The API server, or something before it, answered with 429 or an error of its own.

    Attributes:
        causes: the causes in the answer, each a reason and a message.
        retry_after: after how many seconds the server wishes to be asked again, 0 if it doesn't say.
    """

    request: str
    status: int
    message: str
    causes: tuple[tuple[str, str], ...] = ()
    retry_after: float = 0.0

    def __str__(self) -> str:
        return f"{self.request}: {self.status} {self.message}"


@dataclass
class ApiError(Exception):
    """The API server refused a request.

    Attributes:
        status: the HTTP status.
        reason: Kubernetes' reason (`NotFound`).
        message: its words, for people; decisions go by the rest.
        causes: the causes in the answer, each a reason and a message.
    """

    status: int
    reason: str
    message: str
    causes: tuple[tuple[str, str], ...] = ()

    def has_cause(self, reason: str) -> bool:
        """Whether one of the causes has this reason."""
        return any(cause == reason for cause, _ in self.causes)

    def __str__(self) -> str:
        return f"{self.message} ({self.status} {self.reason})"


Unconfigured = kubernetes_config.ConfigException
"""The client has no configuration, or can't read it."""


async def load_configuration(kubeconfig: str | None = None) -> Configuration:
    """Finds the API server and the credentials: the given kubeconfig, $KUBECONFIG, the pod's own, ~/.kube/config.

    Raises:
        Unconfigured: there is none, or it can't be read.
    """
    try:
        return await _load_configuration(kubeconfig)
    except Unconfigured:
        raise
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
    """Sends requests, one connection pool for all of them."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self._rest = RESTClientObject(configuration)

    async def close(self) -> None:
        """Closes the connections."""
        await self._rest.close()

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        """Reads one object."""
        return await self._request("GET", path, query)

    async def create(self, path: str, body: Json, *, dry_run: bool = False) -> Json:
        """Creates an object, or only tries to."""
        query = {"fieldManager": FIELD_MANAGER} | ({"dryRun": "All"} if dry_run else {})
        return await self._request("POST", path, query, body)

    async def replace(self, path: str, body: Json) -> Json:
        """Replaces an object; with a resourceVersion in it, only if nobody else changed it meanwhile."""
        return await self._request("PUT", path, {"fieldManager": FIELD_MANAGER}, body)

    async def merge(self, path: str, patch: Json) -> Json:
        """Changes an object by a merge patch: null removes a field."""
        return await self._request("PATCH", path, {"fieldManager": FIELD_MANAGER}, patch, MERGE_PATCH)

    async def patch(self, path: str, operations: list[Json]) -> Json:
        """Changes an object by a JSON patch, all of it or nothing: a `test` that fails refuses the whole."""
        return await self._request("PATCH", path, {"fieldManager": FIELD_MANAGER}, operations, JSON_PATCH)

    async def apply(self, path: str, body: Json) -> Json:
        """Creates or changes an object by server-side apply, taking over fields that others own."""
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return await self._request("PATCH", path, query, body, APPLY_PATCH)

    async def delete(self, path: str, uid: str, version: str = "") -> None:
        """Deletes an object, and no other of its name that replaced it; one that is gone already is fine.

        With a resourceVersion only if nobody changed it meanwhile.

        Raises:
            ApiError: the API server refuses, with 409 if it is another object, or another version of it.
        """
        preconditions = {"uid": uid, **({"resourceVersion": version} if version else {})}
        try:
            await self._request("DELETE", path, None, {"preconditions": preconditions})
        except ApiError as error:
            if error.status != 404:
                raise

    async def list_pages(
        self, path: str, query: Mapping[str, str] | None = None, *, metadata_only: bool = False
    ) -> AsyncIterator[Json]:
        """All objects of a kind, read in pages; with `metadata_only` without spec and status."""
        token = ""
        while True:
            page_query = {"limit": str(PAGE_SIZE), **(query or {}), **({"continue": token} if token else {})}
            page = await self._request("GET", path, page_query, accept=METADATA_ONLY if metadata_only else JSON)
            for item in page.get("items") or ():
                yield item
            token = (page.get("metadata") or {}).get("continue") or ""
            if not token:
                return

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Json | list[Json] | None = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Json:
        url = f"{self.configuration.host.rstrip('/')}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {
            "Accept": accept,
            "Content-Type": content_type,
            "User-Agent": f"monopod/{__version__}",
            **await build_authorization(self.configuration),
        }
        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_SECONDS)
        try:
            response = await self._rest.request(  # type: ignore[no-untyped-call]  # it has no annotations
                method, url, headers, body, _request_timeout=timeout
            )
            text = await response.read()
            wish = response.getheader("Retry-After")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiUnreachable(f"{method} {path}: {str(error) or type(error).__name__}") from error
        return _read_answer(f"{method} {path}", response.status, text, wish)


def _read_answer(request: str, status: int, text: bytes, wish: str | None) -> Json:
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        # A proxy in front of the API server, or the server itself while it starts or stops.
        answer = {"message": text.decode(errors="replace")[:300]}
        if status < 400:
            raise ApiUnreachable(f"{request}: {status}, and no object: {answer['message']}")
    if status < 400:
        return answer
    message = str(answer.get("message") or "")[:LONGEST_MESSAGE]
    details = answer.get("details") or {}
    causes = tuple((c.get("reason") or "", c.get("message") or "") for c in details.get("causes") or ())
    if status == 429 or status >= 500:
        retry_after = float(wish if wish and wish.isdecimal() else details.get("retryAfterSeconds") or 0)
        raise ServerTrouble(request, status, message, causes, retry_after)
    raise ApiError(status, answer.get("reason") or "", message, causes)


async def build_authorization(configuration: Configuration) -> dict[str, str]:
    """The Authorization header, if the credentials are a token or a password; certificates need none."""
    token = await configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
    if token:
        return {"Authorization": token}
    if configuration.username:
        return {"Authorization": aiohttp.encode_basic_auth(configuration.username, configuration.password or "")}
    return {}
