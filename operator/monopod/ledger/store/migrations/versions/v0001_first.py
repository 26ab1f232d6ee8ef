"""The first tables."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Makes them."""
    op.create_table(
        "ledger",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("store", sa.String(32), nullable=False),
        _number("sequence"),
        _text("terms"),
    )
    op.create_table("position", _text("source", primary_key=True), _text("version"))
    op.create_table(
        "watched", _text("recorder", primary_key=True), _number("since", primary_key=True), _number("until")
    )
    _create_sums()
    _create_lifetime()


def _create_sums() -> None:
    key = ("namespace", "workload", "profile", "cpu_millis", "memory_mib", "storage_gib", "capacity", "architecture")
    op.create_table(
        "usage_group",
        sa.Column("id", ROW_ID, primary_key=True, autoincrement=False),
        _number("total"),
        *(_text(name) for name in key[:3]),
        *(_number(name) for name in key[3:6]),
        *(_text(name) for name in key[6:]),
        *(_number(name) for name in ("least", "billed", "most")),
    )
    op.create_index("usage_group_key", "usage_group", [*key, "total"], unique=True)
    op.create_index("usage_group_total", "usage_group", ["total"])
    op.create_table(
        "usage_hour",
        _number("group_id", primary_key=True, autoincrement=False),
        sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),
        *(_number(name) for name in ("least", "billed", "most")),
        sqlite_with_rowid=False,
    )


def _create_lifetime() -> None:
    op.create_table(
        "lifetime",
        sa.Column("id", ROW_ID, primary_key=True, autoincrement=False),
        _text("uid"),
        *(_number(name) for name in ("group_id", "version")),
        *(_text(name) for name in ("name", "node", "labels")),
        _number("created"),
        *(_moment(name) for name in ("pull_started", "acknowledged", "container_started", "finished")),
        _number("alive"),
        _text("gone"),
        _moment("node_renewed"),
        *(_text(name) for name in ("seen_by", "evidence")),
        _number("sequence"),
        sa.Column("is_open", sa.Boolean, nullable=False),
        *(_moment(name) for name in ("billed_since", "least_until", "billed_until", "most_until")),
        sa.Column("length", sa.SmallInteger),
    )
    op.create_index("lifetime_uid", "lifetime", ["uid"], unique=True)
    op.create_index("lifetime_sequence", "lifetime", ["sequence"], unique=True)
    op.create_index("lifetime_group", "lifetime", ["group_id"])
    op.create_index("lifetime_name", "lifetime", ["name"])
    op.create_index("lifetime_billed", "lifetime", ["length", "billed_since"])
    op.create_index(
        "lifetime_open",
        "lifetime",
        ["id"],
        sqlite_where=sa.text("is_open = 1"),
        postgresql_where=sa.text("is_open"),
    )


def _number(name: str, **options: Any) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False, **options)


def _moment(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger)


def _text(name: str, **options: Any) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, **options)
