"""Times of 96 bits in Parquet: the form of Impala, Hive and of Spark before version 3.

They count nanoseconds of any year. Arrow reads them as microseconds, which cuts finer ones, or as 64 bits of
nanoseconds, in which those before 1678 and after 2261 are other times. They are read as microseconds; a finer one is
refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from alicorn.errors import TableError
from alicorn.tables.plain import as_entries, as_list, is_list
from alicorn.tables.row_groups import row_batches


def times_in_96_bits(file: pq.ParquetFile, columns: Sequence[str]) -> list[str]:
    """Those of the columns that hold such times, at any depth."""
    leaves = [file.schema.column(at) for at in range(len(file.schema.names))]
    paths = [leaf.path for leaf in leaves if leaf.physical_type == "INT96"]
    return [name for name in columns if any(path == name or path.startswith(f"{name}.") for path in paths)]


def exact_times(file: Path, columns: Sequence[str], num_rows: int, groups: Sequence[int] | None) -> Iterator[pa.Table]:
    """The columns with nanoseconds, as far as 64 bits hold them, in batches of `num_rows`. groups: None for all."""
    with pq.ParquetFile(file, coerce_int96_timestamp_unit="ns") as opened:
        for batch in row_batches(opened, columns, num_rows, groups):
            yield pa.Table.from_batches([batch]).select(columns)


def refuse_finer(read: pa.Table, exact: pa.Table, table: str, first_row: int) -> None:
    """Raise TableError for the first row of `read`, in microseconds, whose time in `exact` is finer."""
    for name in exact.column_names:
        micros, nanos = (one[name].combine_chunks() for one in (read, exact))
        if not _is_finer(micros, nanos):
            continue
        low, high = 0, len(micros)  # the first `low` rows are not finer, one of the first `high` is
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if _is_finer(micros[:middle], nanos[:middle]) else (middle, high)
        row = first_row + low
        message = (
            f"table {table}, column '{name}', row {row} (from 0): a time of 96 bits that is finer than a microsecond: "
            "write the column as timestamp[ns], or round it to microseconds"
        )
        raise TableError(message, table=table, column=name, row=row)


def _is_finer(micros: pa.Array, nanos: pa.Array) -> bool:
    return any(map(_differs, _leaves(micros), _leaves(nanos)))


def _differs(micros: pa.Array, nanos: pa.Array) -> bool:
    if not pa.types.is_timestamp(micros.type) or micros.type == nanos.type:
        return False
    coarse, fine = (np.asarray(one.drop_null().cast(pa.int64())) for one in (micros, nanos))
    fits = np.floor_divide(fine, 1_000) == coarse  # others are of a year that 64 bits of nanoseconds do not hold
    return bool((fits & (fine % 1_000 != 0)).any())


def _leaves(array: pa.Array) -> Iterator[pa.Array]:
    if pa.types.is_struct(array.type):
        for part in array.flatten():
            yield from _leaves(part)
    elif pa.types.is_map(array.type):
        yield from _leaves(as_entries(array).flatten())
    elif is_list(array.type):
        yield from _leaves(as_list(array).flatten())
    else:
        yield array
