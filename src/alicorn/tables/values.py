"""Values of a column as Python has them, none changed: what `Collection.get` gives.

Python's dates and times hold microseconds of the years 1 to 9999. What they do not hold is a numpy.datetime64 in UTC, a
numpy.timedelta64, or for the time of a day its text; pandas is never asked.
"""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pyarrow as pa


def python_values(array: pa.Array | pa.ChunkedArray) -> list[Any]:
    """One value for each row."""
    if not _has_nanoseconds(array.type):
        try:
            return list(array.to_pylist())
        except (OverflowError, ValueError, pa.ArrowException):  # out of Python's bounds, or a zone unknown here
            pass
    return [_value(scalar) for scalar in array]


def _has_nanoseconds(kind: pa.DataType) -> bool:
    if pa.types.is_nested(kind):
        return any(_has_nanoseconds(kind.field(at).type) for at in range(kind.num_fields))
    return getattr(kind, "unit", None) == "ns"


def _value(scalar: pa.Scalar) -> Any:
    kind, types = scalar.type, pa.types
    if not scalar.is_valid:
        return None
    if types.is_list(kind):
        return python_values(scalar.values)
    if types.is_map(kind):
        entries = scalar.values
        return list(zip(python_values(entries.field(0)), python_values(entries.field(1)), strict=True))
    if types.is_struct(kind):
        return {part.name: _value(scalar[at]) for at, part in enumerate(kind)}
    if types.is_timestamp(kind) or types.is_duration(kind) or types.is_time(kind) or types.is_date32(kind):
        return _time(scalar)
    return scalar.as_py()


def _time(scalar: pa.Scalar) -> Any:
    kind, types = scalar.type, pa.types
    count, unit = int(scalar.value), getattr(kind, "unit", "D")
    if unit == "ns":
        if count % 1_000 == 0:
            coarse = pa.scalar(count // 1_000, pa.int64()).cast(_microseconds(kind))
            return _time(coarse)
        if types.is_time(kind):
            clock = (datetime.datetime.min + datetime.timedelta(microseconds=count // 1_000)).time()
            return f"{clock.isoformat('microseconds')}{count % 1_000:03d}"
    else:
        try:
            return scalar.as_py()
        except (OverflowError, ValueError, pa.ArrowException):
            pass
    made = np.array(count).astype(f"m8[{unit}]" if types.is_duration(kind) else f"M8[{unit}]")
    return made[()]


def _microseconds(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    return pa.duration("us") if pa.types.is_duration(kind) else pa.time64("us")
