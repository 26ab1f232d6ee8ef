"""A TCP relay before the API server, to take the network away from one operator."""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlparse


class Gateway:
    """Relays connections until it is closed off, or silences those that are open."""

    def __init__(self, server: str) -> None:
        parsed = urlparse(server)
        assert parsed.hostname
        assert parsed.port
        self._target = (parsed.hostname, parsed.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open = threading.Event()
        self._open.set()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._silenced: set[socket.socket] = set()
        self.refused = 0
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        self._cut()

    def close_off(self) -> None:
        """Cuts all connections and refuses new ones."""
        self._open.clear()
        self._cut()

    def open_up(self) -> None:
        """Relays again."""
        self._open.set()

    def silence_open_connections(self) -> None:
        """What is open stays open, and nothing more comes from the server; new connections work."""
        self._silenced.update(server for _, server in self._pairs)

    def _cut(self) -> None:
        for pair in self._pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        self._pairs.clear()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if not self._open.is_set():
                    self.refused += 1
                    client.close()
                    continue
                server = socket.create_connection(self._target)
                self._pairs.append((client, server))
                threading.Thread(target=self._relay, args=(client, server), daemon=True).start()
                threading.Thread(target=self._relay, args=(server, client), daemon=True).start()

    def _relay(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError), source, target:
            while data := source.recv(65536):
                if source not in self._silenced:
                    target.sendall(data)
