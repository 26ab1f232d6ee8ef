"""The tables, the same in SQLite and PostgreSQL. `migrations` makes them; a test holds the two equal.

    ledger        one row: which store this is, the number of its last change, the terms its sums are computed by
    position      how far each source was read
    watched       when each recorder saw everything
    lifetime      a row per pod, and what it is billed for once it has ended
    usage_group   what pods that are priced alike have in common
    usage_hour    what the ended pods of a group are billed for in an hour

A lifetime is in the group of its workload, and that one belongs to a total, a group over all workloads: a namespace's
month is then a few thousand rows also where every pod is a workload of its own. The hours of both are kept. Groups hold
seconds only: their pods have one size, so every amount is a product.

Facts are a lifetime's own columns up to `evidence`; everything after them, and all sums, can be computed again.
"""

from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, SmallInteger, String, Table, Text, text

METADATA: Final = MetaData()


def _number(name: str, **options: Any) -> Column[Any]:
    return Column(name, BigInteger, nullable=False, **options)


def _id() -> Column[Any]:
    # Only an INTEGER is SQLite's own row number; any other key would have an index beside it.
    kind = BigInteger().with_variant(Integer(), "sqlite")
    return Column("id", kind, primary_key=True, autoincrement=False)


def _moment(name: str) -> Column[Any]:
    return Column(name, BigInteger)


def _text(name: str, **options: Any) -> Column[Any]:
    return Column(name, Text, nullable=False, **options)


LEDGER: Final = Table(
    "ledger",
    METADATA,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("store", String(32), nullable=False),
    _number("sequence"),
    _text("terms"),
)

POSITION: Final = Table("position", METADATA, _text("source", primary_key=True), _text("version"))

WATCHED: Final = Table(
    "watched", METADATA, _text("recorder", primary_key=True), _number("since", primary_key=True), _number("until")
)

USAGE_GROUP: Final = Table(
    "usage_group",
    METADATA,
    _id(),
    _number("total"),  # the group over all workloads; 0 if this is one
    _text("namespace"),
    _text("workload"),  # "" in a total
    _text("profile"),
    _number("cpu_millis"),
    _number("memory_mib"),
    _number("storage_gib"),
    _text("capacity"),
    _text("architecture"),
    _number("least"),
    _number("billed"),
    _number("most"),
    Index(
        "usage_group_key",
        *("namespace", "workload", "profile", "cpu_millis", "memory_mib", "storage_gib", "capacity", "architecture"),
        "total",
        unique=True,
    ),
    Index("usage_group_total", "total"),
)

USAGE_HOUR: Final = Table(
    "usage_hour",
    METADATA,
    _number("group_id", primary_key=True, autoincrement=False),
    Column("hour", Integer, primary_key=True, autoincrement=False),  # since the epoch
    _number("least"),
    _number("billed"),
    _number("most"),
    sqlite_with_rowid=False,
)

LIFETIME: Final = Table(
    "lifetime",
    METADATA,
    _id(),
    _text("uid"),
    _number("group_id"),
    _number("version"),
    _text("name"),
    _text("node"),
    _text("labels"),
    _number("created"),
    _moment("pull_started"),
    _moment("acknowledged"),
    _moment("container_started"),
    _moment("finished"),
    _number("alive"),
    _text("gone"),
    _moment("node_renewed"),
    _text("seen_by"),
    _text("evidence"),
    _number("sequence"),  # of its last change
    Column("is_open", Boolean, nullable=False),
    # In seconds; NULL while it is open, and if nothing is billed.
    _moment("billed_since"),
    _moment("least_until"),
    _moment("billed_until"),
    _moment("most_until"),
    Column("length", SmallInteger),  # bits of the longest length: makes a period's lifetimes few ranges of an index
    Index("lifetime_uid", "uid", unique=True),
    Index("lifetime_sequence", "sequence", unique=True),
    Index("lifetime_group", "group_id"),
    Index("lifetime_name", "name"),
    Index("lifetime_billed", "length", "billed_since"),
)
# Each database uses it only for a condition that is written as the index's own, and SQLAlchemy writes two.
Index("lifetime_open", LIFETIME.c.id, sqlite_where=text("is_open = 1"), postgresql_where=text("is_open"))
