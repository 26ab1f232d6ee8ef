"""Questions to a ledger, over a port that leads to it, with the kubeconfig's token or client certificate."""

import http.client
import json
import ssl
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from monopod import __version__
from monopod.cli.failure import ApiFailure, UnreadableInput
from monopod.cli.ledger_client.port_forward import PortForward
from monopod.cli.ledger_client.versions import LedgerVersion
from monopod.kube.client.synchronous import MANAGER, Credentials
from monopod.kube.objects.text import to_line

Json = dict[str, Any]
Query = Sequence[tuple[str, str]]

_CONNECT_SECONDS: Final = 30
_TIMEOUT_SECONDS: Final = 1800
"""For one read: a ledger that verifies years of usage says nothing meanwhile."""
_TROUBLE: Final = (OSError, http.client.HTTPException)
_CHUNK: Final = 1 << 16
_LONGEST_REFUSAL: Final = 1 << 16
BROKEN_OFF: Final = "The ledger's answer broke off before its end; nothing of it can be relied on. Try again."


class LedgerClient:
    """Asks a ledger. Methods raise `ApiFailure` if there is no answer, and `UnreadableInput` if the question is bad.

    Args:
        forward: the way to it.
        credentials: whom the API server knows the user by.
        version: is told the ledger's.
    """

    def __init__(self, forward: PortForward, credentials: Credentials, version: LedgerVersion) -> None:
        self._forward = forward
        self._credentials = credentials
        self._version = version
        self._connection: http.client.HTTPSConnection | None = None
        self._response: http.client.HTTPResponse | None = None

    def close(self) -> None:
        """Closes the connection, also in the middle of an answer."""
        for each in (self._response, self._connection):
            if each is not None:
                each.close()

    def get(self, path: str, query: Query = (), *, method: str = "GET") -> Json:
        """Returns an answer."""
        response = self._ask(method, path, query)
        try:
            found: Json = json.loads(response.read())
        except (ValueError, *_TROUBLE):
            raise ApiFailure(BROKEN_OFF) from None
        return found

    def stream(self, path: str, query: Query = ()) -> Iterator[Json]:
        """Yields the lines of an answer that has any number of them, the first of which tells of the whole.

        The last line says that it is the last, and how many there were; it isn't yielded.
        """
        response, count = self._ask("GET", path, query), 0
        try:
            for line in response:
                found = json.loads(line)
                if "end" in found:
                    if found["end"] != count - 1:
                        break
                    return
                count += 1
                yield found
        except (ValueError, *_TROUBLE):
            pass
        raise ApiFailure(BROKEN_OFF)

    def download(self, path: str, target: Path) -> int:
        """Writes an answer to a file, and returns how many bytes it has.

        Raises:
            FileExistsError: the file is there already.
            OSError: it can't be written.
        """
        response, size = self._ask("GET", path), 0
        with target.open("xb") as file:
            try:
                while chunk := response.read(_CHUNK):
                    size += file.write(chunk)
            except http.client.HTTPException:
                target.unlink()
                raise ApiFailure(BROKEN_OFF) from None
        return size

    def _ask(self, method: str, path: str, query: Query = ()) -> http.client.HTTPResponse:
        target = f"{path}?{urlencode(query)}" if query else path
        try:
            response = self._exchange(method, target, with_certificate=bool(self._credentials.certificate))
        except _TROUBLE as problem:
            if not (self._credentials.certificate and self._credentials.authorization):
                raise self._build_failure(problem) from None
            # A certificate of authorities that the ledger doesn't know ends the handshake; the token is as good.
            try:
                response = self._exchange(method, target, with_certificate=False)
            except _TROUBLE as second:
                raise self._build_failure(second) from None
        self._version.hear(response.headers.get("Server"))
        if response.status == HTTPStatus.NOT_FOUND and self._version.is_other:
            raise ApiFailure(f"The ledger doesn't know this question. {self._version.describe()}")
        if response.status != HTTPStatus.OK:
            raise _read_refusal(response.status, response.read(_LONGEST_REFUSAL))
        return response

    def _exchange(self, method: str, target: str, *, with_certificate: bool) -> http.client.HTTPResponse:
        self.close()
        context = self._build_context(with_certificate)
        self._connection = connection = http.client.HTTPSConnection(
            "127.0.0.1", self._forward.port, context=context, timeout=_CONNECT_SECONDS
        )
        connection.connect()
        connection.sock.settimeout(_TIMEOUT_SECONDS)
        # The handshake is over, so the port was somebody's. It was kubectl's if kubectl lives.
        if not self._forward.is_open:
            raise ConnectionError("kubectl has ended")
        connection.request(method, target, headers=self._build_headers())
        self._response = response = connection.getresponse()
        return response

    def _build_context(self, with_certificate: bool) -> ssl.SSLContext:
        # The ledger signs its own certificate: the way to it is what is trusted.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        if with_certificate:
            try:
                context.load_cert_chain(self._credentials.certificate, self._credentials.key or None)
            except (OSError, ssl.SSLError) as problem:
                raise ApiFailure(f"The kubeconfig's client certificate can't be used: {to_line(problem)}") from None
        return context

    def _build_headers(self) -> Mapping[str, str]:
        headers = {"User-Agent": f"{MANAGER}/{__version__}", "Accept": "application/json"}
        if self._credentials.authorization:
            headers["Authorization"] = self._credentials.authorization
        return headers

    def _build_failure(self, problem: Exception) -> ApiFailure:
        complaint = self._forward.complaint
        if complaint:
            return ApiFailure(f"The ledger doesn't answer: {complaint} See that its pods are ready.")
        return ApiFailure(f"The ledger doesn't answer: {to_line(problem)} See that its pods are ready.")


def _read_refusal(status: int, content: bytes) -> ApiFailure | UnreadableInput:
    try:
        message = json.loads(content)["message"]
    except (ValueError, KeyError, TypeError):
        return ApiFailure(f"What answers isn't the ledger, or of another version: status {status}.")
    match status:
        case HTTPStatus.BAD_REQUEST:
            return UnreadableInput(message)
        case HTTPStatus.UNAUTHORIZED:
            advice = " Log in again, or name another context with --context."
        case HTTPStatus.FORBIDDEN:
            advice = " If you have the role view in a namespace, name it with -n; else ask for it."
        case HTTPStatus.SERVICE_UNAVAILABLE:
            advice = " Try again in a moment."
        case _:
            advice = ""
    return ApiFailure(f"{to_line(message)}{advice}")
