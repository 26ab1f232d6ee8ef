"""Questions to a ledger: what is sent, to whom, and what becomes of an answer that isn't whole."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import cast

import pytest

from lab.cluster.pki import Authority
from monopod.cli.failure import ApiFailure
from monopod.cli.ledger_client.client import LedgerClient
from monopod.cli.ledger_client.port_forward import PortForward
from monopod.cli.ledger_client.versions import LedgerVersion, told_as_another_version
from monopod.kube.client.synchronous import Credentials
from monopod.kube.server.certificate import ServerCertificate

HEAD = b'{"coverage":{}}\n'
ROW = b'{"pod":"a"}\n'


@dataclass
class Way:
    """Stands in for a port-forward."""

    port: int
    is_open: bool = True
    complaint: str = ""


@dataclass
class Listening:
    """A ledger's stand-in: what it answers, and what it was sent."""

    server: HTTPServer
    tokens: list[str]

    def build_client(self, *, is_open: bool = True, certificate: tuple[Path, Path] | None = None) -> LedgerClient:
        way = cast("PortForward", Way(self.server.server_port, is_open))
        paths = [str(path) for path in certificate or ("", "")]
        return LedgerClient(way, Credentials("Bearer secret", *paths), LedgerVersion())


@contextmanager
def listening(body: bytes, status: int = 200, authority: str = "") -> Iterator[Listening]:
    """A TLS server that answers everything."""
    tokens: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            tokens.append(self.headers.get("Authorization", ""))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that hang up are what is tested
    server.socket = (
        ServerCertificate(datetime.now(UTC), ("ledger",))
        .build_context(authority)
        .wrap_socket(server.socket, server_side=True)
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield Listening(server, tokens)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def read(client: LedgerClient) -> list[object]:
    try:
        return list(client.stream("/v1/lifetimes"))
    finally:
        client.close()


def test_an_answer_is_whole_if_its_last_line_says_so() -> None:
    with listening(HEAD + ROW + ROW + b'{"end":2}\n') as ledger:
        assert len(read(ledger.build_client())) == 3
        assert ledger.tokens == ["Bearer secret"]


BROKEN = {
    "no last line": HEAD + ROW,
    "in the middle of a line": HEAD + b'{"pod":',
    "a row is missing": HEAD + ROW + b'{"end":2}\n',
    "nothing at all": b"",
    "another's page": b"<html>\n",
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_an_answer_that_broke_off_is_none(body: bytes) -> None:
    with listening(body) as ledger, pytest.raises(ApiFailure, match="broke off before its end"):
        read(ledger.build_client())


def test_no_token_is_sent_once_kubectl_has_ended() -> None:
    """The port may be somebody else's by then."""
    with listening(b"{}") as ledger:
        with pytest.raises(ApiFailure, match="kubectl has ended"):
            read(ledger.build_client(is_open=False))
        assert ledger.tokens == []


def test_where_a_certificate_is_not_accepted_the_token_is_tried(tmp_path: Path) -> None:
    ours, theirs = Authority.create(tmp_path / "ours"), Authority.create(tmp_path / "theirs")
    with listening(b'{"rows":[]}', authority=theirs.ca.read_text()) as ledger:
        client = ledger.build_client(certificate=ours.issue("me", "me"))
        assert client.get("/v1/cost") == {"rows": []}
        client.close()
        assert ledger.tokens == ["Bearer secret"]


def test_a_download_that_broke_off_leaves_no_file(tmp_path: Path) -> None:
    with listening(b"", status=403) as ledger:
        client = ledger.build_client()
        with pytest.raises(ApiFailure, match="What answers isn't the ledger"):
            client.download("/v1/backup", tmp_path / "copy.db")
        client.close()

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("server", "told"),
    [
        (None, "a version that doesn't say which"),
        ("Python/3.11 aiohttp/3.12", "a version that doesn't say which"),
        ("monopod-ledger/9.8.7-rc.1+x", "version 9.8.7-rc.1+x"),
        ("monopod-ledger/\x1b[2J", "a version that doesn't say which"),
    ],
)
def test_a_ledgers_version_is_told_as_it_says_it_and_commands_no_terminal(server: str | None, told: str) -> None:
    version = LedgerVersion()
    before = version.is_other
    version.hear(server)
    assert (before, version.is_other) == (False, True)
    assert version.describe().startswith(f"The ledger is of {told}, and this command of version")
    with pytest.raises(ApiFailure) as failure, told_as_another_version(version):
        float("\x1b[2J")
    assert "\x1b" not in failure.value.message
