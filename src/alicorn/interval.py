"""Which numbers are within two ends? The one rule of `range` in queries and in a selection.

The ends are numbers as they are written; a column compares in its own type, exactly.

    integers, decimals    10.5 is between 10 and 11; nothing is rounded, whatever the number of digits
    floats                an end becomes the number of the column's type that is nearest to it, so that what is written
                          as 9.99 is within 9.99 and 9.99 also where it is stored in 32 bits; an end beyond the
                          largest number of the type is beyond every number but an infinite one
    bool                  0 and 1
    date                  days since 1970
    timestamp             microseconds since 1970 UTC, whatever the column's unit and zone; without one, of UTC
    time, duration        microseconds, since midnight for a time of day
"""

import math
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import pyarrow as pa

Number: TypeAlias = int | float | Decimal
"""A float is the shortest decimal that reads back as it."""

_TICKS = {"s": Fraction(1, 1_000_000), "ms": Fraction(1, 1_000), "us": Fraction(1), "ns": Fraction(1_000)}
_DAY_MS = 86_400_000


def has_interval(kind: pa.DataType) -> bool:
    """Whether `range` can search a stored column of this type."""
    types = pa.types
    tests = (
        *(types.is_integer, types.is_floating, types.is_decimal, types.is_boolean),
        *(types.is_timestamp, types.is_date, types.is_time, types.is_duration),
    )
    return any(test(kind) for test in tests)


@lru_cache(maxsize=1024)
def interval(kind: pa.DataType, minimum: Number | None, maximum: Number | None) -> tuple[Number, Number] | None:
    """The least and the greatest value of the type within the ends (None: open); None where it has none.

    Of floats as floats; of all others as integers: 0 and 1, ticks of the type's unit, digits without the point.
    """
    if pa.types.is_floating(kind):
        dtype = kind.to_pandas_dtype()
        low = -math.inf if minimum is None else _nearest(_written(minimum), dtype)
        high = math.inf if maximum is None else _nearest(_written(maximum), dtype)
        largest = float(np.finfo(dtype).max)
        if minimum is not None:
            low = max(low, -largest)
        if maximum is not None:
            high = min(high, largest)
        return (low, high) if low <= high else None
    scale = _scale(kind)
    least, most = _limits(kind)
    first = least if minimum is None else max(least, math.ceil(_written(minimum) * scale))
    last = most if maximum is None else min(most, math.floor(_written(maximum) * scale))
    return (first, last) if first <= last else None


def _written(number: Number) -> Fraction:
    return Fraction(repr(float(number))) if isinstance(number, float) else Fraction(number)


def _scale(kind: pa.DataType) -> Fraction | int:
    """Values of the type, as integers, per 1 of an end."""
    types = pa.types
    if types.is_timestamp(kind) or types.is_duration(kind) or types.is_time(kind):
        return _TICKS[kind.unit]
    if types.is_date64(kind):
        return _DAY_MS
    return Fraction(10) ** kind.scale if types.is_decimal(kind) else 1


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
