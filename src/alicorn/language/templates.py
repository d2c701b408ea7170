"""Expression templates: `(and {terms})` with the query "john smith" is `(and text:john text:smith)`.

A template is an expression with holes. It is parsed once, into a tree; filling the holes makes another tree.

    {terms}    alicorn.text.query_terms of the query as `text:` terms, directly inside and, or, weak-and or strong-or
    {query}    inside a quoted term or prefix: the query as alicorn.text.phrase writes it. `"name:{query}"` is the term
               that a term rule of kind phrase makes
    {key}      the embedding key of an nn

A query without any word has a meaning too: an `and` of its words matches nothing and becomes `(or)`; in an `or` the
words disappear; a term or prefix that would be empty becomes `(or)`.

A request may have several vectors, one for each interest: then an `(nn {key} ...)` without `:vector` becomes
`(or (nn {key} ... :vector interest-1) (nn {key} ... :vector interest-2) ...)`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import ClassVar, TypeVar

from alicorn.errors import QueryError
from alicorn.language.parse import parse
from alicorn.language.tree import (
    And,
    Apply,
    Difference,
    Extract,
    Nn,
    Node,
    Not,
    Or,
    Prefix,
    StrongOr,
    Term,
    WeakAnd,
    walk,
)
from alicorn.text import phrase, query_terms

_TERMS, _QUERY, _KEY = "{terms}", "{query}", "{key}"
_Mark = TypeVar("_Mark")
_PLACEHOLDER = re.compile(r"\{[^{}]*\}?|\}")


@dataclass(frozen=True, slots=True)
class TermsHole(Node):
    """The place of the words of a query among the operands of and, or, weak-and or strong-or."""

    operator: ClassVar[str] = _TERMS
    offset: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Template:
    """text: as it was written. root: its tree, with a TermsHole for each {terms}."""

    text: str
    root: Node

    @classmethod
    def parse(cls, text: str) -> "Template":
        """Raises QueryError, with the offset, for a malformed expression and for a placeholder in a wrong place."""
        return cls(text, _read(parse(text), text, False))

    def __str__(self) -> str:
        return self.text

    @property
    def has_terms(self) -> bool:
        """Whether the words of a query are terms of it."""
        return any(isinstance(node, TermsHole) for node in walk(self.root))

    def fill(self, query: str, key: str, vectors: Sequence[str] = ()) -> Node:
        """The expression of a query. vectors: names of the request's vectors where it has several, else empty."""
        terms = tuple(Term(f"text:{term}") for term in query_terms(query))
        return _Filling(terms, phrase(query), key, tuple(vectors)).of(self.root)


def interest_names(count: int) -> tuple[str, ...]:
    """Names of the vectors of a request with several interests."""
    return tuple(f"interest-{number}" for number in range(1, count + 1))


@dataclass(frozen=True, slots=True)
class _Filling:
    """The values of the holes for one query."""

    terms: tuple[Term, ...]
    phrase: str
    key: str
    vectors: tuple[str, ...]

    def of(self, node: Node) -> Node:
        """The node with its holes, and those below it, filled."""
        match node:
            case Term(text) if _QUERY in text:
                filled = text.replace(_QUERY, self.phrase)
                return Term(filled, node.offset) if filled else Or((), node.offset)
            case Prefix(text) if _QUERY in text:
                filled = text.replace(_QUERY, self.phrase)
                return Prefix(filled, node.offset) if filled else Or((), node.offset)
            case Nn():
                return self._nn(node)
            case And() | Or() | WeakAnd() | StrongOr():
                return self._list(node)
            case Difference():
                return replace(node, operands=tuple(map(self.of, node.operands)))
            case Not():
                return replace(node, operand=self.of(node.operand))
            case Apply() | Extract():
                return replace(node, inner=self.of(node.inner))
        return node

    def _nn(self, node: Nn) -> Node:
        inner = None if node.filter is None else self.of(node.filter)
        if node.key != _KEY:
            return replace(node, filter=inner)
        filled = replace(node, key=self.key, filter=inner)
        if node.vector is not None or not self.vectors:
            return filled
        return Or(tuple(replace(filled, vector=name) for name in self.vectors), node.offset)

    def _list(self, node: And | Or | WeakAnd | StrongOr) -> Node:
        has_terms = any(isinstance(operand, TermsHole) for operand in node.operands)
        if has_terms and not self.terms and isinstance(node, And | WeakAnd):
            return Or((), node.offset)
        operands = [part for operand in node.operands for part in self._operands(operand)]
        if has_terms and not operands:
            return Or((), node.offset)
        if isinstance(node, WeakAnd):
            return replace(node, operands=tuple(operands), optional_hits=self._marks(node, node.optional_hits))
        if isinstance(node, StrongOr):
            return replace(node, operands=tuple(operands), optional_weight=self._marks(node, node.optional_weight))
        return replace(node, operands=tuple(operands))

    def _operands(self, operand: Node) -> Sequence[Node]:
        return self.terms if isinstance(operand, TermsHole) else (self.of(operand),)

    def _marks(self, node: WeakAnd | StrongOr, marks: Sequence[_Mark]) -> tuple[_Mark, ...]:
        """A mark for each operand after filling; {terms} itself has none."""
        counts = [len(self.terms) if isinstance(operand, TermsHole) else 1 for operand in node.operands]
        return tuple(mark for mark, count in zip(marks, counts, strict=True) for _ in range(count))


def _read(node: Node, text: str, takes_terms: bool) -> Node:
    """The tree with its holes. takes_terms: whether {terms} may be here. Raises QueryError for other placeholders."""
    if isinstance(node, Term) and node.term == _TERMS and text.startswith(_TERMS, node.offset):
        if not takes_terms:
            raise QueryError(
                "{terms} stands directly inside and, or, weak-and or strong-or, without an option", node.offset
            )
        return TermsHole(node.offset)
    _check_placeholders(node, text)
    match node:
        case And(operands) | Or(operands):
            return replace(node, operands=tuple(_read(operand, text, True) for operand in operands))
        case WeakAnd(operands, marks) | StrongOr(operands, marks):
            read = (_read(operand, text, mark is None) for operand, mark in zip(operands, marks, strict=True))
            return replace(node, operands=tuple(read))
        case Difference(operands):
            return replace(node, operands=tuple(_read(operand, text, False) for operand in operands))
        case Not(operand):
            return replace(node, operand=_read(operand, text, False))
        case Apply(_, inner) | Extract(_, inner):
            return replace(node, inner=_read(inner, text, False))
        case Nn(filter=Node() as inner):
            return replace(node, filter=_read(inner, text, False))
    return node


def _check_placeholders(node: Node, text: str) -> None:
    """Raise QueryError where a term or a name of the node has a placeholder that does not belong there."""
    for name, value in _strings(node):
        if value == _KEY and name == "key":
            continue
        is_bare = text.startswith(value, node.offset)
        known = _QUERY if isinstance(node, Term | Prefix) and not is_bare else None
        for placeholder in _PLACEHOLDER.findall(value):
            if placeholder != known:
                raise QueryError(
                    f"unknown placeholder {placeholder!r}; allowed: {{terms}}, a word of its own; {{key}}, the key"
                    " of an nn; and {query} within a quoted string",
                    node.offset,
                )


def _strings(node: Node) -> list[tuple[str, str]]:
    """(field, value) of the names and terms of a node."""
    values = ((item.name, getattr(node, item.name)) for item in fields(node))  # type: ignore[arg-type]
    return [(name, value) for name, value in values if isinstance(value, str)]
