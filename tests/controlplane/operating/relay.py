"""An HTTP proxy before the API server that answers for it, as a server in trouble does."""

import contextlib
import http.client
import json
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

CHUNK = 65536
NOT_PASSED_ON = ("Host", "Connection", "Accept-Encoding")
"""Headers of requests that are the two connections' own; and answers come as they are, without compression."""


class Relay:
    """Passes requests on, but for those whose path holds `about` while it is troubled.

    Attributes:
        refused: how many requests it has answered itself.
    """

    def __init__(self, server: str, tls: ssl.SSLContext) -> None:
        self._status = 0
        self._about = ""
        self._held = ""
        self._released = threading.Event()
        self._released.set()
        self.refused = 0
        relay = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def relay_request(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(size) if size else None
                if relay._status and relay._about in self.path and "watch=" not in self.path:
                    relay.refused += 1
                    self.answer(relay._status)
                    return
                headers = {key: value for key, value in self.headers.items() if key not in NOT_PASSED_ON}
                request = urllib.request.Request(  # noqa: S310 the API server's address
                    server + self.path, body, headers, method=self.command
                )
                try:
                    with urllib.request.urlopen(request, context=tls, timeout=60) as response:  # noqa: S310 the same
                        self.pass_on(response.status, response)
                except urllib.error.HTTPError as error:
                    self.pass_on(error.code, error)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = relay_request

            def answer(self, status: int) -> None:
                text = json.dumps({"kind": "Status", "code": status, "message": "in trouble"}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                if status == 429:
                    self.send_header("Retry-After", "1")
                self.end_headers()
                self.wfile.write(text)

            def pass_on(self, status: int, response: Any) -> None:
                """Ends with the connection, as the length of a watch isn't known."""
                self.close_connection = True
                self.send_response(status)
                for name in ("Content-Type", "Retry-After"):
                    if value := response.headers.get(name):
                        self.send_header(name, value)
                self.send_header("Connection", "close")
                self.end_headers()
                with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
                    while data := response.read1(CHUNK):
                        if relay._held and relay._held in self.path and "watch=" in self.path:
                            relay._released.wait()
                        self.wfile.write(data)
                        self.wfile.flush()

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @contextlib.contextmanager
    def troubled(self, status: int, about: str) -> Iterator[None]:
        """Answers requests whose path holds `about` with this status."""
        self._about, self._status = about, status
        try:
            yield
        finally:
            self._status = 0

    @contextlib.contextmanager
    def holding(self, about: str) -> Iterator[None]:
        """Watches whose path holds `about` tell of nothing; afterwards of all that there was meanwhile."""
        self._released.clear()
        self._held = about
        try:
            yield
        finally:
            self._held = ""
            self._released.set()
