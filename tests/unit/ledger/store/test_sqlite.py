"""The store in SQLite."""

from pathlib import Path

import pytest

from tests.store_contract import StoreContract


class TestSqlite(StoreContract):
    """What any store promises."""

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path / 'ledger.db'}"
