"""Rows as Parquet, by an extra of the command line (`pip install '.[parquet]'`); the image has no need of it.

Amounts are decimals of 38 digits, 20 of them after the point, so that nothing is rounded; times have the zone UTC.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

from monopod.cli.failure import UnreadableInput
from monopod.cli.usage.output import replacing
from monopod.usage.rules.focus_columns import Kind, get_kind

_BATCH: Final = 50_000
_MISSING: Final = "Parquet needs an extra: python3 -m pip install '.[parquet]' in the checkout. CSV needs none."
_INTEGERS: Final = frozenset({
    "cpuMillis", "memoryMib", "storageGib", "seconds", "milliVcpuSeconds", "mibSeconds", "storageGibSeconds",
})  # fmt: skip
_AMOUNTS: Final = frozenset({"cost", "costLeast", "costMost"})
_TIMES: Final = frozenset({"periodStart", "periodEnd", "start", "endNotBefore", "endNotAfter"})


def write_parquet(rows: Iterator[Mapping[str, Any]], columns: Sequence[str], file: Path, *, is_focus: bool) -> int:
    """Writes rows to a file; returns how many there were.

    Raises:
        UnreadableInput: the extra isn't installed, or the file can't be written.
    """
    try:
        import arro3.core as arrow
        from arro3.io import write_parquet as write
    except ImportError:
        raise UnreadableInput(_MISSING) from None
    kinds = {name: _choose_kind(name, is_focus=is_focus) for name in columns}
    types = {
        "integer": arrow.DataType.int64(),
        "decimal": arrow.DataType.decimal128(38, 20),
        "time": arrow.DataType.timestamp("us", tz="UTC"),
        "text": arrow.DataType.string(),
    }
    text = arrow.DataType.string()
    schema = arrow.Schema([arrow.Field(name, types[kinds[name]], nullable=True) for name in columns])
    count = 0

    def build() -> Iterator[Any]:
        nonlocal count
        while batch := list(islice(rows, _BATCH)):
            count += len(batch)
            arrays = []
            for name in columns:
                values = [None if row.get(name) in (None, "") else row[name] for row in batch]
                if kinds[name] == "integer":
                    arrays.append(arrow.Array(values, types["integer"]))
                else:
                    array = arrow.Array([None if each is None else str(each) for each in values], text)
                    arrays.append(array if kinds[name] == "text" else array.cast(types[kinds[name]]))
            yield arrow.RecordBatch.from_arrays(arrays, schema=schema)

    with replacing(file) as part:
        write(arrow.RecordBatchReader.from_batches(schema, build()), str(part), compression="zstd(3)")
    return count


def _choose_kind(column: str, *, is_focus: bool) -> str:
    if is_focus:
        return {Kind.DECIMAL: "decimal", Kind.TIME: "time", Kind.TEXT: "text"}[get_kind(column)]
    if column in _INTEGERS:
        return "integer"
    if column in _AMOUNTS:
        return "decimal"
    return "time" if column in _TIMES else "text"
