"""The tree of a query: frozen nodes, and their one canonical spelling.

A node says what is asked, never how it is found: it holds names and numbers, no ids, no vectors, no statistics.
Equality and hash ignore `offset`, the character of the source text at which the node began. `str(node)` prints the
canonical S-expression, and `parse(str(tree)) == tree` for every tree that the parser accepts.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import ClassVar

from alicorn.interval import Number

DEFAULT_LIMIT = 5000
"""Inner results that apply and extract expand when `:limit` is not given (Unicorn's usual value)."""

_NEEDS_QUOTES = re.compile(r'[\s()"\\]|^:|^$')


class Node:
    """What all nodes share: the offset of their first character, and a canonical spelling."""

    __slots__ = ()
    operator: ClassVar[str]
    offset: int

    def __str__(self) -> str:
        return write(self)


def _offset() -> int:
    return field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Term(Node):
    """Documents that have the term."""

    operator: ClassVar[str] = "term"
    term: str
    offset: int = _offset()


@dataclass(frozen=True, slots=True)
class Prefix(Node):
    """Documents that have a term which begins with `prefix`."""

    operator: ClassVar[str] = "prefix"
    prefix: str
    offset: int = _offset()


@dataclass(frozen=True, slots=True)
class And(Node):
    """Documents of every operand; an operand `Not` takes its documents away."""

    operator: ClassVar[str] = "and"
    operands: tuple[Node, ...]
    offset: int = _offset()


@dataclass(frozen=True, slots=True)
class Or(Node):
    """Documents of any operand; without operands, none."""

    operator: ClassVar[str] = "or"
    operands: tuple[Node, ...]
    offset: int = _offset()


@dataclass(frozen=True, slots=True)
class Difference(Node):
    """Documents of the first operand that are in none of the others."""

    operator: ClassVar[str] = "difference"
    operands: tuple[Node, ...]
    offset: int = _offset()


@dataclass(frozen=True, slots=True)
class Not(Node):
    """Documents outside the operand; is allowed only inside `And`, beside an operand that is no `Not`."""

    operator: ClassVar[str] = "not"
    operand: Node
    offset: int = _offset()


@dataclass(frozen=True, slots=True)
class Range(Node):
    """Documents whose stored number is at least `minimum` and at most `maximum`. None: that end is open.

    A Decimal is an end that no float is spelled as. alicorn.interval says what a number is to each type of column.
    """

    operator: ClassVar[str] = "range"
    column: str
    minimum: Number | None = None
    maximum: Number | None = None
    offset: int = _offset()


@dataclass(frozen=True, slots=True)
class Nn(Node):
    """Documents near a vector of the request: within `radius`, or the `k` nearest (of `filter`'s documents).

    radius: cosine distance, 1 - cos, in (0, 2]. Exactly one of radius and k is given.
    nprobe: look only in that many nearest clusters; scan: only in the nearest clusters that together hold that many
    documents of the filter (without one, of the collection). With neither, in all, so that the set is complete.
    vector: name of the request's vector; None: the vector given for `key`.
    Source: EBR (KDD 2020), section 4.2.
    """

    operator: ClassVar[str] = "nn"
    key: str
    radius: float | None = None
    k: int | None = None
    nprobe: int | None = None
    filter: Node | None = None
    vector: str | None = None
    scan: int | None = None
    offset: int = _offset()

    @property
    def in_all_clusters(self) -> bool:
        """Whether it looks in every cluster, so that its set is complete."""
        return self.nprobe is None and self.scan is None


@dataclass(frozen=True, slots=True)
class WeakAnd(Node):
    """Like And, but `optional_hits[i]` documents may lack operand i (None: none may). Source: Unicorn, section 4.

    Documents are taken in static-rank order, then by doc_id; one that lacks marked operands is accepted while each of
    their counters is above 0, and takes 1 from each.
    """

    operator: ClassVar[str] = "weak-and"
    operands: tuple[Node, ...]
    optional_hits: tuple[int | None, ...]
    offset: int = _offset()


@dataclass(frozen=True, slots=True)
class StrongOr(Node):
    """Like Or; of an answer cut to L, operand i has at least ceil(`optional_weight[i]` x L) places. Source: Unicorn."""

    operator: ClassVar[str] = "strong-or"
    operands: tuple[Node, ...]
    optional_weight: tuple[float | None, ...]
    offset: int = _offset()


@dataclass(frozen=True, slots=True)
class Apply(Node):
    """Union of the terms `<prefix><doc_id>` over the first `limit` documents of `inner`, in static-rank order."""

    operator: ClassVar[str] = "apply"
    prefix: str
    inner: Node
    limit: int = DEFAULT_LIMIT
    offset: int = _offset()


@dataclass(frozen=True, slots=True)
class Extract(Node):
    """Documents whose ids are listed in the stored `column` of the first `limit` documents of `inner`."""

    operator: ClassVar[str] = "extract"
    column: str
    inner: Node
    limit: int = DEFAULT_LIMIT
    offset: int = _offset()


OPERATORS = frozenset(
    node.operator for node in (Term, Prefix, And, Or, Difference, Not, Range, Nn, WeakAnd, StrongOr, Apply, Extract)
)


def children(node: Node) -> tuple[Node, ...]:
    """The node's operands in the order in which they are written; an Nn has its filter."""
    match node:
        case And() | Or() | Difference() | WeakAnd() | StrongOr():
            return node.operands
        case Not():
            return (node.operand,)
        case Apply() | Extract():
            return (node.inner,)
        case Nn(filter=Node() as inner):
            return (inner,)
    return ()


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it, each before its operands, from left to right."""
    pending = [node]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(reversed(children(node)))


def write(node: Node) -> str:
    """The canonical S-expression of a tree."""
    match node:
        case Term(term):
            return quoted(term)
        case Prefix(prefix):
            return f"(prefix {quoted(prefix)})"
        case WeakAnd(operands, optional_hits):
            return _list(node, *map(_marked, operands, optional_hits, ["optional-hits"] * len(operands)))
        case StrongOr(operands, optional_weight):
            return _list(node, *map(_marked, operands, optional_weight, ["optional-weight"] * len(operands)))
        case Range():
            return _list(node, quoted(node.column), *_options(min=node.minimum, max=node.maximum))
        case Nn():
            numbers = _options(radius=node.radius, k=node.k, nprobe=node.nprobe, scan=node.scan)
            inner = [] if node.filter is None else [f":filter {write(node.filter)}"]
            vector = [] if node.vector is None else [f":vector {quoted(node.vector)}"]
            return _list(node, quoted(node.key), *numbers, *inner, *vector)
        case Apply(name, inner_node, limit) | Extract(name, inner_node, limit):
            cut = [] if limit == DEFAULT_LIMIT else _options(limit=limit)
            return _list(node, quoted(name), write(inner_node), *cut)
    return _list(node, *map(write, children(node)))


def quoted(text: str) -> str:
    """A term or a name as it is written in an expression: bare where that is read back the same, else in quotes."""
    if _NEEDS_QUOTES.search(text) is None:
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _list(node: Node, *parts: str) -> str:
    return "(" + " ".join((node.operator, *parts)) + ")"


def _options(**values: Number | None) -> list[str]:
    return [f":{name} {spelled_number(value)}" for name, value in values.items() if value is not None]


def spelled_number(value: Number) -> str:
    """A number as it is written in an expression, and read back exactly."""
    if isinstance(value, Decimal):
        return str(value)
    return repr(int(value)) if isinstance(value, int) else repr(float(value))


def _marked(operand: Node, mark: int | float | None, option: str) -> str:
    text = write(operand)
    if mark is None:
        return text
    if text in OPERATORS:  # a term called `and` would be read as the operator
        text = f'"{text}"'
    return f"({text} :{option} {spelled_number(mark)})"
