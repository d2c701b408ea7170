"""Dates and times as text of ISO 8601 -> counts of a unit since 1970 or midnight, exactly.

Each function raises ValueError for a text of another form, and for one that is finer than the unit.
"""

from __future__ import annotations

import datetime
import re

_PER_S = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_CLOCK = r"(\d\d):(\d\d):(\d\d)(?:\.(\d+))?"
_ZONE = r"(?:Z|([+-])(\d\d):?(\d\d)(?::?(\d\d))?)"
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(_CLOCK)
_TIMESTAMP = re.compile(rf"(\d{{4}})-(\d\d)-(\d\d)(?:[T ]{_CLOCK}{_ZONE}?)?")
_DURATION = re.compile(r"(-?)P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d+))?S)?)?")
_EPOCH = datetime.date(1970, 1, 1).toordinal()


def read_date(text: str) -> int:
    """Days since 1970."""
    return datetime.date.fromisoformat(_matched(_DATE, text).group()).toordinal() - _EPOCH


def read_clock(text: str, unit: str) -> int:
    """A time of day in units since midnight."""
    *clock, fraction = _matched(_TIME, text).groups()
    return _seconds_of_day(*clock) * _PER_S[unit] + _fraction(fraction, unit)


def read_timestamp(text: str, unit: str) -> int:
    """Units since 1970 in UTC; a time without a zone is taken as UTC."""
    found = _matched(_TIMESTAMP, text)
    year, month, day, hour, minute, second, fraction, sign, *offset = found.groups()
    days = datetime.date(int(year), int(month), int(day)).toordinal() - _EPOCH
    seconds = days * 86_400 + _seconds_of_day(hour or "0", minute or "0", second or "0")
    if sign is not None:
        shift = _seconds_of_day(*(part or "0" for part in offset))
        seconds -= shift if sign == "+" else -shift
    return _counted(seconds * _PER_S[unit] + _fraction(fraction, unit))


def read_duration(text: str, unit: str) -> int:
    """A duration in units."""
    found = _matched(_DURATION, text)
    sign, *parts, fraction = found.groups()
    if all(part is None for part in parts):
        raise ValueError("expected a duration such as P1DT2.5S")
    days, hours, minutes, seconds = (int(part or 0) for part in parts)
    count = (days * 86_400 + hours * 3_600 + minutes * 60 + seconds) * _PER_S[unit] + _fraction(fraction, unit)
    return _counted(-count if sign else count)


def _matched(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    found = pattern.fullmatch(text)
    if found is None or not text.isascii():
        raise ValueError("not in the form of ISO 8601")
    return found


def _seconds_of_day(hour: str, minute: str, second: str) -> int:
    clock = datetime.time(int(hour), int(minute), int(second))
    return clock.hour * 3_600 + clock.minute * 60 + clock.second


def _fraction(digits: str | None, unit: str) -> int:
    """A fraction of a second in units. Raises ValueError where it is finer than the unit."""
    digits = (digits or "").rstrip("0")
    places = len(str(_PER_S[unit])) - 1
    if len(digits) > places:
        raise ValueError(f"finer than the column's unit, {unit}")
    return int(digits.ljust(places, "0") or "0")


def _counted(count: int) -> int:
    if not -(1 << 63) <= count < 1 << 63:
        raise ValueError("outside of what the column's unit can count")
    return count
