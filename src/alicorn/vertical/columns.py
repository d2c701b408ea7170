"""Arrow columns against what is asked of them.

`check_types` looks at a schema alone and costs nothing; the other functions look at the values of one column.
Rows are counted from 0 in the order of the table.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.config import nearest
from alicorn.errors import TableError


class ColumnType(Enum):
    """What a column may hold; the value is how messages say it."""

    STRING = "string"
    TEXT = "string or list<string>"
    TERMS = "string, list<string> or integer"
    STRINGS = "list<string>"
    FLOATS = "list<float>"
    VECTORS = "list<list<float>>"
    NUMBER = "integer or float"
    INTEGER = "integer"
    BOOLEAN = "bool"
    TIME = "timestamp"
    ANY = "any type"

    def admits(self, data_type: pa.DataType) -> bool:
        """Whether an Arrow column of `data_type` may stand for this. Dictionary-coded strings are strings."""
        match self:
            case ColumnType.STRING:
                return _is_string(data_type)
            case ColumnType.TEXT:
                return _is_string(data_type) or _is_list_of(data_type, _is_string)
            case ColumnType.TERMS:
                return ColumnType.TEXT.admits(data_type) or pa.types.is_integer(data_type)
            case ColumnType.STRINGS:
                # A list column without a single value is written as list<null>.
                return _is_list_of(data_type, lambda item: _is_string(item) or pa.types.is_null(item))
            case ColumnType.FLOATS:
                return _is_list_of(data_type, pa.types.is_floating)
            case ColumnType.VECTORS:
                return _is_list_of(data_type, lambda item: pa.types.is_null(item) or ColumnType.FLOATS.admits(item))
            case ColumnType.NUMBER:
                return pa.types.is_integer(data_type) or pa.types.is_floating(data_type)
            case ColumnType.INTEGER:
                return pa.types.is_integer(data_type)
            case ColumnType.BOOLEAN:
                return pa.types.is_boolean(data_type)
            case ColumnType.TIME:
                return pa.types.is_timestamp(data_type)
            case ColumnType.ANY:
                return True


class Column(NamedTuple):
    """A column that a table must have; `why` says who asks for it, e.g. `document.features.name`."""

    name: str
    type: ColumnType
    why: str


def check_types(schema: pa.Schema, columns: Sequence[Column], table: str) -> None:
    """Every column of `columns` is in `schema` with a type it admits. Raises TableError for the first that is not."""
    for name, column_type, why in columns:
        positions = schema.get_all_field_indices(name)
        if not positions:
            raise TableError(
                f"table {table}: column '{name}' ({column_type.value}, asked for by {why}) is missing; "
                f"{nearest(name, schema.names)}columns: {', '.join(schema.names) or 'none'}",
                table=table,
                column=name,
            )
        if len(positions) > 1:
            raise TableError(
                f"table {table}: column '{name}' is there {len(positions)} times", table=table, column=name
            )
        data_type = schema.field(positions[0]).type
        if not column_type.admits(data_type):
            raise TableError(
                f"table {table}: column '{name}' must be {column_type.value} ({why}), got {data_type}",
                table=table,
                column=name,
            )


def refuse_rows(
    bad: pa.Array | pa.ChunkedArray | np.ndarray, table: str, column: str, problem: str, first_row: int = 0
) -> None:
    """Raise TableError when any entry of the mask `bad` is true. `first_row` is the row number of the mask's start."""
    mask = np.asarray(bad, dtype=bool)
    if count := int(mask.sum()):
        bad_rows(table, column, problem, row=first_row + int(mask.argmax()), count=count)


def bad_rows(table: str, column: str, problem: str, *, row: int, count: int) -> NoReturn:
    """The one sentence for bad rows: table, column, what is wrong, first bad row, how many."""
    rows = "1 row" if count == 1 else f"{count} rows"
    message = f"table {table}, column '{column}': {problem}; first bad row {row} (from 0), {rows} in all"
    raise TableError(message, table=table, column=column, row=row, count=count)


def check_vectors(column: pa.ChunkedArray, dim: int, table: str, name: str, first_row: int = 0) -> None:
    """Rows of a list<float> column are null or `dim` finite numbers."""
    lengths = pc.fill_null(pc.list_value_length(column), dim)
    refuse_rows(pc.not_equal(lengths, dim), table, name, f"a vector must have {dim} numbers", first_row)
    _check_finite(column, table, name, first_row)


def check_vector_lists(column: pa.ChunkedArray, dim: int, table: str, name: str, first_row: int = 0) -> None:
    """Rows of a list<list<float>> column are null or lists of vectors of `dim` finite numbers."""
    row = first_row
    for chunk in column.cast(pa.large_list(pa.large_list(pa.float64()))).chunks:
        parents = pc.list_parent_indices(chunk).to_numpy()
        vectors = chunk.flatten()
        sizes = pc.fill_null(pc.list_value_length(vectors), -1).to_numpy(zero_copy_only=False)
        bad = np.zeros(len(chunk), dtype=bool)
        bad[parents[sizes != dim]] = True
        refuse_rows(bad, table, name, f"a vector must have {dim} numbers", row)
        values = np.isfinite(vectors.flatten().to_numpy(zero_copy_only=False)).reshape(-1, dim)
        bad[parents[~values.all(axis=1)]] = True
        refuse_rows(bad, table, name, "a null, NaN or infinite number inside a vector", row)
        row += len(chunk)


def check_weights(ids: pa.ChunkedArray, weights: pa.ChunkedArray, table: str, name: str, first_row: int = 0) -> None:
    """Rows of a weights column have one finite number per id; a null row stands for an empty one."""
    wanted = pc.fill_null(pc.list_value_length(ids), 0)
    given = pc.fill_null(pc.list_value_length(weights), 0)
    refuse_rows(pc.not_equal(wanted, given), table, name, "weights must be as many as the ids of the row", first_row)
    _check_finite(weights, table, name, first_row)


def check_parallel(lists: Mapping[str, pa.ChunkedArray], table: str, first_row: int = 0) -> None:
    """Each row of list columns, by name, has as many elements in all of them; a null row stands for an empty one."""
    (first, wanted), *others = lists.items()
    lengths = pc.fill_null(pc.list_value_length(wanted), 0)
    for name, column in others:
        differs = pc.not_equal(pc.fill_null(pc.list_value_length(column), 0), lengths)
        refuse_rows(differs, table, name, f"a list must be as long as that of column '{first}'", first_row)


def _check_finite(column: pa.ChunkedArray, table: str, name: str, first_row: int) -> None:
    values = pc.list_flatten(column)
    bad = pc.invert(pc.fill_null(pc.is_finite(values), False)).to_numpy()
    if bad.any():
        rows = np.zeros(len(column), dtype=bool)
        rows[pc.list_parent_indices(column).to_numpy()[bad]] = True
        refuse_rows(rows, table, name, "a null, NaN or infinite number inside a list", first_row)


def _is_string(data_type: pa.DataType) -> bool:
    if pa.types.is_dictionary(data_type):
        data_type = data_type.value_type
    return pa.types.is_string(data_type) or pa.types.is_large_string(data_type) or pa.types.is_string_view(data_type)


def _is_list_of(data_type: pa.DataType, accepts) -> bool:  # type: ignore[no-untyped-def]
    is_list = pa.types.is_list(data_type) or pa.types.is_large_list(data_type) or pa.types.is_fixed_size_list(data_type)
    return is_list and accepts(data_type.value_type)
