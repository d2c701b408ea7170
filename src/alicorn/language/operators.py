"""The operators of the language: what each takes, and the node it makes. A new operator is one row of OPERATORS.

tree.py says what the nodes mean; parse.py reads an expression by this table.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from alicorn.errors import QueryError
from alicorn.interval import Number
from alicorn.language.tree import (
    DEFAULT_LIMIT,
    And,
    Apply,
    Difference,
    Extract,
    Nn,
    Node,
    Not,
    Or,
    Prefix,
    Range,
    StrongOr,
    Term,
    WeakAnd,
)

MAX_NODES = 100_000
"""Words and lists of an expression."""
MAX_DEPTH = 64
"""Parentheses open at one place."""
MAX_COUNT = 1_000_000_000
"""Largest k, nprobe, scan and optional-hits."""
MAX_LIMIT = 100_000
"""Largest `:limit` of apply and extract, which look up one id after the other: a tenth of a second."""
MAX_SEARCHES = 256
"""nn, apply, extract, weak-and and its marked operands: each may look at the whole collection, 10 ms a million."""
MARK_OPTIONS = ("optional-hits", "optional-weight")
"""Options of an operand of weak-and and strong-or."""

MAX_DIGITS = 76
"""Of a number that is kept exactly: as many as Arrow's widest decimal has."""

_INTEGER = re.compile(rf"[+-]?[0-9]{{1,{MAX_DIGITS}}}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,5})?")


@dataclass(slots=True)
class Parts:
    """What was read between two parentheses. name: the operator's first word; places: option -> its offset."""

    offset: int
    name: str = ""
    operands: list[Node] = field(default_factory=list)
    marks: list[Any] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Value:
    """What an option takes: how to read a bare word (None: refused), and the words for it in an error."""

    allowed: str
    read: Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class Operator:
    """How one operator is written. name_of: what its first word names; least, most: number of operands.

    searches: it may look at the whole collection, whatever its siblings match.
    """

    name: str
    build: Callable[[Parts], Node]
    name_of: str | None = None
    least: int = 0
    most: int = MAX_NODES
    options: tuple[str, ...] = ()
    takes_mark: str | None = None
    searches: bool = False

    def counted(self) -> str:
        """What it takes, in words."""
        if self.least == self.most == 1:
            return "one operand"
        if self.most == 0:
            return f"{self.name_of} and no operand"
        return {0: "any number of operands", 1: "one operand or more", 2: "two operands or more"}[self.least]


def term(word: str, offset: int) -> Term:
    """A term as an operand; an empty one is refused."""
    if not word:
        raise QueryError("a term has at least one character", offset)
    return Term(word, offset)


def _and(parts: Parts) -> Node:
    if all(type(operand) is Not for operand in parts.operands):
        raise QueryError(
            "(and ...) needs an operand that is no (not ...), or nearly the whole collection would match", parts.offset
        )
    return And(tuple(parts.operands), parts.offset)


def _range(parts: Parts) -> Node:
    if not parts.options:
        raise QueryError("(range ...) needs :min or :max or both", parts.offset)
    return Range(parts.name, parts.options.get("min"), parts.options.get("max"), parts.offset)


def _nn(parts: Parts) -> Node:
    options = parts.options
    if "radius" in options and "k" in options:
        raise QueryError(
            "(nn ...) takes radius or k, not both: the k nearest, or all within the radius",
            max(parts.places["radius"], parts.places["k"]),
        )
    if "radius" not in options and "k" not in options:
        raise QueryError("(nn ...) needs :radius (cosine distance, in (0, 2]) or :k (number of nearest)", parts.offset)
    if "filter" in options and "k" not in options:
        raise QueryError(
            "(nn ...) takes :filter only with :k; with :radius write (and filter (nn ...))", parts.places["filter"]
        )
    if "nprobe" in options and "scan" in options:
        raise QueryError(
            "(nn ...) takes :nprobe (a number of clusters) or :scan (a number of documents), not both",
            max(parts.places["nprobe"], parts.places["scan"]),
        )
    return Nn(parts.name, offset=parts.offset, **options)


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


def _counted_to(bound: int) -> Value:
    def read(word: str) -> int | None:
        number = int(word) if _INTEGER.fullmatch(word) else 0
        return number if 1 <= number <= bound else None

    return Value(f"as an integer from 1 to {bound}", read)


def _at_most(bound: int) -> Callable[[str], float | None]:
    def read(word: str) -> float | None:
        number = _number(word)
        return float(number) if number is not None and 0 < number <= bound else None

    return read


_COUNT = _counted_to(MAX_COUNT)
_FINITE = Value("as a finite number", _number)
NAME = Value("as a name", lambda word: word or None)
VALUES = {
    "min": _FINITE,
    "max": _FINITE,
    "radius": Value("in (0, 2] (cosine distance)", _at_most(2)),
    "k": _COUNT,
    "nprobe": _COUNT,
    "scan": _COUNT,
    "vector": NAME,
    "limit": _counted_to(MAX_LIMIT),
    "optional-hits": _COUNT,
    "optional-weight": Value("in (0, 1]", _at_most(1)),
}

_TABLE = (
    Operator("term", lambda parts: Term(parts.name, parts.offset), "a term", most=0, options=MARK_OPTIONS),
    Operator("prefix", lambda parts: Prefix(parts.name, parts.offset), "the beginning of a term", most=0),
    Operator("and", _and, least=1),
    Operator("or", lambda parts: Or(tuple(parts.operands), parts.offset)),
    Operator("difference", lambda parts: Difference(tuple(parts.operands), parts.offset), least=2),
    Operator("not", lambda parts: Not(parts.operands[0], parts.offset), least=1, most=1),
    Operator("range", _range, "a column", most=0, options=("min", "max")),
    Operator(
        "nn",
        _nn,
        "an embedding key",
        most=0,
        options=("radius", "k", "nprobe", "scan", "filter", "vector"),
        searches=True,
    ),
    Operator(
        "weak-and",
        lambda parts: WeakAnd(tuple(parts.operands), tuple(parts.marks), parts.offset),
        least=1,
        takes_mark="optional-hits",
        searches=True,
    ),
    Operator(
        "strong-or",
        lambda parts: StrongOr(tuple(parts.operands), tuple(parts.marks), parts.offset),
        least=1,
        takes_mark="optional-weight",
    ),
    Operator(
        "apply",
        lambda parts: Apply(parts.name, parts.operands[0], parts.options.get("limit", DEFAULT_LIMIT), parts.offset),
        "a term prefix",
        least=1,
        most=1,
        options=("limit",),
        searches=True,
    ),
    Operator(
        "extract",
        lambda parts: Extract(parts.name, parts.operands[0], parts.options.get("limit", DEFAULT_LIMIT), parts.offset),
        "a stored column",
        least=1,
        most=1,
        options=("limit",),
        searches=True,
    ),
)
OPERATORS = {operator.name: operator for operator in _TABLE}
