"""S-expression -> tree. syntax.py says how the operators are written; this is the grammar that they share.

    expression  word | "quoted term" | (operator name? expression* option*) | (operator name word+ option*)
    option      :name value           a blank after the colon is allowed, as the papers write it
    marked      (expression :optional-hits 2)   in weak-and;   (expression :optional-weight 0.2)   in strong-or
                (term word :optional-hits 2) is the same; a quoted head is a term, never an operator

A bare word is a term wherever an expression is allowed. In quotes, \\" means " and \\\\ means \\.
Every error is a QueryError with the offset of the character to look at. Time and memory are linear in the length of
the text and bounded by constants; the parser does not recurse.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from alicorn.errors import QueryError
from alicorn.language.other_syntax import operator_here, written_here
from alicorn.language.syntax import MAX_DEPTH, MAX_NODES, MAX_SEARCHES, Argument, Syntax
from alicorn.language.tokens import CLOSE, OPEN, OPTION, QUOTED, tokens
from alicorn.language.tree import MARKS, OPERATORS, SEARCHES, And, Node, Not, Or, Term
from alicorn.language.values import EXPRESSION, quoted

_NO_OPERATOR = "a term has no parentheses; "
_MARK_OPTIONS = {name: syntax.mark for name, syntax in MARKS.items() if syntax.mark is not None}
WORD = r'[^\s()"\\:\ud800-\udfff][^\s()"\\\ud800-\udfff]*+'
"""The pattern of a bare word that is a term wherever an expression is allowed."""
LIST_OF_WORDS = rf"\((and|or)((?:\s++{WORD})++)\s*+\)"
"""The pattern of an `and` or `or` of such words: its groups are the operator and the words."""
_AND_OR_OR_OF_WORDS = re.compile(LIST_OF_WORDS)


def parse(text: str) -> Node:
    """The tree of an expression; QueryError, with the offset, where it is malformed."""
    if not isinstance(text, str):
        raise QueryError(f"an expression is a string or a tree, got {type(text).__name__}")
    if len(text) < MAX_NODES and (usual := _and_or_or_of_words(text)) is not None:
        return usual
    return _parse(text)


def _and_or_or_of_words(text: str) -> Node | None:
    """The expression that most searches write, read by one pattern: a third of the time, and the same tree."""
    found = _AND_OR_OR_OF_WORDS.fullmatch(text)
    if found is None:
        return None
    terms, at = [], found.start(2)
    for word in found[2].split():
        at = text.index(word, at)
        terms.append(Term(word, at))
        at += len(word)
    return And(tuple(terms)) if found[1] == "and" else Or(tuple(terms))


def _parse(text: str) -> Node:
    """Any expression, token by token."""
    open_lists: list[_List] = []
    root: Node | None = None
    num_nodes = num_searches = 0
    for kind, word, offset in tokens(text):
        if root is not None:
            _refuse_another(root, word, offset)
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
                    f"an expression has at most {MAX_SEARCHES} of {SEARCHES}",
                    closed.offset,
                )
            if open_lists:
                open_lists[-1].add(node, mark)
            else:
                root = _unmarked(node, mark)
        elif open_lists:
            open_lists[-1].add_word(word, offset, kind == QUOTED)
        else:
            root = _term(word, offset)
    if open_lists:
        raise QueryError("this parenthesis is never closed: add )", open_lists[-1].offset)
    if root is None:
        raise QueryError("the expression is empty; (or) matches nothing", 0)
    return root


def _refuse_another(root: Node, word: str, offset: int) -> NoReturn:
    """More than one expression: in another language than this, perhaps."""
    hint = written_here(word) or (written_here(root.term) if isinstance(root, Term) else None)
    join = "join them with (and ...) or (or ...)" if hint is None else hint
    raise QueryError(f"one expression is expected, more follows: {join}", offset)


@dataclass(frozen=True, slots=True)
class _Mark:
    """`:optional-hits` or `:optional-weight` beside an operand."""

    option: str
    value: int | float
    offset: int


class _List:
    """An open parenthesis: what is read of it, and what may come next."""

    __slots__ = ("head", "marks", "offset", "operands", "operator", "options", "places", "waiting", "word", "words")

    def __init__(self, offset: int) -> None:
        self.offset = offset
        self.operator: Syntax | None = None  # None: not read yet, or this is a marked operand
        self.word: str | None = None  # of an operator that takes one, once it is read
        self.words: list[str] = []  # after that one
        self.operands: list[Node] = []
        self.marks: list[int | float | None] = []
        self.options: dict[str, Any] = {}
        self.places: dict[str, int] = {}  # option -> its offset
        self.head: tuple[str, int] | None = None  # a bare word that is no operator: a marked term, or a mistake
        self.waiting: Argument | None = None  # the option whose value comes next

    @property
    def num_searches(self) -> int:
        """How many times it may look at the whole collection: once, and once for each marked operand."""
        if self.operator is None or not self.operator.searches:
            return 0
        return 1 + sum(mark is not None for mark in self.marks)

    def add_word(self, word: str, offset: int, is_quoted: bool) -> None:
        """A bare or quoted word: the operator, the value of an option, the operator's own word, or a term."""
        if self.waiting is not None and self.waiting.value is not EXPRESSION:
            self._set_option(self.waiting, word, offset, is_quoted)
        elif self.operator is None and not self.operands:
            self._begin(word, offset, is_quoted)
        elif self.waiting is None and self.operator and self.operator.word and self.word is None:
            self._set_word(self.operator, word, offset)
        elif self.waiting is None and self.operator and self.operator.words:
            self._add_text(self.operator, word, offset)
        else:
            self.add(_term(word, offset), None)

    def add(self, node: Node, mark: _Mark | None) -> None:
        """An operand, or the expression of an option."""
        operator = self.operator
        if operator is None:
            self._add_marked_operand(node, mark)
            return
        if self.waiting is not None:
            self._set_expression(self.waiting, node, mark)
            return
        if operator.word is not None and self.word is None:
            raise QueryError(f"({operator.name} ...) needs {operator.word.what} first, got an expression", node.offset)
        if operator.words is not None:
            raise QueryError(f"({operator.name} ...) takes {operator.counted()}, got an expression", node.offset)
        if len(self.operands) >= operator.operands.most:
            raise QueryError(f"({operator.name} ...) takes {operator.counted()}, got one more", node.offset)
        if type(node) is Not and operator.node is not And:
            _refuse_not(node)
        if mark is not None and (operator.mark is None or mark.option != operator.mark.name):
            _refuse_mark(mark)
        self.operands.append(node)
        self.marks.append(None if mark is None else mark.value)

    def open_option(self, name: str, offset: int) -> None:
        """`:name`; its value is the next thing."""
        if self.waiting is not None:
            self._refuse_missing_value(self.waiting)
        if self.operator is None and not self.operands:
            raise QueryError(f"a list begins with an operator or an operand, got :{_shown(name)}", offset)
        allowed = _MARK_OPTIONS if self._may_be_marked else self.operator.options  # type: ignore[union-attr]
        if name not in allowed:
            self._refuse_option(name, offset, allowed)
        option = allowed[name]
        if option.field in self.options:
            raise QueryError(f"{self._spelled()} has :{name} twice", offset)
        self.waiting = option
        self.places[name] = offset

    def close(self) -> tuple[Node, _Mark | None]:
        """The node of the whole list, and its mark where it is a marked operand."""
        if self.waiting is not None:
            self._refuse_missing_value(self.waiting)
        operator = self.operator
        if operator is None:
            return self._close_marked_operand()
        if operator.word is not None and self.word is None:
            raise QueryError(f"({operator.name} ...) needs {operator.word.what}", self.offset)
        if operator.words is not None and not self.words:
            raise QueryError(f"({operator.name} ...) takes {operator.counted()}, got no word", self.offset)
        if len(self.operands) < operator.operands.least:
            message = f"({operator.name} ...) takes {operator.counted()}, got {len(self.operands)}"
            hint = "; (or) matches nothing" if operator.node is And else ""
            raise QueryError(message + hint, self.offset)
        return self._build(operator), (self._mark() if operator.node is Term else None)

    def _build(self, operator: Syntax) -> Node:
        values = operator.as_fields(self.operands, self.marks)
        if operator.word is not None:
            values[operator.word_field] = self.word
        if operator.words is not None:
            values[operator.words_field] = tuple(self.words)
        if operator.node is not Term:
            values |= self.options
        node: Node = operator.node(offset=self.offset, **values)
        mistake = node.mistake()
        if mistake is not None:
            offset = max((self.places[name] for name in mistake.options), default=self.offset)
            raise QueryError(mistake.message, offset)
        return node

    @property
    def _may_be_marked(self) -> bool:
        """Whether its options are marks: (expression :mark value) or (term word :mark value)."""
        return self.operator is None or self.operator.node is Term

    def _begin(self, word: str, offset: int, is_quoted: bool) -> None:
        operator = None if is_quoted else OPERATORS.get(word)
        if operator is not None:
            self.operator = operator
            return
        if not is_quoted:
            self.head = (word, offset)
        self.operands.append(_term(word, offset))

    def _set_word(self, operator: Syntax, word: str, offset: int) -> None:
        assert operator.word is not None
        if not word and not operator.word.may_be_empty:
            raise QueryError(f"({operator.name} ...) needs {operator.word.what}, got an empty one", offset)
        self.word = word

    def _add_text(self, operator: Syntax, word: str, offset: int) -> None:
        assert operator.words is not None
        if not word:
            raise QueryError("a word has at least one character", offset)
        if len(self.words) == operator.words.most:
            raise QueryError(f"({operator.name} ...) takes {operator.counted()}, got one more", offset)
        self.words.append(word)

    def _set_option(self, option: Argument, word: str, offset: int, is_quoted: bool) -> None:
        value = option.value.read(word)
        if value is None or (is_quoted and not isinstance(value, str)):  # in quotes a number is none
            got = f'"{_shown(word)}"' if is_quoted else _shown(word)
            raise QueryError(f"{self._spelled()} needs {option.name} {option.value.allowed}, got {got}", offset)
        self.options[option.field] = value
        self.waiting = None

    def _set_expression(self, option: Argument, node: Node, mark: _Mark | None) -> None:
        if option.value is not EXPRESSION:
            message = f"{self._spelled()} needs {option.name} {option.value.allowed}, got an expression"
            raise QueryError(message, node.offset)
        self.options[option.field] = _unmarked(node, mark)
        self.waiting = None

    def _add_marked_operand(self, node: Node, mark: _Mark | None) -> None:
        if self.waiting is not None:
            self._set_expression(self.waiting, node, mark)
        if self.operands:
            self._refuse_head()
            raise QueryError(
                "a marked operand is one expression and its option; a list begins with an operator", node.offset
            )
        self.operands.append(_unmarked(node, mark))

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
        for name, offset in self.places.items():
            argument = _MARK_OPTIONS[name]
            return _Mark(name, self.options[argument.field], offset)
        return None

    def _refuse_missing_value(self, option: Argument) -> NoReturn:
        message = f"{self._spelled()} needs {option.name} {option.value.allowed}, got no value"
        raise QueryError(message, self.places[option.name])

    def _refuse_option(self, name: str, offset: int, allowed: Mapping[str, Argument]) -> NoReturn:
        self._refuse_head()
        if name in MARKS:
            _refuse_mark(_Mark(name, 0, offset))
        known = "options: " + " ".join(f":{option}" for option in allowed) if allowed else "it takes none"
        message = f"{self._spelled()} has no option :{_shown(name)}; {_did_you_mean(name, allowed, ':')}{known}"
        raise QueryError(message, offset)

    def _refuse_head(self) -> None:
        """The head was taken for a marked term; what followed shows that it was meant as an operator."""
        if self.head is None:
            return
        word, offset = self.head
        hint = f"{here}; " if (here := operator_here(word)) else _did_you_mean(word, OPERATORS, "") or _NO_OPERATOR
        raise QueryError(f"unknown operator {_shown(word)}; {hint}operators: {' '.join(OPERATORS)}", offset)

    def _spelled(self) -> str:
        return f"({self.operator.name} ...)" if self.operator else "a marked operand"


def _term(word: str, offset: int) -> Term:
    """A term as an operand; an empty one is refused."""
    if not word:
        raise QueryError("a term has at least one character", offset)
    return Term(word, offset)


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
    home = MARKS[mark.option].name
    raise QueryError(
        f":{mark.option} marks an operand of ({home} ...), as in ({home} a (b :{mark.option} ...))", mark.offset
    )


def _did_you_mean(name: str, known: Iterable[str], sign: str) -> str:
    close = difflib.get_close_matches(name[:40].lower(), list(known), n=1, cutoff=0.6)
    return f"did you mean {sign}{close[0]}? " if close else ""


def _shown(word: str) -> str:
    """At most 40 characters of what was received, without those that would steer a terminal."""
    text = quoted(word) if len(word) <= 40 else word[:40] + "..."
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
