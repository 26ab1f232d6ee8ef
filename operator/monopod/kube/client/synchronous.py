"""The transport of the command line: one request after the other, without an event loop, which would cost time to load.

What is sent and what answers mean is `monopod.kube.client.request`'s, as for the asynchronous transport.
"""

import logging
import os
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import urllib3
from kubernetes import client, config

from monopod import __version__
from monopod.kube.client import request
from monopod.kube.client.api import ApiError, ApiUnreachable, Json, ServerTrouble, Unconfigured
from monopod.kube.client.request import REQUEST_TIMEOUT_SECONDS, Request
from monopod.kube.objects.text import to_line

MANAGER: Final = "kubectl-fargate"

# Nothing is tried again here but what `compute_pause` says; and no server may have this wait for as long as it likes.
_ONCE = urllib3.Retry(connect=0, read=0, status=0, other=0, redirect=3, respect_retry_after_header=False)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a kubeconfig's user is known by, credential plugins included.

    Attributes:
        authorization: the header of this name; "" if there is no token.
        certificate: the file of the client certificate; "" if there is none.
        key: the file of its key.
    """

    authorization: str
    certificate: str
    key: str


class SyncClient:
    """The API server that a kubeconfig names.

    Every method raises `ApiError` if the API server refuses, `ApiUnreachable` if none answers.
    """

    def __init__(self, api: client.ApiClient, namespace: str, timeout_seconds: float = REQUEST_TIMEOUT_SECONDS) -> None:
        self._api = api
        self._timeout_seconds = timeout_seconds
        self.namespace = namespace
        """The namespace of the kubeconfig's context."""

    @classmethod
    def connect(
        cls, kubeconfig: str | None, context: str | None, timeout_seconds: float = REQUEST_TIMEOUT_SECONDS
    ) -> Self:
        """Reads the kubeconfig as kubectl does: the option, $KUBECONFIG, ~/.kube/config.

        Raises:
            Unconfigured: there is none, or it can't be used.
        """
        # kubectl keeps quiet about `insecure-skip-tls-verify: true`, which is the user's own word.
        warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)
        # Nor does it mind a server without https://.
        warnings.filterwarnings("ignore", "URLs without a scheme", FutureWarning)
        # The client looks at $KUBECONFIG when it is imported; by then it may be another one.
        kubeconfig = kubeconfig or os.environ.get("KUBECONFIG") or None
        configuration = client.Configuration()
        configuration.retries = _ONCE
        logged = _Logged()
        try:
            with logged:
                config.load_kube_config(kubeconfig, context, client_configuration=configuration)  # type: ignore[no-untyped-call]  # no annotations
            contexts, current = config.list_kube_config_contexts(kubeconfig)  # type: ignore[no-untyped-call]  # nor here
            chosen = next(each for each in contexts if each["name"] == context) if context else current
            api = client.ApiClient(configuration)
            api.user_agent = f"{MANAGER}/{__version__}"
            found = cls(api, chosen["context"].get("namespace") or "default", timeout_seconds)
        except Exception as problem:
            # The client reads the file unguarded: a malformed one raises whatever its content happens to break.
            raise Unconfigured(f"The kubeconfig can't be used: {to_line(problem)}") from None
        if logged.messages:
            raise Unconfigured(f"The kubeconfig's credentials can't be had: {to_line(logged.messages[0])}")
        return found

    @property
    def host(self) -> str:
        """Where the API server is."""
        return str(self._api.configuration.host)

    def get_credentials(self) -> Credentials:
        """What the API server knows the user by, for those who know users as it does."""
        configuration = self._api.configuration
        return Credentials(
            configuration.get_api_key_with_prefix("BearerToken", "authorization") or "",
            configuration.cert_file or "",
            configuration.key_file or "",
        )

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Json:
        """Reads one object."""
        return self._ask(request.build_read(path, query))

    def get_text(self, path: str, query: Mapping[str, str] | None = None) -> str:
        """Reads what is no JSON, such as logs."""
        return self._send(request.build_read(path, query, accept="*/*"))[1].decode(errors="replace")

    def list_items(self, path: str, query: Mapping[str, str] | None = None) -> list[Json]:
        """All objects of a collection, read in pages."""
        pages, items = request.Pages(path, query), list[Json]()
        while asked := pages.next:
            try:
                items += pages.take(self._ask(asked))
            except ApiError as error:
                pages.resume(error)
        return items

    def create(self, path: str, body: Json, *, dry_run: bool = False) -> Json:
        """Creates an object, or only tries to; what was or would be created."""
        return self._ask(request.build_create(path, body, dry_run=dry_run, manager=MANAGER))

    def merge(self, path: str, patch: Json) -> Json:
        """Changes an object by a merge patch."""
        return self._ask(request.build_merge(path, patch, manager=MANAGER))

    def apply(self, path: str, body: Json) -> Json:
        """Creates or changes an object by server-side apply."""
        return self._ask(request.build_apply(path, body, manager=MANAGER))

    def delete(self, path: str, uid: str = "", *, grace_seconds: int | None = None) -> None:
        """Deletes an object, with a uid if it is still this one; one that is gone already is fine."""
        try:
            self._send(request.build_delete(path, uid, grace_seconds=grace_seconds))
        except ApiError as error:
            if error.status != 404:
                raise

    def _ask(self, asked: Request) -> Json:
        answer = self._send(asked)
        try:
            return request.read_answer(asked, *answer)
        except ApiUnreachable:
            raise ApiUnreachable(f"{self.host} is no API server: its answer isn't a Kubernetes object.") from None

    def _send(self, asked: Request) -> tuple[int, bytes, str | None]:
        """The answer, if it is a success."""
        attempts = 0
        while True:
            attempts += 1
            answer = self._exchange(asked)
            try:
                request.check_answer(*answer)
            except ServerTrouble as trouble:
                pause = request.compute_pause(asked, trouble, attempts)
                if pause is None:
                    raise
                time.sleep(pause)
            else:
                return answer

    def _exchange(self, asked: Request) -> tuple[int, bytes, str | None]:
        try:
            serialized = self._api.param_serialize(
                asked.method, asked.target, header_params=asked.headers, body=asked.body, auth_settings=["BearerToken"]
            )
            response = self._api.call_api(*serialized, _request_timeout=self._timeout_seconds)
            content = bytes(response.read())  # type: ignore[no-untyped-call]  # no annotations
            return response.status, content, response.headers.get("Retry-After")
        except (urllib3.exceptions.HTTPError, OSError, client.ApiException) as problem:
            cause = problem.reason if isinstance(problem, urllib3.exceptions.MaxRetryError) else problem
            raise ApiUnreachable(f"The API server at {self.host} can't be reached: {to_line(cause)}") from cause


class _Logged(logging.Handler):
    """What the client logs where it should fail: without what a credential plugin gives, it goes on as anonymous."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps the message."""
        self.messages.append(record.getMessage())

    def __enter__(self) -> None:
        logging.getLogger().addHandler(self)

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self)
