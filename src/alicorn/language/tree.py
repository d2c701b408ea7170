"""The tree of a query: frozen nodes, and their one canonical spelling.

A node says what is asked, never how it is found: it holds names and numbers, no ids, no vectors, no statistics. The
annotations of its fields say how it is written (syntax.py): a new operator is one class here and its place in
OPERATORS, from which the parser, the printer, the check of trees made in Python and the templates are driven.

Equality and hash ignore `offset`, the character of the source text at which the node began. `str(node)` prints the
canonical S-expression, and `parse(str(tree)) == tree` for every tree that the parser accepts.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar

from alicorn.interval import End
from alicorn.language.syntax import Mark, Mistake, NameSlot, Operand, Operands, Option, Syntax, TextSlot, WordsSlot
from alicorn.language.values import (
    COUNT,
    END,
    EXPRESSION,
    MAX_LIMIT,
    MAX_SLOP,
    MAX_TERMS,
    MAX_WORDS,
    NAME,
    Value,
    at_most,
    count_to,
    quoted,
    spelled,
    spelled_number,
)

DEFAULT_LIMIT = 5000
"""Inner results that apply and extract expand when `:limit` is not given (Unicorn's usual value)."""

DEFAULT_PREFIX_TERMS = 10_000
"""Terms that a prefix expands to when `:terms` is not given."""
DEFAULT_FUZZY_TERMS = 50
"""The same of a fuzzy term, as in Lucene."""
MAX_EDITS = 2
"""Three edits make most words of five letters any other."""


class Node:
    """What all nodes share. searches: whether it may look at the whole collection, whatever its siblings match."""

    __slots__ = ()
    operator: ClassVar[str]
    searches: ClassVar[bool] = False
    offset: int

    def mistake(self) -> Mistake | None:
        """What is wrong with its arguments together, or None."""
        return None

    def __str__(self) -> str:
        return _written(self)


def _offset() -> int:
    return field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Term(Node):
    """Documents that have the term."""

    operator: ClassVar[str] = "term"
    term: Annotated[str, TextSlot("a term")]
    offset: int = _offset()

    def __str__(self) -> str:
        return quoted(self.term)


@dataclass(frozen=True, slots=True)
class Prefix(Node):
    """Documents that have one of the `terms` most frequent terms that begin with `prefix`.

    A term's frequency is its number of live documents in the collection; equal ones come by the term's UTF-8 bytes.
    """

    operator: ClassVar[str] = "prefix"
    prefix: Annotated[str, TextSlot("the beginning of a term")]
    terms: Annotated[int, Option(count_to(MAX_TERMS))] = DEFAULT_PREFIX_TERMS
    offset: int = _offset()


@dataclass(frozen=True, slots=True)
class Fuzzy(Node):
    """Documents that have one of the `terms` terms that are nearest to `term`, at most `edits` edits from it.

    An edit inserts, deletes or replaces a character (a Unicode code point), or swaps two neighbours that no other edit
    touches (optimal string alignment). The beginning of the term up to the first `:`, and `exact` characters more, are
    equal. Terms are ranked by their edits, then by the number of live documents, then by their UTF-8 bytes. A term that
    `below` live documents have, or more, stands for itself alone: it is no misspelling.
    """

    operator: ClassVar[str] = "fuzzy"
    searches: ClassVar[bool] = True
    term: Annotated[str, TextSlot("a term")]
    edits: Annotated[int, Option(count_to(MAX_EDITS))] = 1
    exact: Annotated[int | None, Option(COUNT)] = None
    terms: Annotated[int, Option(count_to(MAX_TERMS))] = DEFAULT_FUZZY_TERMS
    below: Annotated[int | None, Option(COUNT)] = None
    offset: int = _offset()

    @property
    def parts(self) -> tuple[str, str]:
        """The beginning that must be equal, and the rest."""
        start = self.term.find(":") + 1 + (self.exact or 0)
        return self.term[:start], self.term[start:]


@dataclass(frozen=True, slots=True)
class Phrase(Node):
    """Documents that have the terms `prefix:word` in the order of the words, or `slop` moves from it.

    A document has the phrase if each word i can be given a position p_i that has its term, no position to two words
    with the same term, so that the greatest p_i - i is at most `slop` above the least. So with slop 0 the words are one
    after the other; every word between two of them costs 1, and two neighbours in the wrong order cost 2.
    Source: Lucene's PhraseQuery.
    """

    operator: ClassVar[str] = "phrase"
    searches: ClassVar[bool] = True
    prefix: Annotated[str, NameSlot("a prefix of terms")]
    words: Annotated[tuple[str, ...], WordsSlot(MAX_WORDS)]
    slop: Annotated[int, Option(count_to(MAX_SLOP, 0))] = 0
    offset: int = _offset()

    @property
    def terms(self) -> tuple[str, ...]:
        """The term of each word."""
        return tuple(f"{self.prefix}:{word}" for word in self.words)


@dataclass(frozen=True, slots=True)
class And(Node):
    """Documents of every operand; an operand `Not` takes its documents away."""

    operator: ClassVar[str] = "and"
    operands: Annotated[tuple[Node, ...], Operands(least=1, takes_terms=True)]
    offset: int = _offset()

    def mistake(self) -> Mistake | None:
        if all(type(operand) is Not for operand in self.operands):
            return Mistake(
                "(and ...) needs an operand that is no (not ...), or nearly the whole collection would match"
            )
        return None


@dataclass(frozen=True, slots=True)
class Or(Node):
    """Documents of any operand; without operands, none."""

    operator: ClassVar[str] = "or"
    operands: Annotated[tuple[Node, ...], Operands(takes_terms=True)]
    offset: int = _offset()


@dataclass(frozen=True, slots=True)
class Difference(Node):
    """Documents of the first operand that are in none of the others."""

    operator: ClassVar[str] = "difference"
    operands: Annotated[tuple[Node, ...], Operands(least=2)]
    offset: int = _offset()


@dataclass(frozen=True, slots=True)
class Not(Node):
    """Documents outside the operand; is allowed only inside `And`, beside an operand that is no `Not`."""

    operator: ClassVar[str] = "not"
    operand: Annotated[Node, Operand()]
    offset: int = _offset()


@dataclass(frozen=True, slots=True)
class Range(Node):
    """Documents whose stored value is at least `minimum` and at most `maximum`. None: that end is open.

    A Decimal is an end that no float is spelled as, a str one of ISO 8601. alicorn.interval says what an end is to each
    type of column.
    """

    operator: ClassVar[str] = "range"
    column: Annotated[str, NameSlot("a column")]
    minimum: Annotated[End | None, Option(END, "min")] = None
    maximum: Annotated[End | None, Option(END, "max")] = None
    offset: int = _offset()

    def mistake(self) -> Mistake | None:
        if self.minimum is None and self.maximum is None:
            return Mistake("(range ...) needs :min or :max or both")
        return None


@dataclass(frozen=True, slots=True)
class Nn(Node):
    """Documents near a vector of the request: within `radius`, or the `k` nearest (of `filter`'s documents).

    radius: cosine distance, 1 - cos, in (0, 2]. Exactly one of radius and k is given.
    nprobe: look only in that many nearest clusters; scan: only in the nearest clusters that together hold that many
    documents of the filter (without one, of the collection); recall: in as many as find that share of the k nearest,
    by the key's calibration. With none of them, in all, so that the set is complete.
    vector: name of the request's vector; None: the vector given for `key`.
    Source: EBR (KDD 2020), section 4.2.
    """

    operator: ClassVar[str] = "nn"
    searches: ClassVar[bool] = True
    key: Annotated[str, NameSlot("an embedding key")]
    radius: Annotated[float | None, Option(at_most(2, " (cosine distance)"))] = None
    k: Annotated[int | None, Option(COUNT)] = None
    nprobe: Annotated[int | None, Option(COUNT)] = None
    scan: Annotated[int | None, Option(COUNT)] = None
    recall: Annotated[float | None, Option(at_most(1))] = None
    filter: Annotated[Node | None, Option(EXPRESSION)] = None
    vector: Annotated[str | None, Option(NAME)] = None
    offset: int = _offset()

    def mistake(self) -> Mistake | None:
        if self.radius is not None and self.k is not None:
            return Mistake(
                "(nn ...) takes radius or k, not both: the k nearest, or all within the radius", ("radius", "k")
            )
        if self.radius is None and self.k is None:
            return Mistake("(nn ...) needs :radius (cosine distance, in (0, 2]) or :k (number of nearest)")
        if self.filter is not None and self.k is None:
            return Mistake("(nn ...) takes :filter only with :k; with :radius write (and filter (nn ...))", ("filter",))
        given = tuple(name for name in ("nprobe", "scan", "recall") if getattr(self, name) is not None)
        if len(given) > 1:
            return Mistake(
                "(nn ...) takes one of :nprobe (a number of clusters), :scan (a number of documents) and :recall"
                f" (a share of the k nearest), got {' and '.join(f':{name}' for name in given)}",
                given,
            )
        if self.recall is not None and self.k is None:
            return Mistake(
                "(nn ...) takes :recall only with :k, whose nearest it counts; a :radius is complete, or limited by"
                " :nprobe or :scan",
                ("recall",),
            )
        return None

    @property
    def in_all_clusters(self) -> bool:
        """Whether it looks in every cluster, so that its set is complete."""
        return self.nprobe is None and not self.counts_documents

    @property
    def counts_documents(self) -> bool:
        """Whether the documents that are allowed decide how many clusters it looks in."""
        return self.scan is not None or self.recall is not None


@dataclass(frozen=True, slots=True)
class WeakAnd(Node):
    """Like And, but `optional_hits[i]` documents may lack operand i (None: none may). Source: Unicorn, section 4.

    Documents are taken in static-rank order, then by doc_id; one that lacks marked operands is accepted while each of
    their counters is above 0, and takes 1 from each.
    """

    operator: ClassVar[str] = "weak-and"
    searches: ClassVar[bool] = True
    operands: Annotated[tuple[Node, ...], Operands(least=1, takes_terms=True)]
    optional_hits: Annotated[tuple[int | None, ...], Mark(COUNT)]
    offset: int = _offset()


@dataclass(frozen=True, slots=True)
class StrongOr(Node):
    """Like Or; of an answer cut to L, operand i has at least ceil(`optional_weight[i]` x L) places. Source: Unicorn."""

    operator: ClassVar[str] = "strong-or"
    operands: Annotated[tuple[Node, ...], Operands(least=1, takes_terms=True)]
    optional_weight: Annotated[tuple[float | None, ...], Mark(at_most(1))]
    offset: int = _offset()


@dataclass(frozen=True, slots=True)
class Apply(Node):
    """Union of the terms `<prefix><doc_id>` over the first `limit` documents of `inner`, in static-rank order."""

    operator: ClassVar[str] = "apply"
    searches: ClassVar[bool] = True
    prefix: Annotated[str, TextSlot("a term prefix", may_be_empty=True)]
    inner: Annotated[Node, Operand()]
    limit: Annotated[int, Option(count_to(MAX_LIMIT))] = DEFAULT_LIMIT
    offset: int = _offset()


@dataclass(frozen=True, slots=True)
class Extract(Node):
    """Documents whose ids are listed in the stored `column` of the first `limit` documents of `inner`."""

    operator: ClassVar[str] = "extract"
    searches: ClassVar[bool] = True
    column: Annotated[str, NameSlot("a stored column")]
    inner: Annotated[Node, Operand()]
    limit: Annotated[int, Option(count_to(MAX_LIMIT))] = DEFAULT_LIMIT
    offset: int = _offset()


_NODES: tuple[type[Node], ...] = (
    Term,
    Prefix,
    Fuzzy,
    Phrase,
    And,
    Or,
    Difference,
    Not,
    Range,
    Nn,
    WeakAnd,
    StrongOr,
    Apply,
    Extract,
)
OPERATORS = {node.operator: Syntax.of(node) for node in _NODES}
"""How each operator is written."""
MARKS = {syntax.mark.name: syntax for syntax in OPERATORS.values() if syntax.mark is not None}
"""The operators that take a marked operand, by its option."""
SEARCHES = f"{', '.join(name for name, syntax in OPERATORS.items() if syntax.searches)} and marked operands of weak-and"
"""What an expression has at most MAX_SEARCHES of, in words."""


def children(node: Node) -> tuple[Node, ...]:
    """The node's operands in the order in which they are written; an Nn has its filter."""
    syntax = OPERATORS.get(node.operator)
    if syntax is None:  # the hole of a template
        return ()
    operands = syntax.operands_of(node)
    if not syntax.expressions:
        return operands
    given = (getattr(node, name) for name in syntax.expressions)
    return (*operands, *(inner for inner in given if inner is not None))


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it, each before its operands, from left to right."""
    pending = [node]
    while pending:
        node = pending.pop()
        yield node
        if type(node) is not Term:  # most nodes
            pending.extend(reversed(children(node)))


def with_fuzzy_replaced(node: Node, others: Mapping[Fuzzy, Node]) -> Node:
    """The tree with other nodes in the places of some fuzzy terms."""
    return _rewritten(node, lambda one: others.get(one, one) if isinstance(one, Fuzzy) else one)


def exactly(node: Node) -> Node:
    """The tree whose nearest documents are looked for everywhere: without nprobe, scan and recall."""
    return with_nn(node, lambda nn: replace(nn, nprobe=None, scan=None, recall=None))


def with_nn(node: Node, change: Callable[[Nn], Nn]) -> Node:
    """The tree with every `nn` changed."""
    return _rewritten(node, lambda one: change(one) if isinstance(one, Nn) else one)


def _rewritten(node: Node, change: Callable[[Node], Node]) -> Node:
    """The tree with every node changed, its operands first."""
    syntax = OPERATORS[node.operator]
    operands = [_rewritten(operand, change) for operand in syntax.operands_of(node)]
    values = syntax.as_fields(operands, syntax.marks_of(node)) if operands else {}
    for name in syntax.expressions:
        inner = getattr(node, name)
        if inner is not None:
            values[name] = _rewritten(inner, change)
    return change(replace(node, **values) if values else node)  # type: ignore[type-var]


def _written(node: Node) -> str:
    """The canonical S-expression of a node."""
    syntax = OPERATORS[node.operator]
    parts = [node.operator]
    if syntax.word is not None:
        parts.append(quoted(getattr(node, syntax.word_field)))
    parts += map(quoted, syntax.words_of(node))
    if syntax.mark is None:
        parts += map(str, syntax.operands_of(node))
    else:
        marks = zip(syntax.operands_of(node), syntax.marks_of(node), strict=True)
        parts += [_marked(operand, syntax.mark.name, mark) for operand, mark in marks]
    for option in syntax.options.values():
        value = getattr(node, option.field)
        if value is not None and value != option.default:
            parts.append(f":{option.name} {_spelled(option.value, value)}")
    return f"({' '.join(parts)})"


def _spelled(kind: Value, value: Any) -> str:
    return str(value) if kind is EXPRESSION else spelled(value)


def _marked(operand: Node, name: str, mark: int | float | None) -> str:
    text = str(operand)
    if mark is None:
        return text
    if text in OPERATORS:  # a term called `and` would be read as the operator
        text = f'"{text}"'
    return f"({text} :{name} {spelled_number(mark)})"
