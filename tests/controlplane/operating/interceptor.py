"""An HTTP proxy before the API server that stops an operator at a request of its, before or after it takes effect."""

import contextlib
import http.client
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Literal, Self
from urllib.parse import urlparse

Matches = Callable[[str, str], bool]
"""Whether a request counts, by its method and its path with the query."""

Moment = Literal["before", "after"]


class Interceptor:
    """Passes requests on, and counts those that match.

    Attributes:
        seen: the requests that matched, as `METHOD path`.
        caught: set once the request to stop at has arrived, or has taken effect; it is never answered.
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
                        if stopped == "after":
                            answer.read()
                            interceptor.caught.set()
                            self.close_connection = True
                            return
                        self.answer(answer)

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
