"""The Arrow type in which JSON values of a column are read: the type that the vertical asks for."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from alicorn.iso_times import read_exact
from alicorn.vertical.columns import Column, ColumnType

_STRINGS = pa.list_(pa.string())
_SINGLE = {
    ColumnType.STRING: pa.string(),
    ColumnType.STRINGS: _STRINGS,
    ColumnType.FLOATS: pa.list_(pa.float32()),
    ColumnType.VECTORS: pa.list_(pa.list_(pa.float32())),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.NUMBER: pa.float64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.TIME: pa.timestamp("us"),
}


def arrow_type(asked: Sequence[Column], values: Sequence[Any]) -> pa.DataType | None:
    """The type for a column that all of `asked` admit; None: whatever the values are."""
    types = {column.type for column in asked}
    for column_type, data_type in _SINGLE.items():
        if column_type in types:
            return data_type
    if ColumnType.ORDERED in types:
        return _ordered(values)
    if types & {ColumnType.TEXT, ColumnType.TERMS}:
        first = next((value for value in values if value is not None), None)
        if isinstance(first, list):
            return _STRINGS
        return pa.int64() if isinstance(first, int) and not isinstance(first, bool) else pa.string()
    return None


def _ordered(values: Sequence[Any]) -> pa.DataType | None:
    """Dates, times and durations are strings in JSON; what the first one is, all of them are."""
    first = next((value for value in values if value is not None), None)
    if not isinstance(first, str):
        return None
    try:
        form, _ = read_exact(first)
    except ValueError:
        return None
    return {"date": pa.date32(), "time": pa.time64("us"), "timestamp": pa.timestamp("us")}.get(form, pa.duration("us"))
