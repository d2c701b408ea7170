"""Which values are within two ends? The one rule of `range` in queries and in a selection.

The ends are numbers or times as they are written; a column compares in its own type, exactly.

    integers, decimals    10.5 is between 10 and 11; nothing is rounded, whatever the number of digits
    floats                an end becomes the number of the column's type that is nearest to it, so that what is written
                          as 9.99 is within 9.99 and 9.99 also where it is stored in 32 bits; an end beyond the
                          largest number of the type is beyond every number but an infinite one
    bool                  0 and 1
    date                  days since 1970
    timestamp             microseconds since 1970 UTC, whatever the column's unit and zone; without one, of UTC
    time, duration        microseconds, since midnight for a time of day
    null                  no value has decided the type yet, so that nothing is within

An end of a date, timestamp, time or duration may be text of ISO 8601 as well (alicorn.iso_times): a date is its
midnight in UTC, a timestamp without a zone is in UTC.
"""

import math
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import pyarrow as pa

from alicorn.iso_times import DAY_S, PER_S, Form, read_exact

Number: TypeAlias = int | float | Decimal
"""A float is the shortest decimal that reads back as it."""

End: TypeAlias = Number | str
"""A number, or a date, time, timestamp or duration of ISO 8601."""


@lru_cache(maxsize=1024)
def has_interval(kind: pa.DataType) -> bool:
    """Whether `range` can search a stored column of this type."""
    types = pa.types
    tests = (
        *(types.is_null, types.is_integer, types.is_floating, types.is_decimal, types.is_boolean),
        *(types.is_timestamp, types.is_date, types.is_time, types.is_duration),
    )
    return any(test(kind) for test in tests)


def check_end(kind: pa.DataType, end: End) -> None:
    """Raises ValueError, which says what a column of this type takes, for a text of another form than its values."""
    if isinstance(end, str) and not pa.types.is_null(kind):
        _ticks(end, kind)


@lru_cache(maxsize=1024)
def interval(kind: pa.DataType, minimum: End | None, maximum: End | None) -> tuple[Number, Number] | None:
    """The least and the greatest value of the type within the ends (None: open); None where it has none.

    Of floats as floats; of all others as integers: 0 and 1, ticks of the type's unit, digits without the point.
    Raises ValueError as check_end does.
    """
    if pa.types.is_null(kind):
        return None
    if pa.types.is_floating(kind):
        low_end, high_end = (_number(end, kind) for end in (minimum, maximum))
        dtype = kind.to_pandas_dtype()
        low = -math.inf if low_end is None else _nearest(low_end, dtype)
        high = math.inf if high_end is None else _nearest(high_end, dtype)
        largest = float(np.finfo(dtype).max)
        if minimum is not None:
            low = max(low, -largest)
        if maximum is not None:
            high = min(high, largest)
        return (low, high) if low <= high else None
    least, most = _limits(kind)
    first = least if minimum is None else max(least, math.ceil(_ticks(minimum, kind)))
    last = most if maximum is None else min(most, math.floor(_ticks(maximum, kind)))
    return (first, last) if first <= last else None


def written(number: Number) -> Fraction:
    """The number that is written, not the double next to it."""
    return Fraction(repr(float(number))) if isinstance(number, float) else Fraction(number)


def _ticks(end: End, kind: pa.DataType) -> Fraction:
    """An end in the integers of a type."""
    types = pa.types
    if not types.is_temporal(kind):
        exact = _number(end, kind)
        assert exact is not None
        return exact * Fraction(10) ** kind.scale if types.is_decimal(kind) else exact
    per_s = Fraction(1, DAY_S) if types.is_date32(kind) else PER_S["ms" if types.is_date64(kind) else kind.unit]
    if not isinstance(end, str):
        return written(end) * per_s * (DAY_S if types.is_date(kind) else Fraction(1, PER_S["us"]))
    allowed, example = _forms(kind)
    try:
        form, seconds = read_exact(end)
    except ValueError as error:
        raise ValueError(f"is {kind}: give {example}, got {end[:40]!r}: {error}") from error
    if form not in allowed:
        raise ValueError(f"is {kind}: give {example}, got {end[:40]!r}, a {form}")
    return seconds * per_s


def _forms(kind: pa.DataType) -> tuple[tuple[Form, ...], str]:
    """The texts that are ends of a type, and an example with the number that is the same."""
    if pa.types.is_time(kind):
        return ("time",), "a time such as 13:05:00, or microseconds since midnight"
    if pa.types.is_duration(kind):
        return ("duration",), "a duration such as P1DT2.5S, or microseconds"
    if pa.types.is_date(kind):
        return ("date", "timestamp"), "a date such as 2024-05-01, or days since 1970"
    return ("date", "timestamp"), "a time such as 2024-05-01T13:05:00Z, or microseconds since 1970 in UTC"


def _number(end: End | None, kind: pa.DataType) -> Fraction | None:
    if isinstance(end, str):
        raise ValueError(f"is {kind}: give a number, got {end[:40]!r}")
    return None if end is None else written(end)


def _limits(kind: pa.DataType) -> tuple[int, int]:
    types = pa.types
    if types.is_decimal(kind):
        return 1 - 10**kind.precision, 10**kind.precision - 1
    if types.is_boolean(kind):
        return 0, 1
    if types.is_unsigned_integer(kind):
        return 0, 2**kind.bit_width - 1
    return -(2 ** (kind.bit_width - 1)), 2 ** (kind.bit_width - 1) - 1


def _nearest(exact: Fraction, dtype: type[np.floating]) -> float:
    """Infinite where it is beyond the largest. Rounded once: float64 on the way could round the wrong way."""
    with np.errstate(over="ignore", under="ignore"):
        guess = dtype(float(exact))
        around = [guess, np.nextafter(guess, dtype(-np.inf)), np.nextafter(guess, dtype(np.inf))]
    if not np.isfinite(guess):
        return float(guess)
    return float(min((n for n in around if np.isfinite(n)), key=lambda n: abs(Fraction(float(n)) - exact)))
