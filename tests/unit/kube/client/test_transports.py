"""Both clients over a real connection: the same server says the same to a process and to the command line."""

import asyncio
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from kubernetes.aio.client import Configuration

from monopod.kube.client.api import Api, ApiError, ApiUnreachable, Json, ServerTrouble, WatchEvent
from monopod.kube.client.asynchronous import ApiClient
from monopod.kube.client.synchronous import SyncClient
from tests.unit.cli.running import write_yaml

Answer = tuple[int, dict[str, str], Any]


class Server:
    """Gives its answers one after the other, the last for ever, and notes what it was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.bodies: list[Json] = []
        self.url = ""

    def answer(self, asked: str, body: bytes) -> Answer:
        self.asked.append(asked)
        if body:
            self.bodies.append(json.loads(body))
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@contextmanager
def serving(*answers: Answer) -> Iterator[Server]:
    server = Server(*answers)

    class Handler(http.server.BaseHTTPRequestHandler):
        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            status, headers, content = server.answer(f"{self.command} {self.path}", self.rfile.read(length))
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PATCH = do_DELETE = _answer

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True).start()
        server.url = f"http://127.0.0.1:{listening.server_port}"
        yield server
        listening.shutdown()


class Asked:
    """What one of the clients is asked, whichever it is."""

    def __init__(self, url: str, folder: Path, *, is_async: bool) -> None:
        config = {
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": {"server": url}}],
            "users": [{"name": "u", "user": {}}],
        }
        self._is_async = is_async
        self._url = url
        self._kubeconfig = write_yaml(folder / "config", config)

    async def get(self) -> Json:
        if not self._is_async:
            return await asyncio.to_thread(self._connect().get, "/x")
        api = ApiClient(Configuration(host=self._url))
        try:
            return await api.get("/x")
        finally:
            await api.close()

    async def list_all(self) -> list[Any]:
        if not self._is_async:
            return await asyncio.to_thread(self._connect().list_items, "/x")
        api = ApiClient(Configuration(host=self._url))
        try:
            return [item async for item in api.list_pages("/x")]
        finally:
            await api.close()

    async def create(self) -> Json:
        if not self._is_async:
            return await asyncio.to_thread(self._connect().create, "/x", {"kind": "Pod"})
        api = ApiClient(Configuration(host=self._url))
        try:
            return await api.create("/x", {"kind": "Pod"})
        finally:
            await api.close()

    async def delete(self) -> None:
        if not self._is_async:
            return await asyncio.to_thread(self._connect().delete, "/x", "u")
        api = ApiClient(Configuration(host=self._url))
        try:
            return await api.delete("/x", "u")
        finally:
            await api.close()

    def _connect(self) -> SyncClient:
        return SyncClient.connect(self._kubeconfig, None)


both = pytest.mark.parametrize("is_async", [True, False], ids=["process", "command"])

OK: Answer = (200, {}, {"metadata": {"name": "x"}})
BUSY: Answer = (429, {"Retry-After": "0"}, {"reason": "TooManyRequests", "message": "slow down"})
GONE: Answer = (404, {}, {"reason": "NotFound", "message": "x not found"})
TERMINATING: Answer = (
    403,
    {},
    {"reason": "Forbidden", "message": "no", "details": {"causes": [{"reason": "NamespaceTerminating"}]}},
)


_: type[Api] = ApiClient
"""The product knows no more of the client than this Protocol; mypy sees that it keeps it."""


@both
async def test_causes_are_read(tmp_path: Path, is_async: bool) -> None:
    with serving(TERMINATING) as server, pytest.raises(ApiError) as caught:
        await Asked(server.url, tmp_path, is_async=is_async).get()
    assert (caught.value.status, caught.value.reason) == (403, "Forbidden")
    assert caught.value.has_cause("NamespaceTerminating")


@both
async def test_a_read_that_the_server_is_too_busy_for_is_sent_again(tmp_path: Path, is_async: bool) -> None:
    with serving(BUSY, (503, {}, b"starting"), OK) as server:
        assert await Asked(server.url, tmp_path, is_async=is_async).get() == OK[2]
    assert server.asked == ["GET /x"] * 3


@both
async def test_a_server_that_stays_busy_is_trouble(tmp_path: Path, is_async: bool) -> None:
    with serving(BUSY) as server, pytest.raises(ServerTrouble) as caught:
        await Asked(server.url, tmp_path, is_async=is_async).get()
    assert (caught.value.status, caught.value.reason, len(server.asked)) == (429, "TooManyRequests", 3)


@both
async def test_a_server_that_asks_for_a_long_wait_is_not_waited_for(tmp_path: Path, is_async: bool) -> None:
    with serving((503, {"Retry-After": "3600"}, b"")) as server, pytest.raises(ServerTrouble) as caught:
        await Asked(server.url, tmp_path, is_async=is_async).get()
    assert (caught.value.retry_after, len(server.asked)) == (3600, 1)


@both
async def test_a_write_is_sent_once(tmp_path: Path, is_async: bool) -> None:
    with serving((429, {"Retry-After": "1"}, b"")) as server, pytest.raises(ServerTrouble):
        await Asked(server.url, tmp_path, is_async=is_async).create()
    assert len(server.asked) == 1
    assert server.asked[0].startswith("POST /x?fieldManager=")


@both
async def test_lists_are_read_in_pages_and_go_on_after_one_that_is_too_old(tmp_path: Path, is_async: bool) -> None:
    pages: list[Answer] = [
        (200, {}, {"metadata": {"continue": "one"}, "items": [1]}),
        (410, {}, {"reason": "Expired", "metadata": {"continue": "two"}}),
        (503, {}, b""),
        (200, {}, {"metadata": {}, "items": [2]}),
    ]
    with serving(*pages) as server:
        assert await Asked(server.url, tmp_path, is_async=is_async).list_all() == [1, 2]
    assert [each.partition("continue=")[2] for each in server.asked] == ["", "one", "two", "two"]


async def test_a_text_is_read_in_pieces_as_far_as_somebody_wants(tmp_path: Path) -> None:
    with serving((200, {}, b"x" * 50_000_000)) as server:
        api = ApiClient(Configuration(host=server.url))
        try:
            async with api.read_text("/x", {"container": "app"}) as pieces:
                first = await anext(aiter(pieces))
        finally:
            await api.close()
    assert 0 < len(first) < 5_000_000
    assert server.asked == ["GET /x?container=app"]


async def test_a_text_that_is_refused_or_breaks_off_is_the_same_errors_as_an_object() -> None:
    with serving(GONE, (200, {"Content-Length": "9"}, b"short")) as server:
        api = ApiClient(Configuration(host=server.url))
        try:
            with pytest.raises(ApiError, match="x not found"):
                async with api.read_text("/x"):
                    pass
            with pytest.raises(ApiUnreachable, match="GET /x"):
                async with api.read_text("/x") as pieces:
                    assert [piece async for piece in pieces] == []
        finally:
            await api.close()


async def read_snapshot(server: Server) -> list[Json]:
    api = ApiClient(Configuration(host=server.url))
    try:
        return [page async for page in api.read_pages("/x", is_snapshot=True)]
    finally:
        await api.close()


async def test_who_wants_to_know_is_told_when_the_server_answered() -> None:
    heard: list[tuple[str | None, float]] = []
    with serving((200, {}, {}), (404, {}, {"reason": "NotFound"})) as server:
        api = ApiClient(Configuration(host=server.url), lambda *told: heard.append(told))
        try:
            await api.get("/x")
            with pytest.raises(ApiError):
                await api.get("/x")
        finally:
            await api.close()
    moments = [parsedate_to_datetime(date or "") for date, _ in heard]
    assert len(moments) == 2
    assert all(0 < seconds < 60 for _, seconds in heard)
    assert all(abs((datetime.now(UTC) - moment).total_seconds()) < 60 for moment in moments)


async def test_a_list_that_has_to_be_of_one_version_does_not_go_on_after_a_page_that_is_too_old() -> None:
    first = {"metadata": {"continue": "one"}, "items": [1]}
    with (
        serving((200, {}, first), (410, {}, {"reason": "Expired", "metadata": {"continue": "two"}})) as server,
        pytest.raises(ApiError, match="410"),
    ):
        await read_snapshot(server)


async def test_a_page_of_large_objects_is_broken_off_and_asked_for_in_smaller_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A tenant may create as many pods as fill a page, each as large as etcd takes."""
    monkeypatch.setattr("monopod.kube.client.asynchronous.LONGEST_ANSWER", 100_000)
    pages: list[Answer] = [
        (200, {}, {"metadata": {"continue": "one"}, "items": [1]}),
        (200, {}, {"metadata": {}, "items": ["x" * 3_000_000]}),
        (200, {}, {"metadata": {"continue": "two"}, "items": [2]}),
        (200, {}, {"metadata": {}, "items": [3]}),
    ]
    with serving(*pages) as server:
        assert [page["items"] for page in await read_snapshot(server)] == [[1], [2], [3]]
    assert [each.partition("?")[2] for each in server.asked] == [
        *("limit=500", "limit=500&continue=one", "limit=125&continue=one", "limit=250&continue=two"),
    ]


@both
async def test_what_is_gone_already_is_deleted(tmp_path: Path, is_async: bool) -> None:
    with serving(GONE) as server:
        await Asked(server.url, tmp_path, is_async=is_async).delete()
    assert server.bodies == [{"preconditions": {"uid": "u"}}]


@both
@pytest.mark.parametrize("content", [b"<html>Sign in</html>", b'{"metadata": {"na', b"[]"], ids=repr)
async def test_what_answers_without_an_object_is_no_api_server(tmp_path: Path, is_async: bool, content: bytes) -> None:
    with serving((200, {}, content)) as server, pytest.raises(ApiUnreachable, match="a Kubernetes object"):
        await Asked(server.url, tmp_path, is_async=is_async).get()


@both
async def test_an_answer_that_breaks_off_is_none(tmp_path: Path, is_async: bool) -> None:
    cut: Answer = (200, {"Content-Length": "999", "Connection": "close"}, b'{"metadata": {}}')
    with serving(cut) as server, pytest.raises(ApiUnreachable):
        await Asked(server.url, tmp_path, is_async=is_async).get()


@both
async def test_no_server_is_no_answer(tmp_path: Path, is_async: bool) -> None:
    with pytest.raises(ApiUnreachable, match=r"127\.0\.0\.1"):
        await Asked("http://127.0.0.1:1", tmp_path, is_async=is_async).get()


BOOKMARK = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}}


async def watched(server: Server) -> list[WatchEvent]:
    api = ApiClient(Configuration(host=server.url))
    try:
        return [event async for event in api.watch("/x", "7", {"labelSelector": "a"})]
    finally:
        await api.close()


def lines(*events: Json) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


async def test_a_watch_brings_events_and_bookmarks_until_the_server_ends_it() -> None:
    large = {"type": "ADDED", "object": {"metadata": {"annotations": {"a": "x" * 1_000_000}}}}
    with serving((200, {}, lines(large, BOOKMARK))) as server:
        events = await watched(server)
    assert [event.type for event in events] == ["ADDED", "BOOKMARK"]
    assert events[0].object == large["object"]
    asked = server.asked[0]
    assert "watch=true" in asked
    assert "resourceVersion=7" in asked
    assert "labelSelector=a" in asked
    assert "allowWatchBookmarks=true" in asked


async def test_a_pod_that_its_author_made_as_long_as_etcd_takes_does_not_stop_a_watch() -> None:
    written = {"type": "ADDED", "object": {"spec": {"containers": [{"args": ["<" * 1_400_000]}]}}}
    sent = json.dumps(written).replace("<", "\\u003c").encode()  # as the API server writes it
    with serving((200, {}, sent + b"\n" + lines(BOOKMARK))) as server:
        events = await watched(server)
    assert [event.type for event in events] == ["ADDED", "BOOKMARK"]
    assert events[0].object == written["object"]


EXPIRED = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version: 7 (9)"}


@pytest.mark.parametrize(
    "answer", [(410, {}, EXPIRED), (200, {}, lines({"type": "ERROR", "object": EXPIRED}))], ids=["at once", "as event"]
)
async def test_a_version_that_is_too_old_is_refused_whichever_way_the_server_says_it(answer: Answer) -> None:
    with serving(answer) as server, pytest.raises(ApiError) as caught:
        await watched(server)
    assert (caught.value.status, caught.value.reason) == (410, "Expired")


@pytest.mark.parametrize(
    "answer",
    [
        (200, {}, b"<html>Sign in</html>"),
        (200, {}, b'{"type": "ADDED", "obj'),
        (200, {}, lines({"type": "ERROR", "object": {"code": 500, "message": "etcd"}})),
        (200, {}, lines({"type": "ERROR"})),
        (200, {"Content-Length": "999", "Connection": "close"}, lines(BOOKMARK)),
        (503, {}, b"starting"),
    ],
    ids=["a page", "half an event", "an error of the server", "an empty error", "broken off", "busy"],
)
async def test_a_watch_that_ends_otherwise_is_no_answer(answer: Answer) -> None:
    with serving(answer) as server, pytest.raises(ApiUnreachable):
        await watched(server)
