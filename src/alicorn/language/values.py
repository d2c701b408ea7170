"""What an option of an operator takes: how its value is read, what is allowed, and how it is written."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from alicorn.interval import End, Number
from alicorn.iso_times import read_exact

MAX_COUNT = 1_000_000_000
"""Largest k, nprobe, scan and optional-hits."""
MAX_LIMIT = 100_000
"""Largest `:limit` of apply and extract, which look up one id after the other: a tenth of a second."""
MAX_TERMS = 100_000
"""Largest `:terms`, to how many terms an operator expands."""
MAX_WORDS = 1000
"""Most words of a phrase."""
MAX_SLOP = 100
"""Largest `:slop` of a phrase."""
MAX_DIGITS = 76
"""Of a number that is kept exactly: as many as Arrow's widest decimal has."""

_INTEGER = re.compile(rf"[+-]?[0-9]{{1,{MAX_DIGITS}}}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,5})?")
_NEEDS_QUOTES = re.compile(r'[\s()"\\]|^:|^$')


@dataclass(frozen=True, slots=True)
class Value:
    """allowed: the words for it in an error. read: a bare word -> the value, or None where it is refused."""

    allowed: str
    read: Callable[[str], Number | str | None]

    def allows(self, value: object) -> bool:
        """Whether some word is read as this value."""
        if isinstance(value, str):
            return self.read(value) == value
        return isinstance(value, int | float | Decimal) and self.read(spelled_number(value)) == value


def spelled(value: End) -> str:
    """A number or a text as it is written in an expression."""
    return quoted(value) if isinstance(value, str) else spelled_number(value)


def spelled_number(value: Number) -> str:
    """A number as it is written in an expression, and read back exactly."""
    if isinstance(value, Decimal):
        return str(value)
    return repr(int(value)) if isinstance(value, int) else repr(float(value))


def quoted(text: str) -> str:
    """A term or a name as it is written in an expression: bare where that is read back the same, else in quotes."""
    if _NEEDS_QUOTES.search(text) is None:
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def count_to(bound: int, least: int = 1) -> Value:
    """A whole number from the least to the bound."""

    def read(word: str) -> int | None:
        number = int(word) if _INTEGER.fullmatch(word) else -1
        return number if least <= number <= bound else None

    return Value(f"as an integer from {least} to {bound}", read)


def at_most(bound: int, unit: str = "") -> Value:
    """A number above 0 and at most the bound."""

    def read(word: str) -> float | None:
        number = _number(word)
        return float(number) if number is not None and 0 < number <= bound else None

    return Value(f"in (0, {bound}]{unit}", read)


def _number(word: str) -> Number | None:
    """An int, or a float where that is spelled so, else a Decimal; of more digits, the nearest float."""
    if _INTEGER.fullmatch(word):
        return int(word)
    if len(word) > 400 or not _NUMBER.fullmatch(word):
        return None
    number, exact = float(word), Decimal(word)
    if abs(number) == float("inf"):
        return None
    kept = len(exact.as_tuple().digits) <= MAX_DIGITS and abs(exact.adjusted()) <= MAX_DIGITS
    return exact if kept and exact != Decimal(repr(number)) else number


def _end(word: str) -> End | None:
    """A number, or the word itself where it is a date, time, timestamp or duration."""
    number = _number(word)
    if number is not None:
        return number
    try:
        read_exact(word)
    except ValueError:
        return None
    return word


COUNT = count_to(MAX_COUNT)
END = Value("as a finite number, or a date, time or duration such as 2024-05-01T13:05:00Z, 13:05:00, P1D", _end)
NAME = Value("as a name", lambda word: word or None)
EXPRESSION = Value("as an expression", lambda _: None)
