"""An HTTP proxy before the API server that stops an operator at a request of its, before or after it takes effect.

It also keeps what the operator writes, in the order in which the API server is asked and answers.
"""

import contextlib
import http.client
import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlparse

Matches = Callable[[str, str], bool]
"""Whether a request counts, by its method and its path with the query."""

Moment = Literal["before", "after"]


@dataclass
class Write:
    """A request that writes, dry runs left out; what comes after its answer has waited for it.

    Attributes:
        request: as `METHOD path`.
        began: when it came, by the monotonic clock.
        ended: when the API server had answered it.
        status: of the answer, 0 if there is none.
    """

    request: str
    body: Any
    began: float
    ended: float = float("inf")
    status: int = 0

    @property
    def succeeded(self) -> bool:
        return self.status in (200, 201)


class Interceptor:
    """Passes requests on, and counts those that match.

    Attributes:
        seen: the requests that matched, as `METHOD path`.
        caught: set once the request to stop at has arrived, or has taken effect; it is never answered.
        writes: what was asked for, in the order in which it came, also what is stopped.
    """

    def __init__(self, server: str, tls: ssl.SSLContext, matches: Matches) -> None:
        self._target = urlparse(server).netloc
        self._tls = tls
        self._matches = matches
        self._stop: tuple[int, Moment] | None = None
        self._lock = threading.Lock()
        self._proxy = ThreadingHTTPServer(("127.0.0.1", 0), self._build_handler())
        self._proxy.daemon_threads = True
        self.seen: list[str] = []
        self.caught = threading.Event()
        self.writes: list[Write] = []
        self._held: Matches = lambda *_: False
        self._released = threading.Event()
        self._refused: Matches = lambda *_: False
        self.url = f"http://127.0.0.1:{self._proxy.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._proxy.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._proxy.shutdown()
        self._proxy.server_close()

    def stop_at(self, number: int, moment: Moment) -> None:
        """From now on the matching request of this number, counted from 0, and all after it get no answer."""
        self._stop = (number, moment)

    @contextlib.contextmanager
    def holding(self, matches: Matches) -> Iterator[None]:
        """Requests that match wait, before they take effect, until this ends; all others pass."""
        self._released.clear()
        self._held = matches
        try:
            yield
        finally:
            self._held = lambda *_: False
            self._released.set()

    @contextlib.contextmanager
    def refusing(self, matches: Matches) -> Iterator[None]:
        """Requests that match are forbidden, and never reach the API server, until this ends."""
        self._refused = matches
        try:
            yield
        finally:
            self._refused = lambda *_: False

    def find(self, request: str, matches: Callable[[Any], bool] = lambda _: True) -> list[Write]:
        """The writes whose `METHOD path` is all of the pattern, and whose body matches."""
        return [write for write in list(self.writes) if re.fullmatch(request, write.request) and matches(write.body)]

    def _note(self, method: str, path: str, body: bytes | None) -> Write:
        path, _, query = path.partition("?")
        write = Write(f"{method} {path}", json.loads(body) if body else None, time.monotonic())
        if method != "GET" and "dryRun" not in query:
            self.writes.append(write)
        return write

    def _admit(self, method: str, path: str) -> Moment | None:
        """Where this request is stopped, if it is."""
        with self._lock:
            if self.caught.is_set():
                return "before"
            if not self._matches(method, path):
                return None
            self.seen.append(f"{method} {path.partition('?')[0]}")
            if self._stop is None or len(self.seen) - 1 != self._stop[0]:
                return None
            if self._stop[1] == "before":
                self.caught.set()
            return self._stop[1]

    def _build_handler(self) -> type[BaseHTTPRequestHandler]:
        interceptor = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Nothing: pytest shows what matters."""

            def pass_on(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length) if length else None
                write = interceptor._note(self.command, self.path, body)
                if interceptor._held(self.command, self.path):
                    interceptor._released.wait()
                if interceptor._refused(self.command, self.path):
                    write.ended, write.status = time.monotonic(), 403
                    self.refuse()
                    return
                stopped = interceptor._admit(self.command, self.path)
                if stopped == "before":
                    self.close_connection = True
                    return
                connection = http.client.HTTPSConnection(interceptor._target, context=interceptor._tls, timeout=60)
                headers = {key: value for key, value in self.headers.items() if key.lower() not in HOP_BY_HOP}
                # A killed operator doesn't wait for the rest of an answer.
                with contextlib.closing(connection), contextlib.suppress(OSError):
                    connection.request(self.command, self.path, body, headers)
                    with connection.getresponse() as answer:
                        write.ended, write.status = time.monotonic(), answer.status
                        if stopped == "after":
                            answer.read()
                            interceptor.caught.set()
                            self.close_connection = True
                            return
                        self.answer(answer)

            def refuse(self) -> None:
                status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403}
                body = json.dumps({**status, "message": "refused by the test"}).encode()
                self.send_response(403)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def answer(self, answer: http.client.HTTPResponse) -> None:
                self.send_response(answer.status)
                for key, value in answer.getheaders():
                    if key.lower() not in HOP_BY_HOP:
                        self.send_header(key, value)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                while piece := answer.read1(65536):
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.write(b"0\r\n\r\n")

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on

        return Handler


HOP_BY_HOP = ("host", "connection", "content-length", "transfer-encoding", "keep-alive")
