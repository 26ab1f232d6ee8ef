"""Facts while the database is away: nothing is lost, and nothing is dropped without a word."""

import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import pytest

from monopod.ledger.store.answers import Position, SpoolFullError, StoreUnavailableError
from monopod.ledger.store.spool import Spool, SpooledStore
from monopod.ledger.store.store import Store
from monopod.usage.rules.bill import Terms
from monopod.usage.rules.lifetime import Lifetime, Watched
from tests.ledger import Model, a_lifetime, make_views, read_everything


class Interrupted(Store):
    """A store that can be away, and that remembers the order in which it was told things."""

    is_away = False
    joins_left = 1000
    positions: list[str]

    def join(
        self, lifetimes: Sequence[Lifetime], *, position: Position | None = None, watched: Sequence[Watched] = ()
    ) -> None:
        if self.is_away or self.joins_left == 0:
            raise StoreUnavailableError("away")
        self.joins_left -= 1
        super().join(lifetimes, position=position, watched=watched)
        self.positions.append(position.version if position else "")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Interrupted]:
    opened = Interrupted.open(f"sqlite:///{tmp_path / 'ledger.db'}", Terms())
    opened.positions = []
    yield opened
    opened.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def join_numbered(spooled: SpooledStore, number: int) -> None:
    spooled.join([a_lifetime(f"uid-{number}")], position=Position("ledger-0", str(number)))


def test_what_was_spooled_is_joined_in_order_once_the_store_is_back(store: Interrupted, path: Path) -> None:
    spooled = SpooledStore(store, Spool(path))
    for number in range(6):
        store.is_away = number in (1, 2, 3)
        join_numbered(spooled, number)
        assert spooled.is_writable == (not store.is_away)
    assert store.positions == ["0", "1", "2", "3", "4", "5"]
    assert spooled.fill == 0
    assert path.stat().st_size == 0
    assert len(read_everything(store)[0]) == 6


def test_a_full_spool_refuses_and_keeps_what_it_has(store: Interrupted, path: Path) -> None:
    spooled = SpooledStore(store, Spool(path, limit=1000))
    store.is_away = True
    join_numbered(spooled, 0)
    join_numbered(spooled, 1)
    assert 0.5 < spooled.fill <= 1
    with pytest.raises(SpoolFullError, match="the database is away"):
        join_numbered(spooled, 2)
    store.is_away = False
    join_numbered(spooled, 2)
    assert store.positions == ["0", "1", "2"]


def test_a_spool_outlives_its_process(store: Interrupted, path: Path) -> None:
    store.is_away = True
    spool = Spool(path)
    join_numbered(SpooledStore(store, spool), 7)
    spool.close()
    store.is_away = False
    spooled = SpooledStore(store, Spool(path))
    assert store.positions == ["7"]
    assert spooled.is_writable


def test_a_store_that_goes_away_while_it_is_told_gets_the_rest_later(store: Interrupted, path: Path) -> None:
    spooled = SpooledStore(store, Spool(path))
    store.is_away = True
    for number in range(4):
        join_numbered(spooled, number)
    store.is_away, store.joins_left = False, 2
    join_numbered(spooled, 4)
    assert not spooled.is_writable
    store.joins_left = 1000
    join_numbered(spooled, 5)
    assert store.positions == ["0", "1", "2", "3", "4", "5"]


@pytest.mark.parametrize("torn", [1, 40, -1])
def test_a_record_that_was_torn_is_overwritten(store: Interrupted, path: Path, torn: int) -> None:
    store.is_away = True
    spool = Spool(path)
    join_numbered(SpooledStore(store, spool), 0)
    whole = path.read_bytes()
    spool.close()
    path.write_bytes(whole + whole[:torn])
    spooled = SpooledStore(store, Spool(path))
    join_numbered(spooled, 1)
    store.is_away = False
    join_numbered(spooled, 2)
    assert store.positions == ["0", "1", "2"]


def test_a_record_that_the_disk_changed_costs_none_of_the_others(store: Interrupted, path: Path) -> None:
    store.is_away = True
    spool = Spool(path)
    spooled = SpooledStore(store, spool)
    for number in range(3):
        join_numbered(spooled, number)
    lines = path.read_bytes().splitlines(keepends=True)
    spool.close()
    path.write_bytes(lines[0] + lines[1].replace(b"uid-1", b"uid-9") + lines[2])
    store.is_away = False
    SpooledStore(store, Spool(path))
    assert store.positions == ["0", "2"]


def test_a_full_disk_under_the_spool_refuses_too(
    store: Interrupted, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spooled = SpooledStore(store, Spool(path))
    store.is_away = True

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        with pytest.raises(SpoolFullError, match="No space left"):
            join_numbered(spooled, 0)
    join_numbered(spooled, 1)
    store.is_away = False
    join_numbered(spooled, 2)
    assert store.positions == ["1", "2"]


def test_a_spool_holds_what_the_store_would(store: Interrupted, path: Path) -> None:
    random, model = Random(9), Model()
    spooled = SpooledStore(store, Spool(path))
    for number in range(60):
        views = make_views(random, f"uid-{number}")
        window = Watched("ledger-0", 5, number)
        store.is_away = random.random() < 0.7
        spooled.join(views, watched=[window])
        model.join(views, [window])
    store.is_away = False
    spooled.join([])
    assert read_everything(store) == (model.lifetimes, [*model.watched.values()])
    assert list(store.verify()) == []
