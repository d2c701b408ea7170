"""Arrow columns against what is asked of them.

`check_types` looks at a schema alone and costs nothing; `read_as` gives the columns in the types in which they are
read; the other functions look at the values of one column that was read so.
Rows are counted from 0 in the order of the table.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple, NoReturn

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.config import did_you_mean
from alicorn.errors import TableError
from alicorn.interval import has_interval
from alicorn.iso_times import read_exact
from alicorn.tables import notes
from alicorn.tables.plain import plain_column, plain_schema, plain_type, tried


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
    ORDERED = "a number, bool, date, time, timestamp or duration"
    ANY = "any type"

    def admits(self, kind: pa.DataType) -> bool:
        """Whether a column of a plain type may be read as this. A column of nulls may be anything."""
        types = pa.types
        if types.is_null(kind):
            return True
        match self:
            case ColumnType.STRING:
                return is_text(kind)
            case ColumnType.TEXT:
                return is_text(kind) or ColumnType.STRINGS.admits(kind)
            case ColumnType.TERMS:
                return ColumnType.TEXT.admits(kind) or bool(types.is_integer(kind))
            case ColumnType.STRINGS:
                return _is_list_of(kind, is_text)
            case ColumnType.FLOATS:
                return _is_list_of(kind, types.is_floating)
            case ColumnType.VECTORS:
                return _is_list_of(kind, ColumnType.FLOATS.admits)
            case ColumnType.NUMBER:
                return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))
            case ColumnType.INTEGER:
                return ColumnType.NUMBER.admits(kind)
            case ColumnType.BOOLEAN:
                return bool(types.is_boolean(kind))
            case ColumnType.TIME:
                return bool(types.is_timestamp(kind) or types.is_date(kind))
            case ColumnType.ORDERED:
                return has_interval(kind)
            case ColumnType.ANY:
                return True

    def read_type(self, kind: pa.DataType) -> pa.DataType:
        """The type in which a plain column of an admitted type is read; `kind` itself where nothing has to be done.

        Bytes are text; integers are asked of whole floats and decimals too, numbers of decimals, as the nearest float;
        a date is its midnight; where no value has decided the type, it is the one that is asked for.
        """
        types = pa.types
        match self:
            case ColumnType.STRING | ColumnType.TEXT | ColumnType.TERMS if not types.is_list(kind):
                return kind if types.is_integer(kind) else pa.string()
            case ColumnType.TEXT | ColumnType.TERMS | ColumnType.STRINGS:
                return pa.list_(pa.string())
            case ColumnType.FLOATS:
                decided = types.is_list(kind) and not types.is_null(kind.value_type)
                return kind if decided else pa.list_(pa.float32())
            case ColumnType.VECTORS:
                return pa.list_(ColumnType.FLOATS.read_type(kind.value_type if types.is_list(kind) else kind))
            case ColumnType.NUMBER:
                return kind if types.is_integer(kind) or types.is_floating(kind) else pa.float64()
            case ColumnType.INTEGER:
                return kind if types.is_integer(kind) and kind != pa.uint64() else pa.int64()
            case ColumnType.BOOLEAN:
                return pa.bool_()
            case ColumnType.TIME:
                return kind if types.is_timestamp(kind) else pa.timestamp("us")
        return kind


class Column(NamedTuple):
    """A column that a table must have; `why` says who asks for it, e.g. `document.features.name`."""

    name: str
    type: ColumnType
    why: str


def read_as(table: pa.Table, columns: Sequence[Column], name: str, first_row: int = 0) -> pa.Table:
    """The table with the columns that are asked for in the types in which they are read; others as they are.

    columns: a column that is asked for as `any type` as well keeps its own type, unless its bytes are text.
    name: of the table in messages; first_row: the number of its first row there.
    Raises TableError for a column that is missing or of another type, and for the first row that cannot be read so:
    bytes that are not UTF-8, a decimal that is no integer.
    """
    check_types(table.schema, columns, name)
    asked: dict[str, list[ColumnType]] = {}
    for column in columns:
        asked.setdefault(column.name, []).append(column.type)
    for column_name, types in asked.items():
        at = table.schema.get_field_index(column_name)
        column = table.column(at)
        if column.type != plain_type(column.type):
            column = plain_column(column, name, column_name, first_row)
        if ColumnType.ANY not in types or (_holds_bytes(column.type) and set(types) & set(_TEXTS)):
            column = _read(column, sorted(types, key=_PRECEDENCE.index)[0], name, column_name, first_row)
        if column is not table.column(at):
            table = table.set_column(at, column_name, column)
    return table


def _read(column: pa.ChunkedArray, asked: ColumnType, table: str, name: str, first_row: int) -> pa.ChunkedArray:
    kind = asked.read_type(column.type)
    if kind == column.type:
        return column
    row, chunks = first_row, []
    for chunk in column.chunks:
        chunks.append(tried(chunk, lambda array: array.cast(kind), kind, table, name, row))
        row += len(chunk)
    return pa.chunked_array(chunks, kind)


def known_types(columns: Sequence[Column]) -> dict[str, pa.DataType]:
    """The types of columns that text alone does not tell, such as a title 1984: by these CSV is read."""
    kinds = {name: pa.bool_() for name, kind, _ in columns if kind == ColumnType.BOOLEAN}
    kinds |= {name: pa.list_(pa.string()) for name, kind, _ in columns if kind in _TEXTS}
    return kinds | {name: pa.string() for name, kind, _ in columns if kind == ColumnType.STRING}


def note_bytes(schema: pa.Schema, columns: Sequence[Column], table: str) -> None:
    """A note on every column of bytes that is read as text."""
    notes.note_bytes(schema, {column.name for column in columns if column.type in _TEXTS}, table)


def check_types(schema: pa.Schema, columns: Sequence[Column], table: str) -> None:
    """Every column of `columns` is in `schema` with a type it admits. Raises TableError for the first that is not."""
    wanted = [column.name for column in columns]
    missing = dict.fromkeys(name for name in wanted if name not in schema.names)
    for name, column_type, why in columns:
        positions = schema.get_all_field_indices(name)
        if not positions:
            others = ", ".join(f"'{other}'" for other in missing if other != name)
            raise TableError(
                f"table {table}: column '{name}' is missing ({column_type.value}; {why})"
                f"{f', as are {others}' if others else ''}; "
                f"{did_you_mean(name, [other for other in schema.names if other not in wanted])}"
                f"columns: {', '.join(schema.names) or 'none'}",
                table=table,
                column=name,
            )
        if len(positions) > 1:
            raise TableError(
                f"table {table}: column '{name}' is there {len(positions)} times", table=table, column=name
            )
        data_type = schema.field(positions[0]).type
        plain = plain_schema(pa.schema([pa.field(name, data_type)]), table).field(0).type
        if not column_type.admits(plain):
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
    """Rows of a weights column have one finite number per id; a null row counts as an empty one."""
    wanted = pc.fill_null(pc.list_value_length(ids), 0)
    given = pc.fill_null(pc.list_value_length(weights), 0)
    refuse_rows(pc.not_equal(wanted, given), table, name, "weights must be as many as the ids of the row", first_row)
    _check_finite(weights, table, name, first_row)


def check_parallel(lists: Mapping[str, pa.ChunkedArray], table: str, first_row: int = 0) -> None:
    """Each row of list columns, by name, has as many elements in all of them; a null row counts as an empty one."""
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


_TEXTS = (ColumnType.STRING, ColumnType.STRINGS, ColumnType.TEXT, ColumnType.TERMS)
_PRECEDENCE = (  # which of several asked types a column of nulls takes: the narrowest
    *(ColumnType.STRING, ColumnType.STRINGS, ColumnType.FLOATS, ColumnType.VECTORS, ColumnType.INTEGER),
    *(ColumnType.NUMBER, ColumnType.BOOLEAN, ColumnType.TIME, ColumnType.TEXT, ColumnType.TERMS),
    *(ColumnType.ORDERED, ColumnType.ANY),
)


def _holds_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or kind == pa.list_(pa.binary()))


def is_text(kind: pa.DataType) -> bool:
    """Text, or bytes that may be text."""
    return bool(pa.types.is_string(kind) or pa.types.is_binary(kind))


def _is_list_of(kind: pa.DataType, accepts: Callable[[pa.DataType], bool]) -> bool:
    return bool(pa.types.is_list(kind)) and (pa.types.is_null(kind.value_type) or accepts(kind.value_type))


_STRINGS = pa.list_(pa.string())
_SINGLE = {
    ColumnType.STRING: pa.string(),
    ColumnType.STRINGS: _STRINGS,
    ColumnType.FLOATS: pa.list_(pa.float64()),
    ColumnType.VECTORS: pa.list_(pa.list_(pa.float32())),
    ColumnType.INTEGER: pa.int64(),
    ColumnType.NUMBER: pa.float64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.TIME: pa.timestamp("us"),
}


def arrow_type(asked: Sequence[Column], values: Sequence[Any]) -> pa.DataType | None:
    """The type in which JSON values of a column are read, which all of `asked` admit; None: whatever the values are."""
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
