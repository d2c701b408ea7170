"""One type for all encodings of a type: the plain form of an Arrow column.

    string, large_string, string_view                           -> string
    binary, large_binary, binary_view                           -> binary
    list, large_list, list_view, large_list_view, fixed lists   -> list
    dictionary and run-end encoding                             -> what they encode
    extension types                                             -> their storage; arrow.bool8 is bool, arrow.uuid is
                                                                   its canonical text
    half floats                                                 -> float32, the same numbers
    date64                                                      -> date32, where it has no time of day
    decimal32, decimal64                                        -> decimal128, the same digits

Numbers, times, structs and maps keep their types; what is inside of lists, structs and maps is made plain as well.
Unions and intervals have no plain form.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.errors import TableError
from alicorn.tables.times import refuse_times

ALLOWED = "string, binary, integer, float, decimal, bool, date, time, timestamp, duration, list, struct or map"
_PIECE_BYTES = 1 << 30  # strings and lists of one plain array have 32-bit offsets


class NoPlainTypeError(TypeError):
    """An Arrow type that no column may have."""


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type without its encoding. Raises NoPlainTypeError."""
    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return _MEANINGS.get(kind.extension_name) or plain_type(kind.storage_type)
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return plain_type(kind.value_type)
    if is_string(kind):
        return pa.string()
    if types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind):
        return pa.binary()
    if is_list(kind):
        return pa.list_(plain_type(kind.value_type))
    if types.is_map(kind):
        return pa.map_(plain_type(kind.key_type), plain_type(kind.item_type))
    if types.is_struct(kind):
        return pa.struct([pa.field(part.name, plain_type(part.type)) for part in kind])
    if types.is_float16(kind):
        return pa.float32()
    if types.is_date64(kind):
        return pa.date32()
    if types.is_decimal(kind):
        return kind if kind.bit_width >= 128 else pa.decimal128(kind.precision, kind.scale)
    if types.is_union(kind) or types.is_interval(kind) or kind.id not in _KEPT:
        raise NoPlainTypeError(str(kind))
    return kind


_MEANINGS = {"arrow.bool8": pa.bool_(), "arrow.uuid": pa.string()}  # of extension types that mean no storage
_KEPT = {
    kind.id
    for kind in (
        *(pa.null(), pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32()),
        *(pa.uint64(), pa.float32(), pa.float64(), pa.date32(), pa.time32("s"), pa.time64("us"), pa.timestamp("us")),
        *(pa.duration("us"), pa.binary(1)),
    )
}


def is_string(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_list(kind: pa.DataType) -> bool:
    """Whether it is a list, in any layout. A map is none."""
    types = pa.types
    return bool(
        types.is_list(kind)
        or types.is_large_list(kind)
        or types.is_fixed_size_list(kind)
        or types.is_list_view(kind)
        or types.is_large_list_view(kind)
    )


def plain_schema(schema: pa.Schema, table: str) -> pa.Schema:
    """The plain types of all columns. Raises TableError for a column that cannot be kept, or that is there twice."""
    names = schema.names
    fields = []
    for field in schema:
        if names.count(field.name) > 1:
            message = f"table {table}: column '{field.name}' is there {names.count(field.name)} times"
            raise TableError(message, table=table, column=field.name)
        try:
            fields.append(pa.field(field.name, plain_type(field.type)))
        except NoPlainTypeError as error:
            message = f"table {table}: column '{field.name}': type {error} cannot be stored; a column may be {ALLOWED}"
            raise TableError(message, table=table, column=field.name) from error
    return pa.schema(fields)


def plain_table(table: pa.Table, name: str, first_row: int = 0) -> pa.Table:
    """The same table in plain types, with every value checked: offsets, UTF-8, times that a calendar has.

    name: of the table in messages; first_row: the number of its first row there. A plain column is not copied.
    Raises TableError that names table, column, first bad row, and for a type that cannot be stored what can.
    """
    schema = plain_schema(table.schema, name)
    columns = [
        plain_column(column, name, field.name, first_row) for column, field in zip(table.columns, schema, strict=True)
    ]
    return pa.Table.from_arrays(columns, schema=schema) if columns else table


def plain_column(column: pa.ChunkedArray, table: str, name: str, first_row: int = 0) -> pa.ChunkedArray:
    """One column of `plain_table`."""
    kind = plain_type(column.type)
    row, chunks = first_row, []
    for chunk in column.chunks:
        _refuse_broken(chunk, table, name, row)
        for piece in _pieces(chunk):
            done = piece if piece.type == kind else tried(piece, plain_array, kind, table, name, row)
            refuse_times(done, table, name, row)
            chunks.append(done)
            row += len(piece)
    return pa.chunked_array(chunks, kind)


def text_column(column: pa.ChunkedArray, table: str, name: str, first_row: int = 0) -> pa.ChunkedArray:
    """A plain column with its bytes, or lists of bytes, read as UTF-8; any other as it is."""
    kind = {pa.binary(): pa.string(), pa.list_(pa.binary()): pa.list_(pa.string())}.get(column.type)
    if kind is None:
        return column
    row, chunks = first_row, []
    for chunk in column.chunks:
        chunks.append(tried(chunk, lambda array: array.cast(kind), kind, table, name, row))
        row += len(chunk)
    return pa.chunked_array(chunks, kind)


def one_chunk(column: pa.ChunkedArray) -> pa.Array:
    """A column as one array, without a copy when it is one already."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def plain_array(array: pa.Array) -> pa.Array:
    """The array in its plain type; itself where it is plain. Raises pa.ArrowInvalid for a value that has none."""
    kind = array.type
    plain = plain_type(kind)
    if kind == plain:
        return array
    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        if kind.extension_name == "arrow.uuid":
            return pa.array([None if one is None else str(UUID(bytes=one)) for one in array.storage.to_pylist()], plain)
        return array.cast(plain) if kind.extension_name in _MEANINGS else plain_array(array.storage)
    if types.is_dictionary(kind):
        return plain_array(array.dictionary_decode())
    if types.is_run_end_encoded(kind):
        return plain_array(pc.run_end_decode(array))
    if is_list(kind):
        lists = as_list(array)
        return with_values(lists, plain_array(lists.flatten()))
    if types.is_map(kind):
        entries = as_entries(array).flatten()
        return as_map(array, plain_array(entries.field(0)), plain_array(entries.field(1)))
    if types.is_struct(kind):
        return with_fields(array, plain, [plain_array(array.field(at)) for at in range(kind.num_fields)])
    return array.cast(plain)


def as_list(array: pa.Array) -> pa.ListArray:
    """A list of any layout as a list with 32-bit offsets."""
    kind = array.type
    if pa.types.is_list(kind):
        return array
    if pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        return _gathered(array)
    return with_values(array, array.flatten())


def _gathered(array: pa.ListViewArray) -> pa.ListArray:
    """Views, which may overlap and come in any order, as lists. Arrow's own cast loses values behind a null."""
    valid = array.is_valid().to_numpy(zero_copy_only=False)
    sizes = np.where(valid, array.sizes.to_numpy(), 0).astype(np.int64)
    offsets = np.zeros(len(array) + 1, dtype=np.int64)
    np.cumsum(sizes, out=offsets[1:])
    at = np.arange(offsets[-1]) + np.repeat(array.offsets.to_numpy()[: len(array)] - offsets[:-1], sizes)
    values = plain_array(array.values).take(pa.array(at, pa.int64()))
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), values, mask=_nulls(array))


def as_entries(array: pa.MapArray) -> pa.ListArray:
    """A map as the list of its entries, structs of key and value."""
    kind = array.type
    return array.cast(pa.list_(pa.struct([pa.field("key", kind.key_type), pa.field("value", kind.item_type)])))


def with_values(array: pa.Array, values: pa.Array) -> pa.ListArray:
    """The lists of an array, no views, over other values: as many as `flatten` gives, in their order."""
    return pa.ListArray.from_arrays(_offsets(array), values, type=pa.list_(values.type), mask=_nulls(array))


def as_map(array: pa.MapArray, keys: pa.Array, items: pa.Array) -> pa.MapArray:
    """The maps of an array over other keys and items: as many as it has entries, in their order."""
    return pa.MapArray.from_arrays(_offsets(as_entries(array)), keys, items, mask=_nulls(array))


def with_fields(array: pa.StructArray, kind: pa.StructType, parts: list[pa.Array]) -> pa.StructArray:
    """The structs of an array with other fields, of the type `kind`."""
    return pa.StructArray.from_arrays(parts, fields=list(kind), mask=_nulls(array)) if parts else array.cast(kind)


def tried(
    array: pa.Array,
    convert: Callable[[pa.Array], pa.Array],
    kind: pa.DataType,
    table: str,
    column: str,
    first_row: int,
) -> pa.Array:
    """convert(array), of the type `kind`, or a TableError that names the first row that cannot be converted."""
    try:
        return convert(array)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        low, high = 0, len(array)  # the first `low` rows can be converted, the first `high` cannot
        while high - low > 1:
            middle = (low + high) // 2
            try:
                convert(array.slice(0, middle))
                low = middle
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                high = middle
        row = first_row + low
        message = f"table {table}, column '{column}', row {row} (from 0) cannot be read as {kind}: {error}"
        raise TableError(message, table=table, column=column, row=row) from error


def _refuse_broken(array: pa.Array, table: str, column: str, first_row: int) -> None:
    """Offsets that lead outside of the data, and text that is not UTF-8."""
    try:
        array.validate(full=True)
    except pa.ArrowInvalid as error:
        row = first_row + _first_broken(array)
        what = "its text is not UTF-8" if "UTF8" in str(error) else str(error)
        message = f"table {table}, column '{column}' is broken in row {row} (from 0): {what}"
        raise TableError(message, table=table, column=column, row=row) from error


def _first_broken(array: pa.Array) -> int:
    """The first row without which the rows before it are sound."""
    low, high = 0, len(array)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            array.slice(0, middle).validate(full=True)
            low = middle
        except pa.ArrowInvalid:
            high = middle
    return low


def _pieces(array: pa.Array) -> list[pa.Array]:
    """The array in slices that are small enough for 32-bit offsets, as far as single values are."""
    if array.nbytes <= _PIECE_BYTES or len(array) < 2:
        return [array]
    half = len(array) // 2
    return _pieces(array.slice(0, half)) + _pieces(array.slice(half))


def _offsets(lists: pa.ListArray) -> pa.Array:
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    offsets = np.zeros(len(lists) + 1, dtype=np.int32)
    np.cumsum(lengths, out=offsets[1:])
    return pa.array(offsets)


def _nulls(array: pa.Array) -> pa.Array | None:
    return array.is_null() if array.null_count else None
