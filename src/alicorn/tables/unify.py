"""One type for two: what the part files of a table, or the upserts of a collection, may disagree on.

Absence decides nothing: a null, an empty list, a struct of nulls take the other's type, at every depth. Part files may
widen besides: integers and floats, decimals, units of time, times with and without a zone (UTC), text and bytes, the
fields of structs. No value is changed by it: `fitted` refuses a number that the wider type does not hold exactly.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from alicorn.tables.plain import as_entries, as_list, as_map, plain_array, plain_type, with_fields, with_values

_UNITS = ("s", "ms", "us", "ns")


def is_open(kind: pa.DataType) -> bool:
    """Whether no value has decided anything about a plain type: null, list<null>, a struct of nulls."""
    if pa.types.is_list(kind):
        return is_open(kind.value_type)
    if pa.types.is_struct(kind):
        return all(is_open(part.type) for part in kind)
    return bool(pa.types.is_null(kind))


def merged(kept: pa.DataType, arriving: pa.DataType) -> pa.DataType | None:
    """The type of both where they differ in what no value has decided yet; None: they do not go together.

    The fields of a struct come by their names; one that is missing is null, a further one is accepted only while the
    struct is open.
    """
    return _merged(kept, arriving, widen=False)


def widened(first: pa.DataType, second: pa.DataType) -> pa.DataType | None:
    """The type that holds the values of both; None: there is none."""
    return _merged(first, second, widen=True)


def _merged(a: pa.DataType, b: pa.DataType, *, widen: bool) -> pa.DataType | None:
    types = pa.types
    if a == b or types.is_null(b):
        return a
    if types.is_null(a):
        return b
    if types.is_list(a) and types.is_list(b):
        values = _merged(a.value_type, b.value_type, widen=widen)
        return None if values is None else pa.list_(values)
    if types.is_map(a) and types.is_map(b):
        keys, items = (_merged(x, y, widen=widen) for x, y in ((a.key_type, b.key_type), (a.item_type, b.item_type)))
        return None if keys is None or items is None else pa.map_(keys, items)
    if types.is_struct(a) and types.is_struct(b):
        return _merged_structs(a, b, widen=widen)
    return _wider(a, b) or _wider(b, a) if widen else None


def _merged_structs(a: pa.StructType, b: pa.StructType, *, widen: bool) -> pa.DataType | None:
    known = {part.name: part.type for part in a}
    arriving = {part.name: part.type for part in b}
    if set(arriving) - set(known) and not widen and not is_open(a):
        return None
    fields = []
    for name in {**known, **arriving}:
        kind = _merged(known.get(name, pa.null()), arriving.get(name, pa.null()), widen=widen)
        if kind is None:
            return None
        fields.append(pa.field(name, kind))
    return pa.struct(fields)


def _wider(a: pa.DataType, b: pa.DataType) -> pa.DataType | None:
    """The type for both where a comes first in the order of the rules below."""
    types = pa.types
    if types.is_integer(a) and types.is_integer(b):
        if types.is_signed_integer(a) == types.is_signed_integer(b):
            return a if a.bit_width >= b.bit_width else b
        return pa.int64()
    if types.is_floating(b) and (types.is_integer(a) or types.is_floating(a)):
        return pa.float64()
    if types.is_integer(a) and types.is_decimal(b):
        return _decimal(20 + b.scale, b.scale)
    if types.is_decimal(a) and types.is_decimal(b):
        scale = max(a.scale, b.scale)
        return _decimal(max(a.precision - a.scale, b.precision - b.scale) + scale, scale)
    if types.is_timestamp(a) and types.is_timestamp(b):
        return pa.timestamp(_finer(a, b), None if a.tz is None and b.tz is None else a.tz if a.tz == b.tz else "UTC")
    if types.is_duration(a) and types.is_duration(b):
        return pa.duration(_finer(a, b))
    if types.is_time(a) and types.is_time(b):
        unit = _finer(a, b)
        return pa.time32(unit) if unit in ("s", "ms") else pa.time64(unit)
    binary = types.is_binary(b) or types.is_fixed_size_binary(b)
    if binary and (types.is_string(a) or types.is_binary(a) or types.is_fixed_size_binary(a)):
        return pa.binary()
    return None


def _decimal(precision: int, scale: int) -> pa.DataType | None:
    if precision <= 38:
        return pa.decimal128(precision, scale)
    return pa.decimal256(precision, scale) if precision <= 76 else None


def _finer(a: pa.DataType, b: pa.DataType) -> str:
    return _UNITS[max(_UNITS.index(a.unit), _UNITS.index(b.unit))]


def fitted(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """A plain array in a type that `merged` or `widened` gave for it. Raises pa.ArrowInvalid for an inexact number."""
    own, types = array.type, pa.types
    if own == kind:
        return array
    if types.is_null(own):
        return pa.nulls(len(array), kind)
    if types.is_list(own):
        lists = as_list(array)
        return with_values(lists, fitted(lists.flatten(), kind.value_type))
    if types.is_map(own):
        entries = as_entries(array).flatten()
        return as_map(array, fitted(entries.field(0), kind.key_type), fitted(entries.field(1), kind.item_type))
    if types.is_struct(own):
        names = {part.name: at for at, part in enumerate(own)}
        parts = [
            fitted(array.field(names[part.name]), part.type) if part.name in names else pa.nulls(len(array), part.type)
            for part in kind
        ]
        return with_fields(array, kind, parts)
    return array.cast(kind)


def fitted_table(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """A table in the types of a schema, by name; a column that is missing is null."""
    columns = []
    for field in schema:
        if field.name not in table.column_names:
            columns.append(pa.chunked_array([pa.nulls(len(table), field.type)], field.type))
            continue
        column = table.column(field.name)
        plain = column.type == field.type
        chunks = column.chunks if plain else [fitted(plain_array(chunk), field.type) for chunk in column.chunks]
        columns.append(pa.chunked_array(chunks, field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def concatenated(tables: Sequence[pa.Table]) -> pa.Table:
    """Tables one after another whose types differ in what no value has decided; a column that is missing is null."""
    if all(table.schema == tables[0].schema for table in tables):
        return pa.concat_tables(tables)
    kinds: dict[str, pa.DataType] = {}
    for table in tables:
        for field in table.schema:
            kind = plain_type(field.type)
            known = kinds.setdefault(field.name, kind)
            both = merged(known, kind) or merged(kind, known)
            assert both is not None, f"column '{field.name}' has two types: {known} and {kind}"
            kinds[field.name] = both
    schema = pa.schema(list(kinds.items()))
    return pa.concat_tables([fitted_table(table, schema) for table in tables])
