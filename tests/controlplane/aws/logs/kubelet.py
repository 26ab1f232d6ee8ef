"""A stand-in for a kubelet, at which the API server reads the logs of containers, and the node that leads to it."""

import http.server
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import parse_qs, urlsplit

from lab.cluster.pki import Authority
from tests.controlplane.server import Manifest
from tests.unit.aws.logs.kubelet import select_lines

PIECE = 65_536


class Kubelet:
    """Has logs by namespace, pod and container."""

    def __init__(self) -> None:
        self.logs: dict[str, bytes] = {}
        self.asked: list[dict[str, str]] = []
        self.sent = 0
        self.port = 0

    def build_node(self, name: str) -> Manifest:
        """A node whose kubelet this is."""
        status = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self.port}},
        }
        return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": status}


@contextmanager
def running(authority: Authority) -> Iterator[Kubelet]:
    kubelet = Kubelet()
    certificate, key = authority.issue("stand-in-kubelet", "system:node:stand-in", hosts=["127.0.0.1"])

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
            kubelet.asked.append(asked)
            log = kubelet.logs.get(parts.path.removeprefix("/containerLogs/"))
            content = b"the container is waiting to start" if log is None else select_lines(log, asked)
            self.send_response(400 if log is None else 200)
            self.send_header("Content-Type", "text/plain")
            self.end_headers()
            with suppress(OSError):  # whoever reads has enough
                for begin in range(0, len(content), PIECE):
                    self.wfile.write(content[begin : begin + PIECE])
                    kubelet.sent += PIECE

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        kubelet.port = server.server_port
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield kubelet
        server.shutdown()
