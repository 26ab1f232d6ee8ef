"""A copy is added to a ledger from the command line."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from monopod.__main__ import main
from monopod.ledger.store.store import Store
from monopod.usage.rules.bill import BilledUntil, Terms
from tests.ledger import a_lifetime, read_everything

TERMS = Terms(BilledUntil.POD_TERMINATED)


@pytest.fixture
def copy(tmp_path: Path) -> bytes:
    path = tmp_path / "copy.db"
    lost = Store.open(f"sqlite:///{tmp_path / 'lost.db'}", Terms())
    lost.join([a_lifetime("uid-1"), a_lifetime("uid-2")])
    lost.backup(path)
    lost.close()
    return path.read_bytes()


@pytest.fixture
def url(tmp_path: Path) -> str:
    (tmp_path / "data").mkdir()
    return f"sqlite:///{tmp_path / 'data' / 'ledger.db'}"


def test_a_copy_is_added_to_what_a_running_ledger_knows(copy: bytes, url: str, tmp_path: Path) -> None:
    running = Store.open(url, TERMS)
    running.join([a_lifetime("uid-2"), a_lifetime("uid-3")])
    for _ in range(2):
        answer = CliRunner().invoke(main, ["restore-ledger", "--database", url], input=copy)
        assert (answer.exit_code, answer.output) == (0, "2 lifetimes are in the ledger.\n")
    running.join([a_lifetime("uid-4")])
    assert sorted(read_everything(running)[0]) == ["uid-1", "uid-2", "uid-3", "uid-4"]
    assert list(running.verify()) == []
    running.close()
    assert not list((tmp_path / "data").glob("restore-*"))


@pytest.mark.parametrize("content", [b"", b"a page of a browser"])
def test_what_is_no_copy_is_said(url: str, content: bytes) -> None:
    answer = CliRunner().invoke(main, ["restore-ledger", "--database", url], input=content)
    assert answer.exit_code == 1
    assert "isn't a copy of a ledger" in answer.output


def test_a_database_that_is_away_is_said(copy: bytes) -> None:
    answer = CliRunner().invoke(main, ["restore-ledger", "--database", "sqlite:////away/ledger.db"], input=copy)
    assert answer.exit_code == 1
    assert "unable to open" in answer.output
