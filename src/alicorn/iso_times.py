"""Dates and times as text of ISO 8601, exactly.

    date         2024-05-01
    time         13:05, 13:05:00, 13:05:00.25
    timestamp    2024-05-01T13:05:00.25+09:00, also with a blank for the T, with Z, or without a zone: that is UTC
    duration     P1DT2.5S, -PT90M, P2W

Each function raises ValueError for a text of another form, and for a day or a time that does not exist.
"""

from __future__ import annotations

import datetime
import re
from fractions import Fraction
from typing import Literal, TypeAlias

Form: TypeAlias = Literal["date", "time", "timestamp", "duration"]

PER_S = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
"""Ticks of a unit in a second."""
DAY_S = 86_400

_MAX_LENGTH = 400  # characters: nobody writes more digits of a second
_CLOCK = r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?"
_ZONE = r"(?:Z|([+-])(\d\d):?(\d\d)(?::?(\d\d))?)"
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIME = re.compile(_CLOCK)
_TIMESTAMP = re.compile(rf"(\d{{4}})-(\d\d)-(\d\d)(?:[T ]{_CLOCK}{_ZONE}?)?")
_DURATION = re.compile(r"(-?)P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d+))?S)?)?")
_EPOCH = datetime.date(1970, 1, 1).toordinal()


def read_exact(text: str) -> tuple[Form, Fraction]:
    """What a text is, and its seconds: since 1970 UTC of a date or timestamp, since midnight of a time."""
    if len(text) > _MAX_LENGTH:
        raise ValueError("not in the form of ISO 8601")
    if _DATE.fullmatch(text):
        return "date", Fraction(read_date(text) * DAY_S)
    form: Form
    if _TIME.fullmatch(text):
        form, (seconds, digits) = "time", _clock(text)
    elif text.lstrip("-").startswith("P"):
        form, (seconds, digits) = "duration", _duration(text)
    else:
        form, (seconds, digits) = "timestamp", _timestamp(text)
    fraction = Fraction(int(digits or "0"), 10 ** len(digits))
    return form, seconds - fraction if text.startswith("-") else seconds + fraction


def read_date(text: str) -> int:
    """Days since 1970."""
    return datetime.date.fromisoformat(_matched(_DATE, text).group()).toordinal() - _EPOCH


def read_clock(text: str, unit: str) -> int:
    """A time of day in units since midnight. It is no finer than the unit."""
    seconds, digits = _clock(text)
    return seconds * PER_S[unit] + _fraction(digits, unit)


def read_timestamp(text: str, unit: str) -> int:
    """Units since 1970 in UTC. It is no finer than the unit."""
    seconds, digits = _timestamp(text)
    return _counted(seconds * PER_S[unit] + _fraction(digits, unit))


def read_duration(text: str, unit: str) -> int:
    """A duration in units. It is no finer than the unit."""
    seconds, digits = _duration(text)
    fraction = _fraction(digits, unit)
    return _counted(seconds * PER_S[unit] + (-fraction if text.startswith("-") else fraction))


def _clock(text: str) -> tuple[int, str]:
    """Whole seconds since midnight, and the digits behind the point."""
    *clock, digits = _matched(_TIME, text).groups()
    return _seconds_of_day(*clock), digits or ""


def _timestamp(text: str) -> tuple[int, str]:
    """Whole seconds since 1970 in UTC, and the digits behind the point."""
    year, month, day, hour, minute, second, digits, sign, *offset = _matched(_TIMESTAMP, text).groups()
    days = datetime.date(int(year), int(month), int(day)).toordinal() - _EPOCH
    seconds = days * DAY_S + _seconds_of_day(hour, minute, second)
    if sign is not None:
        shift = _seconds_of_day(*offset)
        seconds -= shift if sign == "+" else -shift
    return seconds, digits or ""


def _duration(text: str) -> tuple[int, str]:
    """Whole seconds with their sign, and the digits behind the point, which have the sign of the text."""
    sign, *parts, digits = _matched(_DURATION, text).groups()
    if all(part is None for part in parts):
        raise ValueError("expected a duration such as P1DT2.5S")
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in parts)
    whole = (weeks * 7 + days) * DAY_S + hours * 3_600 + minutes * 60 + seconds
    return -whole if sign else whole, digits or ""


def _matched(pattern: re.Pattern[str], text: str) -> re.Match[str]:
    found = pattern.fullmatch(text)
    if found is None or not text.isascii():
        raise ValueError("not in the form of ISO 8601")
    return found


def _seconds_of_day(hour: str | None, minute: str | None, second: str | None) -> int:
    clock = datetime.time(int(hour or "0"), int(minute or "0"), int(second or "0"))
    return clock.hour * 3_600 + clock.minute * 60 + clock.second


def _fraction(digits: str, unit: str) -> int:
    """A fraction of a second in units. Raises ValueError where it is finer than the unit."""
    digits = digits.rstrip("0")
    places = len(str(PER_S[unit])) - 1
    if len(digits) > places:
        raise ValueError(f"finer than the unit, {unit}")
    return int(digits.ljust(places, "0") or "0")


def _counted(count: int) -> int:
    if not -(1 << 63) <= count < 1 << 63:
        raise ValueError("outside of what the column's unit can count")
    return count
