"""S-expression -> tree. The only place that knows how a query is spelled; feeds tree.py's nodes to the planner.

    expression  word | "quoted term" | (operator name? expression* option*)
    option      :name value           a blank after the colon is allowed, as the papers write it
    marked      (expression :optional-hits 2)   in weak-and;   (expression :optional-weight 0.2)   in strong-or
                (term word :optional-hits 2) is the same; a quoted head is a term, never an operator

A bare word is a term wherever an expression is allowed. In quotes, \\" means " and \\\\ means \\.
Every error is a QueryError with the offset of the character to look at. Time and memory are linear in the length of
the text and bounded by the constants below; the parser does not recurse.
"""

import difflib
from dataclasses import dataclass
from typing import NoReturn

from alicorn.errors import QueryError
from alicorn.language.operators import (
    MARK_OPTIONS,
    MAX_DEPTH,
    MAX_NODES,
    MAX_SEARCHES,
    NAME,
    OPERATORS,
    VALUES,
    Operator,
    Parts,
    term,
)
from alicorn.language.tokens import CLOSE, OPEN, OPTION, QUOTED, tokens
from alicorn.language.tree import Node, Not, quoted


def parse(text: str) -> Node:
    """The tree of an expression; QueryError, with the offset, where it is malformed."""
    if not isinstance(text, str):
        raise QueryError(f"an expression is a string or a tree, got {type(text).__name__}")
    open_lists: list[_List] = []
    root: Node | None = None
    num_nodes = num_searches = 0
    for kind, word, offset in tokens(text):
        if root is not None:
            raise QueryError("one expression is expected, more follows: join them with (and ...) or (or ...)", offset)
        if kind == OPTION:
            if not open_lists:
                raise QueryError(f"an option belongs inside parentheses, got :{_shown(word)}", offset)
            open_lists[-1].open_option(word, offset)
            continue
        if kind == OPEN:
            if len(open_lists) == MAX_DEPTH:
                raise QueryError(f"at most {MAX_DEPTH} parentheses may be open at one place", offset)
            open_lists.append(_List(offset))
            continue
        num_nodes += 1
        if num_nodes > MAX_NODES:
            raise QueryError(f"an expression has at most {MAX_NODES} words and lists", offset)
        if kind == CLOSE:
            if not open_lists:
                raise QueryError("this parenthesis closes nothing: remove it", offset)
            closed = open_lists.pop()
            node, mark = closed.close()
            num_searches += closed.num_searches
            if num_searches > MAX_SEARCHES:
                raise QueryError(
                    f"an expression has at most {MAX_SEARCHES} of nn, apply, extract, weak-and and its marked operands",
                    closed.parts.offset,
                )
            if open_lists:
                open_lists[-1].add(node, mark)
            else:
                root = _unmarked(node, mark)
        elif open_lists:
            open_lists[-1].add_word(word, offset, kind == QUOTED)
        else:
            root = term(word, offset)
    if open_lists:
        raise QueryError("this parenthesis is never closed: add )", open_lists[-1].parts.offset)
    if root is None:
        raise QueryError("the expression is empty; (or) matches nothing", 0)
    return root


@dataclass(frozen=True, slots=True)
class _Mark:
    """`:optional-hits` or `:optional-weight` beside an operand."""

    option: str
    value: int | float
    offset: int


class _List:
    """An open parenthesis: what is read of it, and what may come next."""

    __slots__ = ("has_name", "head", "operator", "parts", "waiting")

    def __init__(self, offset: int) -> None:
        self.parts = Parts(offset)
        self.operator: Operator | None = None  # None: not read yet, or this is a marked operand
        self.head: tuple[str, int] | None = None  # a bare word that is no operator: a marked term, or a mistake
        self.has_name = False
        self.waiting: str | None = None  # the option whose value comes next

    @property
    def num_searches(self) -> int:
        """How many times it may look at the whole collection: once, and once for each marked operand."""
        if self.operator is None or not self.operator.searches:
            return 0
        return 1 + sum(mark is not None for mark in self.parts.marks)

    def add_word(self, word: str, offset: int, is_quoted: bool) -> None:
        """A bare or quoted word: the operator, the value of an option, the operator's name, or a term."""
        if self.waiting is not None and self.waiting != "filter":
            self._set_option(word, offset, is_quoted)
        elif self.operator is None and not self.parts.operands:
            self._begin(word, offset, is_quoted)
        elif self.waiting is None and self.operator and self.operator.name_of and not self.has_name:
            self._set_name(word, offset)
        else:
            self.add(term(word, offset), None)

    def add(self, node: Node, mark: _Mark | None) -> None:
        """An operand, or the expression of `:filter`."""
        operator = self.operator
        if operator is None:
            self._add_marked_operand(node, mark)
            return
        if self.waiting is not None:
            self._set_filter(node, mark)
            return
        if operator.name_of is not None and not self.has_name:
            raise QueryError(f"({operator.name} ...) needs {operator.name_of} first, got an expression", node.offset)
        if len(self.parts.operands) >= operator.most:
            raise QueryError(f"({operator.name} ...) takes {operator.counted()}, got one more", node.offset)
        if type(node) is Not and operator.name != "and":
            _refuse_not(node)
        if mark is not None and mark.option != operator.takes_mark:
            _refuse_mark(mark)
        self.parts.operands.append(node)
        self.parts.marks.append(None if mark is None else mark.value)

    def open_option(self, name: str, offset: int) -> None:
        """`:name`; its value is the next thing."""
        if self.waiting is not None:
            self._refuse_missing_value()
        if self.operator is None and not self.parts.operands:
            raise QueryError(f"a list begins with an operator or an operand, got :{_shown(name)}", offset)
        allowed = MARK_OPTIONS if self.operator is None else self.operator.options
        if name not in allowed:
            self._refuse_option(name, offset, allowed)
        if name in self.parts.options:
            raise QueryError(f"{self._spelled()} has :{name} twice", offset)
        self.waiting = name
        self.parts.places[name] = offset

    def close(self) -> tuple[Node, _Mark | None]:
        """The node of the whole list, and its mark where it is a marked operand."""
        if self.waiting is not None:
            self._refuse_missing_value()
        operator = self.operator
        if operator is None:
            return self._close_marked_operand()
        if operator.name_of is not None and not self.has_name:
            raise QueryError(f"({operator.name} ...) needs {operator.name_of}", self.parts.offset)
        if len(self.parts.operands) < operator.least:
            message = f"({operator.name} ...) takes {operator.counted()}, got {len(self.parts.operands)}"
            hint = "; (or) matches nothing" if operator.name == "and" else ""
            raise QueryError(message + hint, self.parts.offset)
        return operator.build(self.parts), (self._mark() if operator.name == "term" else None)

    def _begin(self, word: str, offset: int, is_quoted: bool) -> None:
        operator = None if is_quoted else OPERATORS.get(word)
        if operator is not None:
            self.operator = operator
            return
        if not is_quoted:
            self.head = (word, offset)
        self.parts.operands.append(term(word, offset))

    def _set_name(self, word: str, offset: int) -> None:
        assert self.operator is not None
        if not word and self.operator.name != "apply":  # (apply "" inner): the ids themselves are terms
            raise QueryError(f"({self.operator.name} ...) needs {self.operator.name_of}, got an empty one", offset)
        self.parts.name = word
        self.has_name = True

    def _set_option(self, word: str, offset: int, is_quoted: bool) -> None:
        name = self.waiting
        assert name is not None
        kind = VALUES[name]
        value = None if is_quoted and kind is not NAME else kind.read(word)
        if value is None:
            got = f'"{_shown(word)}"' if is_quoted else _shown(word)
            raise QueryError(f"{self._spelled()} needs {name} {kind.allowed}, got {got}", offset)
        self.parts.options[name] = value
        self.waiting = None

    def _set_filter(self, node: Node, mark: _Mark | None) -> None:
        if self.waiting != "filter":
            allowed = VALUES[self.waiting].allowed  # type: ignore[index]
            raise QueryError(f"{self._spelled()} needs {self.waiting} {allowed}, got an expression", node.offset)
        self.parts.options["filter"] = _unmarked(node, mark)
        self.waiting = None

    def _add_marked_operand(self, node: Node, mark: _Mark | None) -> None:
        if self.waiting is not None:
            self._set_filter(node, mark)
        if self.parts.operands:
            self._refuse_head()
            raise QueryError(
                "a marked operand is one expression and its option; a list begins with an operator", node.offset
            )
        self.parts.operands.append(_unmarked(node, mark))

    def _close_marked_operand(self) -> tuple[Node, _Mark]:
        if not self.parts.operands:
            raise QueryError(
                "() is no expression: write an operator, as in (and a b); (or) matches nothing", self.parts.offset
            )
        mark = self._mark()
        if mark is None:
            self._refuse_head()
            raise QueryError(
                "a list begins with an operator: remove these parentheses, or write (and ...)", self.parts.offset
            )
        return self.parts.operands[0], mark

    def _mark(self) -> _Mark | None:
        if len(self.parts.options) > 1:
            raise QueryError(
                "an operand has one mark, :optional-hits or :optional-weight", max(self.parts.places.values())
            )
        return next((_Mark(name, value, self.parts.places[name]) for name, value in self.parts.options.items()), None)

    def _refuse_missing_value(self) -> NoReturn:
        name = self.waiting
        assert name is not None
        allowed = "as an expression" if name == "filter" else VALUES[name].allowed
        raise QueryError(f"{self._spelled()} needs {name} {allowed}, got no value", self.parts.places[name])

    def _refuse_option(self, name: str, offset: int, allowed: tuple[str, ...]) -> NoReturn:
        self._refuse_head()
        if name in MARK_OPTIONS:
            _refuse_mark(_Mark(name, 0, offset))
        known = "options: " + " ".join(f":{option}" for option in allowed) if allowed else "it takes none"
        message = f"{self._spelled()} has no option :{_shown(name)}; {_did_you_mean(name, allowed, ':')}{known}"
        raise QueryError(message, offset)

    def _refuse_head(self) -> None:
        """The head was taken for a marked term; what followed shows that it was meant as an operator."""
        if self.head is None:
            return
        word, offset = self.head
        hint = _did_you_mean(word, tuple(OPERATORS), "") or "a term stands without parentheses; "
        raise QueryError(f"unknown operator {_shown(word)}; {hint}operators: {' '.join(OPERATORS)}", offset)

    def _spelled(self) -> str:
        return f"({self.operator.name} ...)" if self.operator else "a marked operand"


def _unmarked(node: Node, mark: _Mark | None) -> Node:
    """The node, where neither a mark nor a (not ...) is allowed."""
    if mark is not None:
        _refuse_mark(mark)
    if type(node) is Not:
        _refuse_not(node)
    return node


def _refuse_not(node: Node) -> NoReturn:
    raise QueryError(
        "(not ...) is allowed only inside (and ...), beside an operand that is no (not ...): elsewhere nearly the "
        "whole collection would match; (difference a b) is a without b",
        node.offset,
    )


def _refuse_mark(mark: _Mark) -> NoReturn:
    home = "weak-and" if mark.option == "optional-hits" else "strong-or"
    raise QueryError(
        f":{mark.option} marks an operand of ({home} ...), as in ({home} a (b :{mark.option} ...))", mark.offset
    )


def _did_you_mean(name: str, known: tuple[str, ...], sign: str) -> str:
    close = difflib.get_close_matches(name[:40].lower(), known, n=1, cutoff=0.6)
    return f"did you mean {sign}{close[0]}? " if close else ""


def _shown(word: str) -> str:
    """At most 40 characters of what was received, without those that would steer a terminal."""
    text = quoted(word) if len(word) <= 40 else word[:40] + "..."
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
