"""A stored column as numbers that `range` can search."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.index.segment.segment import NumericColumn


def is_numeric(kind: pa.DataType) -> bool:
    """Whether `range` can search a stored column of this type: int, float, bool, timestamp, date."""
    types = pa.types
    return (
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_boolean(kind)
        or types.is_timestamp(kind)
        or types.is_date(kind)
    )


def numeric_column(column: pa.Array) -> NumericColumn | None:
    """The column as float64 or int64; None when its type is not numeric. See NumericColumn for the units."""
    if not is_numeric(column.type):
        return None
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    values = np.array(_values(column))  # a copy: Arrow's own memory is read-only, which kernels do not take
    if values.dtype == np.float64:
        valid = valid & ~np.isnan(values)
    docs = np.flatnonzero(valid)
    docs = docs[np.argsort(values[docs], kind="stable")].astype(np.uint32)
    return NumericColumn(values, valid, values[docs], docs)


def _values(column: pa.Array) -> np.ndarray:
    types = pa.types
    kind = column.type
    if types.is_floating(kind):
        return pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy(zero_copy_only=False)
    if types.is_timestamp(kind):
        ticks = pc.fill_null(column.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
        per_microsecond = {"s": 1_000_000, "ms": 1_000, "us": 1, "ns": 1}[kind.unit]
        return ticks // 1_000 if kind.unit == "ns" else ticks * per_microsecond  # floor: never later than it was
    if types.is_date(kind):
        column = column.cast(pa.date32()).cast(pa.int32())
    return pc.fill_null(column.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
