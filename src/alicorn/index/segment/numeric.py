"""Numeric columns, which `range` searches: the values of a stored column in its own type (alicorn.interval)."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.index.segment.segment import NumericColumn
from alicorn.interval import End, has_interval, interval
from alicorn.tables import one_chunk

_WIDE = 18  # digits: int64 holds every number of so many


def numeric_column(column: pa.Array) -> NumericColumn | None:
    """The column as a NumericColumn, or None for a type that `range` cannot search."""
    if not has_interval(column.type) or pa.types.is_null(column.type):
        return None
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    values = np.array(_values(column))  # a copy: kernels refuse Arrow's read-only memory
    if values.dtype == np.float64:
        valid = valid & ~np.isnan(values)
    docs = np.flatnonzero(valid)
    docs = docs[np.argsort(values[docs], kind="stable")].astype(np.uint32)
    return NumericColumn(values, valid, values[docs], docs)


def numeric_columns(fields: pa.Table) -> dict[str, NumericColumn]:
    """The NumericColumns of a table, by name."""
    columns = {name: numeric_column(one_chunk(fields.column(name))) for name in fields.column_names}
    return {name: column for name, column in columns.items() if column is not None}


def places_within(column: NumericColumn, stored: pa.ChunkedArray, minimum: End | None, maximum: End | None) -> slice:
    """The slice of `sorted_docs` with the documents within the ends. stored: the same column in its stored type."""
    within = interval(stored.type, minimum, maximum)
    if within is None:
        return slice(0, 0)
    low, high = within
    if _is_wide(stored.type):

        def digits(doc: int) -> int:
            return _digits(stored[int(doc)].as_py(), stored.type.scale)

        return slice(
            bisect_left(column.sorted_docs, low, key=digits), bisect_right(column.sorted_docs, high, key=digits)
        )
    values = column.sorted_values
    ends = np.array([low, high], dtype=values.dtype)
    return slice(int(values.searchsorted(ends[0], "left")), int(values.searchsorted(ends[1], "right")))


def _values(column: pa.Array) -> np.ndarray:
    types = pa.types
    kind = column.type
    if types.is_floating(kind):
        return _filled(column.cast(pa.float64()), math.nan)
    if types.is_decimal(kind):
        return _decimals(column)
    if types.is_uint64(kind):
        return _filled(column, 0)
    if types.is_date32(kind) or types.is_time32(kind):
        column = column.cast(pa.int32())
    return _filled(column.cast(pa.int64()), 0)


def _filled(column: pa.Array, value: float) -> np.ndarray:
    return np.asarray(pc.fill_null(column, value).to_numpy(zero_copy_only=False))


def _decimals(column: pa.Array) -> np.ndarray:
    """Decimals as their digits without the point, or, if these do not fit int64, as their ranks among the values."""
    if _is_wide(column.type):
        return np.asarray(pc.rank(column, "ascending", tiebreaker="dense"), dtype=np.int64)
    column = pc.fill_null(column.cast(pa.decimal128(38, column.type.scale)), 0)
    words: np.ndarray = np.frombuffer(column.buffers()[1], dtype="<i8").reshape(-1, 2)
    return words[column.offset : column.offset + len(column), 0]


def _digits(number: Decimal, scale: int) -> int:
    """The number times 10 ** scale, an integer."""
    return int(Fraction(number) * Fraction(10) ** scale)


def _is_wide(kind: pa.DataType) -> bool:
    return bool(pa.types.is_decimal(kind) and kind.precision > _WIDE)
