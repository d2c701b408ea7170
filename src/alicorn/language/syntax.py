"""How an operator is written, read from the fields of its node.

Each field of a node says by its annotation what it is in an expression:

    (operator word operand ... :option value)
    (operator word word ... :option value)

    key: Annotated[str, NameSlot("an embedding key")]              the word, which names something of the collection
    prefix: Annotated[str, TextSlot("the beginning of a term")]    the word, which is text
    words: Annotated[tuple[str, ...], WordsSlot(most=9)]           one more word or several, texts
    operands: Annotated[tuple[Node, ...], Operands(least=1)]       any number of expressions
    inner: Annotated[Node, Operand()]                              one expression
    limit: Annotated[int, Option(count_to(9))] = 5                 :limit 3; is not written where it is 5
    optional_hits: Annotated[tuple[int | None, ...], Mark(COUNT)]  (expression :optional-hits 3), for each operand
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple, get_type_hints

from alicorn.language.values import EXPRESSION, Value

MAX_NODES = 100_000
"""Words and lists of an expression."""
MAX_DEPTH = 64
"""Parentheses open at one place."""
MAX_SEARCHES = 256
"""Operators that search, and marked operands of weak-and: each may look at the whole collection, 10 ms a million."""


@dataclass(frozen=True, slots=True)
class TextSlot:
    """The first word after the operator: a text. what: its meaning, for an error. In a template it may hold {query}."""

    what: str
    may_be_empty: bool = False


@dataclass(frozen=True, slots=True)
class NameSlot(TextSlot):
    """A first word that names a column, an embedding key or a prefix of terms of the collection."""


@dataclass(frozen=True, slots=True)
class WordsSlot:
    """The words after the first, at least one: texts. In a template, {terms} may be among them."""

    most: int


@dataclass(frozen=True, slots=True)
class Operands:
    """takes_terms: whether the {terms} of a template may be among them."""

    least: int = 0
    most: int = MAX_NODES
    takes_terms: bool = False


@dataclass(frozen=True, slots=True)
class Operand(Operands):
    """Exactly one."""

    least: int = 1
    most: int = 1


@dataclass(frozen=True, slots=True)
class Option:
    """name: as it is written, where that is not the name of the field."""

    value: Value
    name: str = ""


@dataclass(frozen=True, slots=True)
class Mark(Option):
    """An option of each operand; None for an operand without it."""


class Mistake(NamedTuple):
    """What is wrong with the arguments of a node together. options: those to look at, as they are written."""

    message: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Argument:
    """An option or a mark with the field that holds it. default: the value that is not written."""

    field: str
    name: str
    value: Value
    default: object = None


@dataclass(slots=True)
class Syntax:
    """How one operator is written: the slots of its node, each with the name of the field that holds it."""

    node: type[Any]
    word: TextSlot | None = None
    word_field: str = ""
    words: WordsSlot | None = None
    words_field: str = ""
    operands: Operands = field(default_factory=lambda: Operands(most=0))
    operands_field: str = ""
    options: dict[str, Argument] = field(default_factory=dict)
    expressions: tuple[str, ...] = ()  # fields of the options that are expressions
    mark: Argument | None = None

    @classmethod
    def of(cls, node: type[Any]) -> Syntax:
        """The syntax that the annotations of a node's fields describe."""
        syntax, hints = cls(node), get_type_hints(node, include_extras=True)
        for each in fields(node):
            for slot in getattr(hints[each.name], "__metadata__", ()):
                syntax._add(each.name, slot, each.default)
        return syntax

    def _add(self, name: str, slot: TextSlot | WordsSlot | Operands | Option, default: object) -> None:
        match slot:
            case TextSlot():
                self.word, self.word_field = slot, name
            case WordsSlot():
                self.words, self.words_field = slot, name
            case Operands():
                self.operands, self.operands_field = slot, name
            case Mark(value, spelled):
                self.mark = Argument(name, spelled or name.replace("_", "-"), value)
            case Option(value, spelled):
                option = Argument(name, spelled or name.replace("_", "-"), value, default)
                self.options[option.name] = option
                self.expressions += (name,) if value is EXPRESSION else ()

    @property
    def name(self) -> str:
        """The operator."""
        return str(self.node.operator)

    @property
    def searches(self) -> bool:
        """Whether it may look at the whole collection, whatever its siblings match."""
        return bool(self.node.searches)

    def counted(self) -> str:
        """What it takes, in words."""
        if self.words is not None:
            return f"{self.word.what if self.word else ''} and from 1 to {self.words.most} words"
        if self.operands.most == 0:
            return f"{self.word.what} and no operand" if self.word else "no operand"
        if self.operands.most == 1:
            return "one operand"
        return {0: "any number of operands", 1: "one operand or more", 2: "two operands or more"}[self.operands.least]

    def words_of(self, node: Any) -> tuple[str, ...]:
        """Its words after the first."""
        return () if self.words is None else getattr(node, self.words_field)

    def operands_of(self, node: Any) -> tuple[Any, ...]:
        """Its operands, without expressions among its options."""
        if not self.operands_field:
            return ()
        found = getattr(node, self.operands_field)
        return (found,) if self.operands.most == 1 else found

    def marks_of(self, node: Any) -> tuple[Any, ...]:
        """A mark, or None, for each operand; empty for an operator that takes none."""
        return () if self.mark is None else getattr(node, self.mark.field)

    def as_fields(self, operands: Sequence[Any], marks: Sequence[Any]) -> dict[str, Any]:
        """The fields of a node that hold its operands and their marks."""
        if not self.operands_field:
            return {}
        held = {self.operands_field: operands[0] if self.operands.most == 1 else tuple(operands)}
        return held if self.mark is None else held | {self.mark.field: tuple(marks)}
