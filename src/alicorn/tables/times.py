"""Times that an answer can show: the years 1 to 9999, and zones that are known.

Arrow holds any 64-bit count of seconds; a calendar, JSON and Python do not. A time beyond them is refused where it
enters, so that nothing that was accepted makes an answer fail. The largest int64 as "for ever" is such a time.
"""

from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.errors import TableError
from alicorn.iso_times import DAY_S, PER_S

_EPOCH = datetime.date(1970, 1, 1)
FIRST_DAY = (datetime.date(1, 1, 1) - _EPOCH).days
LAST_DAY = (datetime.date(9999, 12, 31) - _EPOCH).days
MOST_DAYS = 999_999_999  # of a duration, that of Python
_INT64 = 2**63 - 1


def refuse_times(array: pa.Array, table: str, column: str, first_row: int = 0) -> None:
    """Raise TableError for the first row with a date, timestamp or duration out of bounds, or an unknown zone.

    array: plain, of any depth.
    """
    if not _has_times(array.type):
        return
    for zone in _zones(array.type):
        try:
            pa.lib.string_to_tzinfo(zone)
        except (pa.ArrowInvalid, ValueError, KeyError) as error:
            message = f"table {table}, column '{column}': time zone {zone!r} is not known; give an IANA name, or UTC"
            raise TableError(message, table=table, column=column) from error
    bad = outside(array)
    if bad.any():
        row, count = first_row + int(bad.argmax()), int(bad.sum())
        rows = "1 row" if count == 1 else f"{count} rows"
        message = (
            f"table {table}, column '{column}': a time outside of the years 1 to 9999 (or a duration above "
            f"{MOST_DAYS:,} days, or NaT, the smallest int64 of nanoseconds); first bad row {row} "
            f"(from 0), {rows} in all; give null for 'for ever' and for NaT"
        )
        raise TableError(message, table=table, column=column, row=row, count=count)


def outside(array: pa.Array) -> np.ndarray:
    """bool (rows,): whether any time of a row cannot be shown."""
    kind, bad = array.type, np.zeros(len(array), dtype=bool)
    if not _has_times(kind):
        return bad
    if pa.types.is_struct(kind):
        for at in range(kind.num_fields):
            bad |= outside(array.field(at))
        bad &= array.is_valid().to_numpy(zero_copy_only=False)
        return bad
    if pa.types.is_map(kind):
        entries = pa.list_(pa.struct([pa.field("key", kind.key_type), pa.field("value", kind.item_type)]))
        return outside(array.cast(entries))
    if pa.types.is_list(kind):
        bad[pc.list_parent_indices(array).to_numpy()[outside(array.flatten())]] = True
        return bad
    first, last = _bounds(kind)
    ticks = array.cast(pa.int32()).cast(pa.int64()) if pa.types.is_date32(kind) else array.cast(pa.int64())
    counts: np.ndarray = pc.fill_null(ticks, 0).to_numpy(zero_copy_only=False)
    return np.logical_or(counts < first, counts > last)


def _bounds(kind: pa.DataType) -> tuple[int, int]:
    """The first and last count that can be shown. A day less where a zone may carry a time beyond the years.

    The smallest int64 of nanoseconds is none: it is how NumPy and pandas write that there is no time (NaT).
    """
    if pa.types.is_date32(kind):
        return FIRST_DAY, LAST_DAY
    per_day = PER_S[kind.unit] * DAY_S
    least = -_INT64 if kind.unit == "ns" else -_INT64 - 1
    if pa.types.is_duration(kind):
        most = MOST_DAYS * per_day
        return max(-most, least), min(most, _INT64)
    margin = 0 if kind.tz is None else 1
    first, last = (FIRST_DAY + margin) * per_day, (LAST_DAY + 1 - margin) * per_day - 1
    return max(first, least), min(last, _INT64)


def _has_times(kind: pa.DataType) -> bool:
    types = pa.types
    if types.is_nested(kind):
        return any(_has_times(kind.field(at).type) for at in range(kind.num_fields))
    return bool(types.is_date32(kind) or types.is_timestamp(kind) or types.is_duration(kind))


def _zones(kind: pa.DataType) -> set[str]:
    if pa.types.is_nested(kind):
        return set().union(*(_zones(kind.field(at).type) for at in range(kind.num_fields)))
    return {kind.tz} if pa.types.is_timestamp(kind) and kind.tz is not None else set()
