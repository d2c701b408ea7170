"""S-expression -> tree. The only place that knows how a query is spelled; feeds tree.py's nodes to the planner.

    expression  word | "quoted term" | (operator name? expression* option*)
    option      :name value           a blank after the colon is allowed, as the papers write it
    marked      (expression :optional-hits 2)   in weak-and;   (expression :optional-weight 0.2)   in strong-or
                (term word :optional-hits 2) is the same; a quoted head is a term, never an operator

A bare word is a term wherever an expression may stand. In quotes, \\" and \\\\ stand for " and \\.
Every error is a QueryError with the offset of the character to look at. Time and memory are linear in the length of
the text and bounded by the constants below; the parser does not recurse.
"""

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NoReturn

from alicorn.errors import QueryError
from alicorn.query.tree import (
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
    quoted,
)

MAX_LENGTH = 1_000_000
"""Characters of an expression."""
MAX_DEPTH = 64
"""Parentheses open at one place."""
MAX_NODES = 100_000
"""Words and lists of an expression."""
MAX_COUNT = 1_000_000_000
"""Largest k, nprobe, limit and optional-hits."""

_CACHED_LENGTH = 1000  # 1,024 trees of at most 500 nodes: under 100 MB at worst, about 2 MB for usual queries

_TOKEN = re.compile(
    r"""\s*+(?:
        (\()                                              # 1 open
      | (\))                                              # 2 close
      | "([^"\\]*+(?:\\["\\][^"\\]*+)*+)"(?=[\s()]|\Z)    # 3 quoted
      | :\s*+([^\s()"\\:]++)(?!["\\:])                    # 4 option
      | ([^\s()"\\:][^\s()"\\]*+)(?!["\\])                # 5 word
      | (\S)                                              # 6 anything else
    )""",
    re.VERBOSE,
)
_OPEN, _CLOSE, _QUOTED, _OPTION, _WORD = 1, 2, 3, 4, 5
_ESCAPE = re.compile(r"\\(.)")
_SURROGATE = re.compile("[\ud800-\udfff]")
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,5})?")


def parse(text: str) -> Node:
    """The tree of an expression; QueryError, with the offset, where it is malformed. Short texts are cached."""
    if not isinstance(text, str):
        raise QueryError(f"an expression is a string, got {type(text).__name__}")
    return _parse_cached(text) if len(text) < _CACHED_LENGTH else _parse(text)


def _parse(text: str) -> Node:
    if len(text) > MAX_LENGTH:
        raise QueryError(f"an expression has at most {MAX_LENGTH} characters, got {len(text)}", MAX_LENGTH)
    if not text.isascii() and (surrogate := _SURROGATE.search(text)):
        code = ord(surrogate.group())
        raise QueryError(f"U+{code:04X} is half of a surrogate pair, no character", surrogate.start())
    open_lists: list[_List] = []
    root: Node | None = None
    num_nodes = 0
    for token in _TOKEN.finditer(text):
        kind: int = token.lastindex  # type: ignore[assignment]
        offset = token.start(kind)
        if root is not None:
            raise QueryError(
                "one expression is expected, and more follows: join them with (and ...) or (or ...)", offset
            )
        if kind == _OPEN:
            if len(open_lists) == MAX_DEPTH:
                raise QueryError(f"at most {MAX_DEPTH} parentheses may be open at one place", offset)
            open_lists.append(_List(offset))
            continue
        if kind == _OPTION:
            offset = text.rindex(":", 0, offset)
            if not open_lists:
                raise QueryError(f"an option stands inside parentheses, got :{_shown(token[_OPTION])}", offset)
            open_lists[-1].open_option(token[_OPTION], offset)
            continue
        num_nodes += 1
        if num_nodes > MAX_NODES:
            raise QueryError(f"an expression has at most {MAX_NODES} words and lists", offset)
        if kind == _CLOSE:
            if not open_lists:
                raise QueryError("this parenthesis closes nothing: remove it", offset)
            node, mark = open_lists.pop().close()
            if open_lists:
                open_lists[-1].add(node, mark)
            else:
                root = _checked_root(node, mark)
        elif kind in (_WORD, _QUOTED):
            word = token[kind]
            if kind == _QUOTED:
                offset -= 1
                word = _ESCAPE.sub(r"\1", word) if "\\" in word else word
            if open_lists:
                open_lists[-1].add_word(word, offset, kind == _QUOTED)
            else:
                root = _term(word, offset)
        else:
            _refuse_character(text, offset)
    if open_lists:
        raise QueryError("this parenthesis is never closed: add )", open_lists[-1].offset)
    if root is None:
        raise QueryError("the expression is empty; (or) matches nothing", 0)
    return root


_parse_cached = lru_cache(maxsize=1024)(_parse)


@dataclass(frozen=True, slots=True)
class _Value:
    """What an option takes: how to read a bare word (None: refused), and the words for it in an error."""

    allowed: str
    read: Callable[[str], Any]


@dataclass(frozen=True, slots=True)
class _Mark:
    """`:optional-hits` or `:optional-weight` beside an operand."""

    option: str
    value: int | float
    offset: int


@dataclass(frozen=True, slots=True)
class _Operator:
    """How one operator is written. name_of: what its first word names; least, most: number of operands."""

    name: str
    build: Callable[["_List"], Node]
    name_of: str | None = None
    least: int = 0
    most: int = MAX_NODES
    options: tuple[str, ...] = ()
    takes_mark: str | None = None


class _List:
    """What has been read of an open parenthesis."""

    __slots__ = ("head", "marks", "name", "offset", "operands", "operator", "options", "places", "waiting")

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.operator: _Operator | None = None
        self.head: tuple[str, int] | None = None  # a bare word that is no operator: a marked term, or a mistake
        self.name: str | None = None
        self.operands: list[Node] = []
        self.marks: list[Any] = []
        self.options: dict[str, Any] = {}
        self.places: dict[str, int] = {}  # option -> its offset
        self.waiting: str | None = None  # the option whose value comes next

    def add_word(self, word: str, offset: int, is_quoted: bool) -> None:
        """A bare or quoted word: the operator, the value of an option, the operator's name, or a term."""
        if self.waiting is not None and self.waiting != "filter":
            self._set_option(word, offset, is_quoted)
        elif self.operator is None and not self.operands:
            self._begin(word, offset, is_quoted)
        elif self.waiting is None and self.operator and self.operator.name_of and self.name is None:
            self._set_name(word, offset)
        else:
            self.add(_term(word, offset), None)

    def add(self, node: Node, mark: _Mark | None) -> None:
        """An operand, or the expression of `:filter`."""
        operator = self.operator
        if operator is None:
            self._add_marked_operand(node, mark)
            return
        if self.waiting is not None:
            self._set_filter(node, mark)
            return
        if operator.name_of is not None and self.name is None:
            raise QueryError(f"({operator.name} ...) needs {operator.name_of} first, got an expression", node.offset)
        if len(self.operands) >= operator.most:
            raise QueryError(f"({operator.name} ...) takes {_count_of(operator)}, got one more", node.offset)
        if type(node) is Not and operator.name != "and":
            _refuse_not(node)
        if mark is not None and mark.option != operator.takes_mark:
            _refuse_mark(mark)
        self.operands.append(node)
        self.marks.append(None if mark is None else mark.value)

    def open_option(self, name: str, offset: int) -> None:
        """`:name`; its value is the next thing."""
        if self.waiting is not None:
            self._refuse_missing_value()
        if self.operator is None and not self.operands:
            raise QueryError(f"a list begins with an operator or an operand, got :{_shown(name)}", offset)
        allowed = _MARK_OPTIONS if self.operator is None else self.operator.options
        if name not in allowed:
            self._refuse_option(name, offset, allowed)
        if name in self.options:
            raise QueryError(f"{self._spelled()} has :{name} twice", offset)
        self.waiting = name
        self.places[name] = offset

    def close(self) -> tuple[Node, _Mark | None]:
        """The node of the whole list, and its mark where it is a marked operand."""
        if self.waiting is not None:
            self._refuse_missing_value()
        operator = self.operator
        if operator is None:
            return self._close_marked_operand()
        if operator.name_of is not None and self.name is None:
            raise QueryError(f"({operator.name} ...) needs {operator.name_of}", self.offset)
        if len(self.operands) < operator.least:
            message = f"({operator.name} ...) takes {_count_of(operator)}, got {len(self.operands)}"
            hint = "; (or) matches nothing" if operator.name == "and" else ""
            raise QueryError(message + hint, self.offset)
        return operator.build(self), (self._mark() if operator.name == "term" else None)

    def _begin(self, word: str, offset: int, is_quoted: bool) -> None:
        operator = None if is_quoted else _OPERATORS.get(word)
        if operator is not None:
            self.operator = operator
            return
        if not is_quoted:
            self.head = (word, offset)
        self.operands.append(_term(word, offset))

    def _set_name(self, word: str, offset: int) -> None:
        assert self.operator is not None
        if not word and self.operator.name != "apply":  # (apply "" inner): the ids themselves are terms
            raise QueryError(f"({self.operator.name} ...) needs {self.operator.name_of}, got an empty one", offset)
        self.name = word

    def _set_option(self, word: str, offset: int, is_quoted: bool) -> None:
        name = self.waiting
        assert name is not None
        kind = _VALUES[name]
        value = None if is_quoted and kind is not _NAME else kind.read(word)
        if value is None:
            got = f'"{_shown(word)}"' if is_quoted else _shown(word)
            raise QueryError(f"{self._spelled()} needs {name} {kind.allowed}, got {got}", offset)
        self.options[name] = value
        self.waiting = None

    def _set_filter(self, node: Node, mark: _Mark | None) -> None:
        if self.waiting != "filter":
            allowed = _VALUES[self.waiting].allowed  # type: ignore[index]
            raise QueryError(f"{self._spelled()} needs {self.waiting} {allowed}, got an expression", node.offset)
        if mark is not None:
            _refuse_mark(mark)
        if type(node) is Not:
            _refuse_not(node)
        self.options["filter"] = node
        self.waiting = None

    def _add_marked_operand(self, node: Node, mark: _Mark | None) -> None:
        if self.waiting is not None:
            self._set_filter(node, mark)
        if self.operands:
            self._refuse_head()
            raise QueryError(
                "a marked operand is one expression and its option; a list begins with an operator", node.offset
            )
        if mark is not None:
            _refuse_mark(mark)
        if type(node) is Not:
            _refuse_not(node)
        self.operands.append(node)

    def _close_marked_operand(self) -> tuple[Node, _Mark]:
        if not self.operands:
            raise QueryError(
                "() is no expression: write an operator, as in (and a b); (or) matches nothing", self.offset
            )
        mark = self._mark()
        if mark is None:
            self._refuse_head()
            raise QueryError(
                "a list begins with an operator: remove these parentheses, or write (and ...)", self.offset
            )
        return self.operands[0], mark

    def _mark(self) -> _Mark | None:
        if len(self.options) > 1:
            raise QueryError("an operand has one mark, :optional-hits or :optional-weight", max(self.places.values()))
        return next((_Mark(name, value, self.places[name]) for name, value in self.options.items()), None)

    def _refuse_missing_value(self) -> NoReturn:
        name = self.waiting
        assert name is not None
        allowed = "as an expression" if name == "filter" else _VALUES[name].allowed
        raise QueryError(f"{self._spelled()} needs {name} {allowed}, got no value", self.places[name])

    def _refuse_option(self, name: str, offset: int, allowed: tuple[str, ...]) -> NoReturn:
        self._refuse_head()
        if name in _MARK_OPTIONS:
            _refuse_mark(_Mark(name, 0, offset))
        known = "options: " + " ".join(f":{option}" for option in allowed) if allowed else "it takes none"
        message = f"{self._spelled()} has no option :{_shown(name)}; {_did_you_mean(name, allowed, ':')}{known}"
        raise QueryError(message, offset)

    def _refuse_head(self) -> None:
        """The head was taken for a marked term; what followed shows that it was meant as an operator."""
        if self.head is None:
            return
        word, offset = self.head
        hint = _did_you_mean(word, tuple(_OPERATORS), "") or "a term stands without parentheses; "
        raise QueryError(f"unknown operator {_shown(word)}; {hint}operators: {' '.join(_OPERATORS)}", offset)

    def _spelled(self) -> str:
        return f"({self.operator.name} ...)" if self.operator else "a marked operand"


def _term(word: str, offset: int) -> Term:
    if not word:
        raise QueryError("a term has at least one character", offset)
    return Term(word, offset)


def _and(read: _List) -> Node:
    if all(type(operand) is Not for operand in read.operands):
        raise QueryError(
            "(and ...) needs an operand that is no (not ...), or nearly the whole collection would match", read.offset
        )
    return And(tuple(read.operands), read.offset)


def _range(read: _List) -> Node:
    if not read.options:
        raise QueryError("(range ...) needs :min or :max or both", read.offset)
    return Range(read.name or "", read.options.get("min"), read.options.get("max"), read.offset)


def _nn(read: _List) -> Node:
    options = read.options
    if "radius" in options and "k" in options:
        raise QueryError(
            "(nn ...) takes radius or k, not both: the k nearest, or all within the radius",
            max(read.places["radius"], read.places["k"]),
        )
    if "radius" not in options and "k" not in options:
        raise QueryError("(nn ...) needs :radius (cosine distance, in (0, 2]) or :k (number of nearest)", read.offset)
    if "filter" in options and "k" not in options:
        raise QueryError(
            "(nn ...) takes :filter only with :k; with :radius write (and filter (nn ...))", read.places["filter"]
        )
    return Nn(read.name or "", offset=read.offset, **options)


def _term_list(read: _List) -> Node:
    return _term(read.name or "", read.offset)


def _number(word: str) -> int | float | None:
    if _INTEGER.fullmatch(word):
        integer = int(word)
        return integer if -(2**63) <= integer < 2**63 else None
    if len(word) > 400 or not _NUMBER.fullmatch(word):
        return None
    number = float(word)
    return number if abs(number) != float("inf") else None


def _count(word: str) -> int | None:
    number = int(word) if _INTEGER.fullmatch(word) else 0
    return number if 1 <= number <= MAX_COUNT else None


def _at_most(bound: int) -> Callable[[str], float | None]:
    def read(word: str) -> float | None:
        number = _number(word)
        return float(number) if number is not None and 0 < number <= bound else None

    return read


_COUNT = _Value(f"as an integer from 1 to {MAX_COUNT}", _count)
_FINITE = _Value("as a finite number (an integer fits in 64 bits)", _number)
_NAME = _Value("as a name", lambda word: word or None)
_VALUES = {
    "min": _FINITE,
    "max": _FINITE,
    "radius": _Value("in (0, 2] (cosine distance)", _at_most(2)),
    "k": _COUNT,
    "nprobe": _COUNT,
    "vector": _NAME,
    "limit": _COUNT,
    "optional-hits": _COUNT,
    "optional-weight": _Value("in (0, 1]", _at_most(1)),
}
_MARK_OPTIONS = ("optional-hits", "optional-weight")

_TABLE = (
    _Operator("term", _term_list, "a term", most=0, options=_MARK_OPTIONS),
    _Operator("prefix", lambda read: Prefix(read.name or "", read.offset), "the beginning of a term", most=0),
    _Operator("and", _and, least=1),
    _Operator("or", lambda read: Or(tuple(read.operands), read.offset)),
    _Operator("difference", lambda read: Difference(tuple(read.operands), read.offset), least=2),
    _Operator("not", lambda read: Not(read.operands[0], read.offset), least=1, most=1),
    _Operator("range", _range, "a column", most=0, options=("min", "max")),
    _Operator("nn", _nn, "an embedding key", most=0, options=("radius", "k", "nprobe", "filter", "vector")),
    _Operator(
        "weak-and",
        lambda read: WeakAnd(tuple(read.operands), tuple(read.marks), read.offset),
        least=1,
        takes_mark="optional-hits",
    ),
    _Operator(
        "strong-or",
        lambda read: StrongOr(tuple(read.operands), tuple(read.marks), read.offset),
        least=1,
        takes_mark="optional-weight",
    ),
    _Operator(
        "apply",
        lambda read: Apply(read.name or "", read.operands[0], read.options.get("limit", DEFAULT_LIMIT), read.offset),
        "a term prefix",
        least=1,
        most=1,
        options=("limit",),
    ),
    _Operator(
        "extract",
        lambda read: Extract(read.name or "", read.operands[0], read.options.get("limit", DEFAULT_LIMIT), read.offset),
        "a stored column",
        least=1,
        most=1,
        options=("limit",),
    ),
)
_OPERATORS = {operator.name: operator for operator in _TABLE}


def _checked_root(node: Node, mark: _Mark | None) -> Node:
    if mark is not None:
        _refuse_mark(mark)
    if type(node) is Not:
        _refuse_not(node)
    return node


def _refuse_not(node: Node) -> NoReturn:
    raise QueryError(
        "(not ...) stands only inside (and ...), beside an operand that is no (not ...): elsewhere nearly the whole "
        "collection would match; (difference a b) is a without b",
        node.offset,
    )


def _refuse_mark(mark: _Mark) -> NoReturn:
    home = "weak-and" if mark.option == "optional-hits" else "strong-or"
    raise QueryError(
        f":{mark.option} marks an operand of ({home} ...), as in ({home} a (b :{mark.option} ...))", mark.offset
    )


def _refuse_character(text: str, offset: int) -> NoReturn:
    """No token begins at `offset`, or one begins there and is broken."""
    character = text[offset]
    if character == ":":
        raise QueryError("a colon here begins an option, :name value; a term that begins with one is quoted", offset)
    if character == "\\":
        raise QueryError('a backslash stands only inside quotes: "tag:new york"', offset)
    if character != '"':
        raise QueryError('a word has no quote or backslash inside: quote the whole, "tag:new york"', offset)
    end = re.compile(r'[^"\\]*+(?:\\["\\][^"\\]*+)*+').match(text, offset + 1).end()  # type: ignore[union-attr]
    if end == len(text):
        raise QueryError("this quote is never closed", offset)
    if text[end] == "\\":
        raise QueryError('inside quotes a backslash stands before " or another backslash only: write \\\\', end)
    raise QueryError("after a closing quote comes a blank or a parenthesis", end + 1)


def _count_of(operator: _Operator) -> str:
    if operator.least == operator.most:
        return "one operand" if operator.least == 1 else "no operand"
    if operator.most == 0:
        return f"{operator.name_of} and no operand"
    return {0: "any number of operands", 1: "one operand or more", 2: "two operands or more"}[operator.least]


def _did_you_mean(name: str, known: tuple[str, ...], sign: str) -> str:
    close = difflib.get_close_matches(name[:40].lower(), known, n=1, cutoff=0.6)
    return f"did you mean {sign}{close[0]}? " if close else ""


def _shown(word: str) -> str:
    """At most 40 characters of what was received."""
    return quoted(word) if len(word) <= 40 else word[:40] + "..."
