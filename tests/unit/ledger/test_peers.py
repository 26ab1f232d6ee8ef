"""Replicas learn from each other: over a real connection, with real databases."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from monopod.kube.clock import SYSTEM_CLOCK
from monopod.kube.server.certificate import ServerCertificate
from monopod.ledger.peers import Peers
from monopod.ledger.server.peers import CHANGES_PATH, encode_changes
from monopod.ledger.store.store import Store
from monopod.usage.ledger_identity import IDENTITY_PATH, StrangerError
from monopod.usage.replica import Replica, ReplicaTrouble, open_session
from monopod.usage.rules.bill import Terms
from monopod.usage.rules.lifetime import Watched
from tests.unit.fake_clock import FakeClock
from tests.unit.ledger.recorder.fake_store import Inline
from tests.unit.ledger.recorder.lifetimes import a_lifetime
from tests.unit.running import PROBLEMS

pytestmark = pytest.mark.timeout(60)


class Scene:
    """Two databases, and a server before the second."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.own = Store.open(f"sqlite:///{folder}/own.db", Terms())
        self.other = Store.open(f"sqlite:///{folder}/other.db", Terms())
        self.clock = FakeClock()
        self.asked: list[tuple[str, int]] = []
        self.asked_once = asyncio.Event()
        self.is_broken = False
        self.garbage = b""
        self.page = 2
        self.runner = web.AppRunner(web.Application())
        self.vouched: set[str] = set()
        self.shown = ""
        self.is_vouched = True
        self.port = 0

    async def show(self, request: web.Request) -> web.Response:
        assert "Authorization" not in request.headers
        return web.json_response(self.shown)

    async def verify(self, shown: Any) -> str:
        """In the API server's place."""
        if shown not in self.vouched:
            raise StrangerError("nobody vouches for it")
        return str(shown)

    async def listen(self, port: int = 0, *, vouched: bool = True) -> int:
        """A new process on the port, with a certificate of its own."""
        await self.runner.cleanup()
        application = web.Application()
        application.router.add_get(CHANGES_PATH, self.answer)
        application.router.add_get(IDENTITY_PATH, self.show)
        self.runner = web.AppRunner(application)
        await self.runner.setup()
        certificate = ServerCertificate(SYSTEM_CLOCK.now(), ("ledger",))
        context = certificate.build_context()
        await web.TCPSite(self.runner, "127.0.0.1", port, ssl_context=context, reuse_address=True).start()
        self.shown = certificate.fingerprint
        if vouched:
            self.vouched.add(self.shown)
        return int(self.runner.addresses[0][1])

    async def answer(self, request: web.Request) -> web.Response:
        after = int(request.query["after"])
        self.asked_once.set()
        self.asked.append((request.headers["Authorization"], after))
        if self.is_broken:
            return web.Response(status=503, text="starting")
        if self.garbage:
            return web.Response(body=self.garbage, content_type="application/json")
        return web.json_response(encode_changes(self.other.fetch_changes(after, self.page)))

    @asynccontextmanager
    async def pulling(self, store: Store | None = None) -> AsyncIterator[Peers]:
        self.port = await self.listen(vouched=self.is_vouched)
        token = self.folder / "token"
        token.write_text("secret\n")
        hosts = ("ledger-0.ledger", "127.0.0.1")
        own = store or self.own
        peers = Peers(hosts, "ledger-0", self.port, token, self.verify, own, Inline(), PROBLEMS, self.clock)
        task = asyncio.create_task(peers.run())
        try:
            yield peers
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await self.runner.cleanup()

    async def until_pulled(self, count: int) -> None:
        """Waits until so many lifetimes are known, and pulls again and again."""
        for _ in range(2000):
            if len(self.own.list_open()) >= count:
                return
            self.clock.step(0.2)
            await asyncio.sleep(0.005)
        raise AssertionError(f"only {len(self.own.list_open())} of {count}, asked {self.asked}")

    async def several_pulls(self) -> None:
        """Time for some."""
        for _ in range(100):
            self.clock.step(0.2)
            await asyncio.sleep(0.005)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    scene.own.close()
    scene.other.close()


async def test_everything_a_peer_knows_is_joined_in_pages_and_its_windows_with_the_last(scene: Scene) -> None:
    scene.other.join([a_lifetime(f"pod-{n}", seen_by="b") for n in range(5)], watched=[Watched("b", 0, 900)])
    async with scene.pulling() as peers:
        await scene.until_pulled(5)
        for _ in range(200):
            if scene.own.fetch_watched():
                break
            await asyncio.sleep(0.01)
        assert scene.own.fetch_watched() == [Watched("b", 0, 900)]
        assert [*peers.lags] == ["127.0.0.1"]
    assert {header for header, _ in scene.asked} == {"Bearer secret"}


async def test_a_restarted_replica_goes_on_where_it_was(scene: Scene) -> None:
    scene.other.join([a_lifetime(f"pod-{n}") for n in range(5)])
    async with scene.pulling():
        await scene.until_pulled(5)
    before = len(scene.asked)
    scene.other.join([a_lifetime("new")])
    async with scene.pulling():
        await scene.until_pulled(6)
    assert min(after for _, after in scene.asked[before:]) > 0


async def test_a_peer_with_a_new_disk_is_read_from_its_beginning(scene: Scene) -> None:
    scene.other.join([a_lifetime(f"pod-{n}") for n in range(5)])
    async with scene.pulling():
        await scene.until_pulled(5)
        scene.other.close()
        scene.other = Store.open(f"sqlite:///{scene.folder}/new.db", Terms())
        scene.other.join([a_lifetime("new")])
        await scene.until_pulled(6)


async def test_a_peer_whose_disk_is_an_older_snapshot_is_read_from_its_beginning(scene: Scene) -> None:
    file, snapshot = scene.folder / "other.db", scene.folder / "snapshot.db"
    scene.other.join([a_lifetime("first")])
    scene.other.close()
    shutil.copy(file, snapshot)
    scene.other = Store.open(f"sqlite:///{file}", Terms())
    scene.other.join([a_lifetime(f"pod-{n}") for n in range(5)])
    async with scene.pulling():
        await scene.until_pulled(6)
        scene.other.close()
        scene.other = Store.open(f"sqlite:///{snapshot}", Terms())
        scene.other.join([a_lifetime("new")])
        await scene.until_pulled(7)


async def test_what_nobody_vouches_for_gets_no_token_and_is_believed_nothing(scene: Scene) -> None:
    scene.other.join([a_lifetime("x")])
    scene.is_vouched = False
    async with scene.pulling() as peers:
        await scene.several_pulls()
        assert scene.asked == []
        assert peers.lags["127.0.0.1"] > 1
        scene.vouched.add(scene.shown)
        await scene.until_pulled(1)


async def test_what_shows_a_peers_certificate_without_having_its_key_gets_no_token(scene: Scene) -> None:
    """As whoever stands between them can: what a recorder shows is no secret."""
    scene.other.join([a_lifetime("x")])
    scene.is_vouched = False
    async with scene.pulling():
        scene.shown = "ab" * 32
        scene.vouched.add(scene.shown)
        await scene.several_pulls()
        assert scene.asked == []


async def test_what_takes_a_peers_place_later_gets_no_token_and_its_next_process_does(scene: Scene) -> None:
    scene.other.join([a_lifetime("x")])
    async with scene.pulling():
        await scene.until_pulled(1)
        await scene.listen(scene.port, vouched=False)
        known = len(scene.asked)
        scene.other.join([a_lifetime("y")])
        await scene.several_pulls()
        assert len(scene.asked) == known
        await scene.listen(scene.port)
        await scene.until_pulled(2)


async def test_totals_wait_until_peers_were_read_but_not_for_ever_for_one_that_is_away(scene: Scene) -> None:
    scene.other.join([a_lifetime("a")])
    async with scene.pulling() as peers:
        found = [peers.is_caught_up]
        await scene.until_pulled(1)
        await scene.several_pulls()
        found.append(peers.is_caught_up)
    assert found == [False, True]

    scene.is_broken = True
    async with scene.pulling() as peers:
        await scene.several_pulls()
        found = [peers.is_caught_up]
        scene.clock.step(120)
        found.append(peers.is_caught_up)
    assert found == [False, True]


async def test_a_peer_that_has_gone_is_told_of_in_words(scene: Scene) -> None:
    port, token = await scene.listen(), scene.folder / "token"
    token.write_text("secret")
    peer = Replica(f"https://127.0.0.1:{port}", token, scene.verify)
    async with open_session(20) as session:
        await peer.ask(session, CHANGES_PATH, {"after": "0"}, 1_000_000)
        await scene.runner.cleanup()
        with pytest.raises(ReplicaTrouble, match=f"^Cannot connect to host 127.0.0.1:{port} [^<>]*$"):
            await peer.ask(session, CHANGES_PATH, {"after": "0"}, 1_000_000)


async def test_a_peer_that_is_away_is_asked_again(scene: Scene) -> None:
    scene.is_broken = True
    scene.other.join([a_lifetime("x")])
    async with scene.pulling() as peers:
        await scene.asked_once.wait()
        scene.clock.step(60)
        assert peers.lags["127.0.0.1"] >= 60
        scene.is_broken = False
        await scene.until_pulled(1)


@pytest.mark.parametrize(
    "garbage",
    [
        b"[" * 100_000,
        b'{"store": "s", "last": Infinity, "isEnd": true, "lifetimes": [], "watched": []}',
        b'{"store": "s", "last": 0, "isEnd": false, "lifetimes": [], "watched": []}',
        b'{"store": "s", "last": 0, "isEnd": true, "lifetimes": [],'
        b' "watched": [{"recorder": "a", "since": 0, "until": 99999999999999}]}',
        b'"' + b"x" * 2_000_000 + b'"',
        b"\xff",
    ],
    ids=["deep", "infinite", "no end", "a window to the end of time", "long", "no text"],
)
async def test_a_peer_that_sends_garbage_is_trouble_and_asked_again(
    scene: Scene, garbage: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monopod.ledger.peers.MOST_BYTES", 1_000_000)
    scene.garbage = garbage
    scene.other.join([a_lifetime("x")])
    async with scene.pulling() as peers:
        for _ in range(2000):
            if len(scene.asked) > 3:
                break
            scene.clock.step(0.2)
            await asyncio.sleep(0.005)
        assert len(scene.asked) > 3
        assert peers.lags["127.0.0.1"] > 1
        scene.garbage = b""
        await scene.until_pulled(1)


async def test_replicas_that_share_a_database_pull_nothing(scene: Scene) -> None:
    scene.other.join([a_lifetime("x")])
    async with scene.pulling(scene.other):
        await scene.asked_once.wait()
        scene.clock.step(10)
        await asyncio.sleep(0.1)
    assert len({after for _, after in scene.asked}) == 1
