"""JSON values -> Arrow columns of the types a vertical or collection asks for."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from alicorn.errors import TableError
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
    if types & {ColumnType.TEXT, ColumnType.TERMS}:
        first = next((value for value in values if value is not None), None)
        if isinstance(first, list):
            return _STRINGS
        return pa.int64() if isinstance(first, int) and not isinstance(first, bool) else pa.string()
    return None


def typed_array(table: str, name: str, values: Sequence[Any], data_type: pa.DataType | None) -> pa.Array:
    """The column. Raises TableError that names the first row whose value does not fit."""
    try:
        return _array(values, data_type)
    except (pa.ArrowException, TypeError, ValueError, OverflowError):
        pass
    for row, value in enumerate(values):
        try:
            _array([value], data_type)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            wanted = "" if data_type is None else f" is no {data_type}"
            message = f"{table}, column {name[:100]!r}, row {row}: {str(value)[:60]!r}{wanted} ({str(error)[:200]})"
            raise TableError(message, table=table, column=name, row=row) from error
    message = f"{table}, column {name[:100]!r}: the rows have values of different types"
    raise TableError(message, table=table, column=name)


def _array(values: Sequence[Any], data_type: pa.DataType | None) -> pa.Array:
    if data_type is not None and pa.types.is_temporal(data_type):  # JSON has times as strings
        return pa.array(values, pa.string()).cast(data_type)
    return pa.array(values, data_type)
