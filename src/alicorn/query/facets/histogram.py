"""The edges of a histogram from the least value to the greatest: multiples of a width, or calendar units in UTC."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pyarrow as pa

from alicorn.errors import ConfigError
from alicorn.interval import interval, written
from alicorn.iso_times import DAY_S, PER_S
from alicorn.query.facets.facet import BucketWidth

MAX_BUCKETS = 10_000
UNITS = ("day", "week", "month", "year")

Edge = int | float | str | dt.date
"""Where a bucket begins: a number, a time of ISO 8601, or a day whose midnight in UTC it is."""

_FIRST_DAY = dt.date(1970, 1, 1).toordinal()


def is_number(kind: pa.DataType) -> bool:
    """Whether buckets of a column are of one width."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def has_days(kind: pa.DataType) -> bool:
    """Whether buckets of a column are of calendar units."""
    return bool(pa.types.is_date(kind) or pa.types.is_timestamp(kind))


def edges_between(what: str, step: BucketWidth, least: pa.Scalar, greatest: pa.Scalar) -> tuple[Edge, ...]:
    """The starts of all buckets, and the end of the last.

    step: the width or the unit. least, greatest: finite values of a column. Raises ConfigError for more than
    MAX_BUCKETS buckets, for a width too small for the column's floats, and for days outside the years 1 to 9998.
    """
    if isinstance(step, str):
        return _days(what, step, _day(what, least), _day(what, greatest))
    return _numbers(what, written(step), least, greatest)


def _numbers(what: str, width: Fraction, least: pa.Scalar, greatest: pa.Scalar) -> tuple[int | float, ...]:
    """Multiples of the width, from the one at or below the least value to the one above the greatest."""
    kind = least.type
    first, last = (_place(what, width, value) for value in (least, greatest))
    _check_count(what, last - first + 1)
    edges = tuple(_edge(what, place, width, kind) for place in range(first, last + 2))
    if pa.types.is_floating(kind):
        lows = floats_of(edges, kind)
        if lows[-1] <= greatest.as_py() or np.any(np.diff(lows) <= 0):
            raise ConfigError(
                f"{what}: numbers of {kind} near {greatest.as_py()} are further apart than the interval;"
                " give a greater one"
            )
    return edges


def _place(what: str, width: Fraction, value: pa.Scalar) -> int:
    """The bucket of a value: the greatest multiple of the width, in the column's type, that is not above the value."""
    kind = value.type
    if not pa.types.is_floating(kind):
        return math.floor(Fraction(value.as_py()) / width)
    shortest = Fraction(str(kind.to_pandas_dtype()(value.as_py())))  # that reads back as the value
    place = math.floor(shortest / width)
    following = _low(_edge(what, place + 1, width, kind), kind)
    return place + 1 if following <= value.as_py() else place


def floats_of(edges: Sequence[Edge], kind: pa.DataType) -> np.ndarray:
    """The numbers of a floating type that are nearest to edges, as `range` has them: (edges,) float64."""
    if pa.types.is_float64(kind):
        return np.array(edges, dtype=np.float64)
    return np.array([_low(edge, kind) for edge in edges if not isinstance(edge, dt.date | str)], dtype=np.float64)


def _low(edge: int | float, kind: pa.DataType) -> float:
    if pa.types.is_float64(kind):
        return float(edge)
    ends = interval(kind, edge, None)
    assert ends is not None
    return float(ends[0])


def _edge(what: str, place: int, width: Fraction, kind: pa.DataType) -> int | float:
    """place * width; a float is the nearest to it, as Python divides whole numbers without an error before."""
    product = place * width.numerator
    if product % width.denominator == 0 and not pa.types.is_floating(kind):
        return product // width.denominator
    try:
        return product / width.denominator
    except OverflowError:
        raise ConfigError(f"{what}: a bucket ends beyond the largest number; give edges instead") from None


def _day(what: str, value: pa.Scalar) -> dt.date:
    """The day in UTC."""
    kind = value.type
    per_day = 1 if pa.types.is_date32(kind) else DAY_S * PER_S["ms" if pa.types.is_date64(kind) else kind.unit]
    days = _FIRST_DAY + value.value // per_day
    if not 1 <= days < dt.date(9999, 1, 1).toordinal():
        raise ConfigError(
            f"{what}: calendar units are of the years 1 to 9998, but the result has {value.value} as {kind}; give edges"
        )
    return dt.date.fromordinal(days)


def _days(what: str, unit: str, least: dt.date, greatest: dt.date) -> tuple[dt.date, ...]:
    """The first day of each unit that holds a day from the least to the greatest, and of the next unit."""
    if unit in ("day", "week"):
        length = 7 if unit == "week" else 1
        first, last = ((day.toordinal() - 1) // length for day in (least, greatest))  # 0001-01-01 was a Monday
        _check_count(what, last - first + 1)
        return tuple(dt.date.fromordinal(place * length + 1) for place in range(first, last + 2))
    if unit == "month":
        first, last = (12 * day.year + day.month - 1 for day in (least, greatest))
        _check_count(what, last - first + 1)
        return tuple(dt.date(place // 12, place % 12 + 1, 1) for place in range(first, last + 2))
    return tuple(dt.date(year, 1, 1) for year in range(least.year, greatest.year + 2))


def _check_count(what: str, count: int) -> None:
    if count > MAX_BUCKETS:
        raise ConfigError(
            f"{what}: at most {MAX_BUCKETS} buckets, but the result needs {count}; give a greater interval, or edges"
        )
