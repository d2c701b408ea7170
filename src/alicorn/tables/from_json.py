"""JSON values -> an Arrow column of a type, exactly: docs/tables.md, "JSON".

A value that does not fit is refused, never cut, rounded to another number or read as another kind. Where no value has
decided a type yet, the values decide it: bool, int64, double, string, list, struct.
"""

from __future__ import annotations

import base64
import binascii
import decimal
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from alicorn.errors import TableError
from alicorn.iso_times import read_clock, read_date, read_duration, read_timestamp
from alicorn.tables.times import refuse_times
from alicorn.tables.unify import is_open, merged

_EXACT = 1 << 53  # from here on a double may be another integer than the one that was written
Converter = Callable[[Any], Any]


class _MisfitError(ValueError):
    """A JSON value that a type does not hold; the message says why."""


def array_of_json(values: Sequence[Any], kind: pa.DataType | None, table: str, column: str) -> pa.Array:
    """The values as an array. kind: plain; None: the values decide. Raises TableError that names the first bad row."""
    kind = pa.null() if kind is None else kind
    if _has_open(kind):
        kind = _decided(kind, values, table, column)
    convert = _converter(kind)
    converted = []
    for row, value in enumerate(values):
        try:
            converted.append(convert(value))
        except _MisfitError as error:
            raise _refused(value, str(error), table, column, row) from error
    try:
        array = pa.array(converted, kind)
    except (pa.ArrowException, OverflowError, ValueError) as error:
        raise TableError(f"{table}, column {column[:100]!r}: {error}", table=table, column=column) from error
    refuse_times(array, table, column)
    return array


def _refused(value: Any, why: str, table: str, column: str, row: int) -> TableError:
    message = f"{table}, column {column[:100]!r}, row {row}: {str(value)[:60]!r} {why}"
    return TableError(message, table=table, column=column, row=row)


def _converter(kind: pa.DataType) -> Converter:
    """A function from a JSON value, or None, to what pyarrow builds exactly this value from."""
    inner = _inner(kind)

    def convert(value: Any) -> Any:
        return None if value is None else inner(value)

    return convert


def _inner(kind: pa.DataType) -> Converter:
    types = pa.types
    if types.is_null(kind):
        return lambda value: _no(f"is no null, and column type {kind} holds nothing else")
    if types.is_boolean(kind):
        return lambda value: value if isinstance(value, bool) else _no("is no bool: give true or false")
    if types.is_integer(kind):
        return _integers(kind)
    if types.is_floating(kind):
        return _floats(kind)
    if types.is_decimal(kind):
        return lambda value: _decimal(value, kind)
    if types.is_string(kind):
        return lambda value: value if isinstance(value, str) else _no("is no string")
    if types.is_binary(kind) or types.is_fixed_size_binary(kind):
        return lambda value: _bytes(value, kind)
    if types.is_temporal(kind):
        return _times(kind)
    if types.is_list(kind):
        element = _converter(kind.value_type)
        return lambda value: [element(one) for one in value] if isinstance(value, list) else _no("is no list")
    if types.is_map(kind):
        return _maps(kind)
    assert types.is_struct(kind), kind
    return _structs(kind)


def _no(why: str) -> Any:
    raise _MisfitError(why)


def _integers(kind: pa.DataType) -> Converter:
    signed = pa.types.is_signed_integer(kind)
    low, high = (
        (-(1 << (kind.bit_width - 1)), (1 << (kind.bit_width - 1)) - 1) if signed else (0, (1 << kind.bit_width) - 1)
    )

    def convert(value: Any) -> int:
        if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            _no(f"is no {kind}")
        if not low <= value <= high:
            _no(f"does not fit {kind}, {low} to {high}")
        return int(value)

    return convert


def _floats(kind: pa.DataType) -> Converter:
    is_single = kind == pa.float32()

    def convert(value: Any) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool):
            _no(f"is no {kind}")
        try:
            number = float(value)
            kept = struct.unpack("f", struct.pack("f", number))[0] if is_single else number
        except OverflowError:
            _no(f"does not fit {kind}: it would be infinite")
        if not math.isfinite(kept):
            _no(f"does not fit {kind}")
        if (isinstance(value, int) and int(kept) != value) or (value != 0 and kept == 0):
            _no(f"does not fit {kind}: it would become {kept:.17g}")
        return float(kept)

    return convert


def _decimal(value: Any, kind: pa.DataType) -> decimal.Decimal:
    if isinstance(value, bool) or not isinstance(value, int | str):
        _no(f'is no {kind}: give its digits as a string, such as "12.50"')
    try:
        with decimal.localcontext(prec=100):
            exact = decimal.Decimal(value)
            if not exact.is_finite():
                _no(f"is no {kind}")
            scaled = exact.scaleb(kind.scale)
            fits = scaled == scaled.to_integral_value() and abs(scaled) < decimal.Decimal(10) ** kind.precision
            if not fits:
                _no(f"does not fit {kind}")
            return exact.quantize(decimal.Decimal(1).scaleb(-kind.scale))
    except decimal.InvalidOperation:
        return _no(f"is no {kind}")  # type: ignore[no-any-return]


def _bytes(value: Any, kind: pa.DataType) -> bytes:
    if not isinstance(value, str):
        _no("is no string of base64")
    try:
        found = base64.b64decode(value.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise _MisfitError(f"is no base64 ({error})") from error
    if base64.b64encode(found).decode() != value:
        _no("is no base64 (bits behind the last byte)")
    if pa.types.is_fixed_size_binary(kind) and len(found) != kind.byte_width:
        _no(f"has {len(found)} bytes, {kind} has {kind.byte_width}")
    return found


def _times(kind: pa.DataType) -> Converter:
    types = pa.types
    read = read_clock if types.is_time(kind) else read_duration if types.is_duration(kind) else read_timestamp
    unit = None if types.is_date(kind) else kind.unit

    def convert(value: Any) -> int:
        if not isinstance(value, str):
            _no(f"is no {kind}: give a string of ISO 8601")
        try:
            return read_date(value) if unit is None else read(value, unit)
        except (ValueError, OverflowError) as error:
            raise _MisfitError(f"is no {kind} ({error})") from error

    return convert


def _maps(kind: pa.DataType) -> Converter:
    key, item = _converter(kind.key_type), _converter(kind.item_type)

    def convert(value: Any) -> list[tuple[Any, Any]]:
        if not isinstance(value, list):
            _no("is no list of [key, value]")
        for entry in value:
            if not isinstance(entry, list) or len(entry) != 2 or entry[0] is None:
                _no("is no list of [key, value]")
        return [(key(entry[0]), item(entry[1])) for entry in value]

    return convert


def _structs(kind: pa.DataType) -> Converter:
    fields = {part.name: _converter(part.type) for part in kind}

    def convert(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            _no(f"is no object of {', '.join(fields) or 'no field'}")
        unknown = [name for name in value if name not in fields]
        if unknown:
            _no(f"has the unknown field {str(unknown[0])[:40]!r}; fields: {', '.join(fields) or 'none'}")
        return {name: field(value.get(name)) for name, field in fields.items()}

    return convert


def _has_open(kind: pa.DataType) -> bool:
    if pa.types.is_nested(kind):
        return is_open(kind) or any(_has_open(kind.field(at).type) for at in range(kind.num_fields))
    return bool(pa.types.is_null(kind))


def _decided(kind: pa.DataType, values: Sequence[Any], table: str, column: str) -> pa.DataType:
    """The type with the parts that are open decided by the values."""
    found = pa.null()
    for row, value in enumerate(values):
        try:
            found = _both(found, _type_of(value, kind))
        except _MisfitError as error:
            raise _refused(value, str(error), table, column, row) from error
    whole = merged(kind, found)
    return kind if whole is None else whole


def _type_of(value: Any, known: pa.DataType) -> pa.DataType:
    """What a value says about the open parts of a type; null about the others."""
    types = pa.types
    if value is None or not _has_open(known):
        return pa.null()
    if isinstance(value, list) and (types.is_list(known) or types.is_null(known)):
        part = known.value_type if types.is_list(known) else pa.null()
        kinds = pa.null()
        for one in value:
            kinds = _both(kinds, _type_of(one, part))
        return pa.list_(kinds)
    if isinstance(value, Mapping) and (types.is_struct(known) or types.is_null(known)):
        parts = {part.name: part.type for part in known} if types.is_struct(known) else {}
        fields = [(str(name), _type_of(one, parts.get(name, pa.null()))) for name, one in value.items()]
        return pa.struct(fields)
    if not types.is_null(known):
        return pa.null()  # of another kind than the type: the conversion says so
    return _scalar_type(value)


def _scalar_type(value: Any) -> pa.DataType:
    if isinstance(value, bool):
        return pa.bool_()
    if isinstance(value, int):
        return pa.int64()
    if isinstance(value, float):
        return pa.float64()
    return pa.string()


def _both(a: pa.DataType, b: pa.DataType) -> pa.DataType:
    """One type for two of `_type_of`: integers among numbers are doubles."""
    types = pa.types
    if types.is_list(a) and types.is_list(b):
        return pa.list_(_both(a.value_type, b.value_type))
    if types.is_struct(a) and types.is_struct(b):
        parts = {part.name: part.type for part in a}
        for part in b:
            parts[part.name] = _both(parts.get(part.name, pa.null()), part.type)
        return pa.struct(list(parts.items()))
    if {a, b} == {pa.int64(), pa.float64()}:
        return pa.float64()
    whole = merged(a, b)
    if whole is None:
        raise _MisfitError(f"is of another type, {b}, than the values before it, {a}")
    return whole
