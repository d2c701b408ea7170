"""Expression templates: `(and {terms})` with the query "john smith" is `(and text:john text:smith)`.

A template is an expression with holes. It is parsed once, into a tree; filling the holes makes another tree.

    {terms}    the terms of the query of prefix `text`, as the vertical's analysis reads it, directly inside and, or,
               weak-and or strong-or; {terms:title} those of prefix `title`. In a fuzzy among such operands: a fuzzy of
               each term, with the same options. As a word of a phrase: the words of the query, read by the analysis of
               the phrase's prefix, but for its stop words and synonyms
    {query}    inside a quoted term or the text of another operator (prefix, apply): the query as alicorn.text.phrase
               writes it. `"name:{query}"` is the term that a term rule of kind phrase makes
    {key}      the embedding key of an nn
    {searcher:COLUMN:PREFIX}
               where {terms} may be: a term `PREFIX:value` for each value of a column of the searcher or the context
    {regions}  where {terms} may be: `(or (nn KEY :radius 0.2 :vector region-1) ...)`, an `nn` for each region of the
               searcher, which is a document of an interest and a radius around it (REGION_COLUMNS)

A query without any word has a meaning too: an `and` of its words matches nothing and becomes `(or)`; in an `or` the
words disappear; a term, or another operator's text, that would be empty becomes `(or)`. So it is with a column of
which nothing is known, and with a searcher without regions.

Several templates, each with a name, are the channels of one: an `or` of them, whose operands keep their names.

A request may have several vectors, one for each interest: then an `(nn {key} ...)` without `:vector` becomes
`(or (nn {key} ... :vector interest-1) (nn {key} ... :vector interest-2) ...)`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from itertools import chain
from typing import Any, ClassVar, NamedTuple

from alicorn.errors import QueryError
from alicorn.language.parse import parse
from alicorn.language.syntax import NameSlot, Syntax
from alicorn.language.tree import OPERATORS, And, Fuzzy, Nn, Node, Or, Phrase, StrongOr, Term, walk
from alicorn.text import phrase, query_terms

KEY = "{key}"
"""The hole of an embedding key."""
REGION_COLUMNS = ("interest_ids", "interest_radii")
"""The columns of a searcher that {regions} asks for: documents, the most important first, and cosine distances."""
_QUERY = "{query}"
_REGIONS = "{regions}"
_WORDS = "{terms}"
_NAME = "[A-Za-z][A-Za-z0-9_.-]*"
_TERMS = re.compile(rf"\{{terms(?::({_NAME}))?\}}")
_SEARCHER = re.compile(rf"\{{searcher:([A-Za-z_][A-Za-z0-9_.-]*):({_NAME})\}}")
_PLACEHOLDER = re.compile(r"\{[^{}]*\}?|\}")


class Reading(NamedTuple):
    """How a query is read: functions of a prefix and the query.

    terms: the operands in the place of {terms}; words: the words of a phrase in their order, without the prefix.
    values: the terms of a column of the searcher, a function of the column and the prefix. regions: an nn for each.
    """

    terms: Callable[[str, str], Sequence[Node]]
    words: Callable[[str, str], Sequence[str]]
    values: Callable[[str, str], Sequence[Node]] = lambda column, prefix: ()
    regions: Sequence[Nn] = ()


@dataclass(frozen=True, slots=True)
class TermsHole(Node):
    """The place of the terms of a query, of one prefix, among the operands of and, or, weak-and or strong-or.

    fuzzy: where each term is looked for with its misspellings, the operator with {terms} in the place of its term.
    """

    operator: ClassVar[str] = "{terms}"
    prefix: str = "text"
    fuzzy: Fuzzy | None = None
    offset: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class SearcherHole(Node):
    """The place of the values of a column of the searcher, as terms of a prefix."""

    operator: ClassVar[str] = "{searcher}"
    column: str
    prefix: str
    offset: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class RegionsHole(Node):
    """The place of the regions of a searcher."""

    operator: ClassVar[str] = _REGIONS
    offset: int = field(default=0, compare=False, repr=False)


Hole = TermsHole | SearcherHole | RegionsHole


@dataclass(frozen=True)
class Template:
    """text: as it was written. root: its tree, with a hole for each {terms} and {searcher:...}.

    channels: the templates that it is the `or` of, by their names; empty where it was written as one.
    """

    text: str
    root: Node
    channels: Mapping[str, "Template"] = field(default_factory=dict, hash=False)

    @classmethod
    def parse(cls, text: str) -> "Template":
        """Raises QueryError, with the offset, for a malformed expression and for a placeholder in a wrong place."""
        return cls(text, _read(parse(text), text, False))

    @classmethod
    def of_channels(cls, channels: Mapping[str, "Template"]) -> "Template":
        """The `or` of templates; operand i of its tree, filled or not, is channel i."""
        text = f"(or {' '.join(map(str, channels.values()))})"
        return cls(text, Or(tuple(template.root for template in channels.values())), dict(channels))

    def __str__(self) -> str:
        return self.text

    @cached_property
    def prefixes(self) -> frozenset[str]:
        """Those of the terms that the words of a query become."""
        return self._of_terms | self._of_phrases

    @cached_property
    def searcher_columns(self) -> tuple[str, ...]:
        """The columns of the searcher and the context that become terms and regions."""
        asked: list[str] = []
        for hole in self._of_searcher:
            asked += [hole.column] if isinstance(hole, SearcherHole) else REGION_COLUMNS
        return tuple(dict.fromkeys(asked))

    @cached_property
    def has_terms(self) -> bool:
        """Whether it has terms of its own or of the query, which BM25 can score."""
        return any(isinstance(node, Term | TermsHole | Phrase) for node in walk(self.root))

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The embedding keys of its nn, in their order; `{key}` is the hole."""
        return tuple(dict.fromkeys(node.key for node in walk(self.root) if isinstance(node, Nn)))

    def fill(self, query: str, key: str, vectors: Sequence[str] = (), reads: Reading | None = None) -> Node:
        """The expression of a query. vectors: names of the request's vectors where it has several, else empty.

        reads: without it, a term for each of alicorn.text.query_terms.
        """
        read = reads or WORDS_AS_TERMS
        terms: dict[Hole, tuple[Node, ...]] = {TermsHole(one): tuple(read.terms(one, query)) for one in self._of_terms}
        for hole in self._of_searcher:
            if isinstance(hole, SearcherHole):
                terms[hole] = tuple(read.values(hole.column, hole.prefix))
            else:
                terms[hole] = (Or(tuple(read.regions)),) if read.regions else ()
        words = {prefix: tuple(read.words(prefix, query)) for prefix in self._of_phrases}
        return _Filling(terms, words, phrase(query), key, tuple(vectors)).of(self.root)

    @cached_property
    def _of_terms(self) -> frozenset[str]:
        """The prefixes by which the query is read for {terms} as operands."""
        return frozenset(node.prefix for node in walk(self.root) if isinstance(node, TermsHole))

    @cached_property
    def _of_phrases(self) -> frozenset[str]:
        """The same for {terms} as words of phrases."""
        return frozenset(node.prefix for node in walk(self.root) if isinstance(node, Phrase) and _WORDS in node.words)

    @cached_property
    def _of_searcher(self) -> tuple[SearcherHole | RegionsHole, ...]:
        return tuple(node for node in walk(self.root) if isinstance(node, SearcherHole | RegionsHole))


WORDS_AS_TERMS = Reading(
    lambda prefix, query: [Term(f"{prefix}:{term}") for term in query_terms(query)],
    lambda _, query: query_terms(query),
)
"""A term for each of alicorn.text.query_terms."""


def interest_names(count: int) -> tuple[str, ...]:
    """Names of the vectors of a request with several interests."""
    return tuple(f"interest-{number}" for number in range(1, count + 1))


def region_names(count: int) -> tuple[str, ...]:
    """Names of the vectors that {regions} are around."""
    return tuple(f"region-{number}" for number in range(1, count + 1))


@dataclass(frozen=True, slots=True)
class _Filling:
    """The values of the holes for one query. terms: operands by hole; words: of a phrase, by prefix."""

    terms: Mapping[Hole, tuple[Node, ...]]
    words: Mapping[str, tuple[str, ...]]
    phrase: str
    key: str
    vectors: tuple[str, ...]

    def of(self, node: Node) -> Node:
        """The node with its holes, and those below it, filled."""
        syntax = OPERATORS[node.operator]
        values: dict[str, Any] = {}
        if syntax.word is not None:
            word = getattr(node, syntax.word_field)
            if _QUERY in word:
                values[syntax.word_field] = filled = word.replace(_QUERY, self.phrase)
                if not filled:
                    return Or((), node.offset)
        if syntax.words is not None:
            words = self._words(node, syntax)
            if not words:
                return Or((), node.offset)
            values[syntax.words_field] = words
        for name in syntax.expressions:
            inner = getattr(node, name)
            if inner is not None:
                values[name] = self.of(inner)
        if syntax.operands_field:
            operands = self._operands(node, syntax)
            if operands is None:
                return Or((), node.offset)
            values |= operands
        node = replace(node, **values) if values else node  # type: ignore[type-var]
        return self._with_key(node) if isinstance(node, Nn) and node.key == KEY else node

    def _with_key(self, node: Nn) -> Node:
        filled = replace(node, key=self.key)
        if node.vector is not None or not self.vectors:
            return filled
        return Or(tuple(replace(filled, vector=name) for name in self.vectors), node.offset)

    def _words(self, node: Any, syntax: Syntax) -> tuple[str, ...]:
        """The words of a phrase, with those of the query in the place of {terms}."""
        filled = (self.words[node.prefix] if word == _WORDS else (word,) for word in syntax.words_of(node))
        return tuple(chain.from_iterable(filled))

    def _operands(self, node: Node, syntax: Syntax) -> dict[str, Any] | None:
        """The fields of operands and marks; None where the words are missing without which nothing matches."""
        operands: list[Node] = []
        marks: list[Any] = []
        before = syntax.operands_of(node)
        holes = [operand for operand in before if isinstance(operand, Hole)]
        if holes and not any(map(self._terms, holes)) and not isinstance(node, Or | StrongOr):
            return None
        for operand, mark in zip(before, syntax.marks_of(node) or (None,) * len(before), strict=True):
            filled = self._terms(operand) if isinstance(operand, Hole) else (self.of(operand),)
            operands += filled
            marks += (mark,) * len(filled)
        if before and not operands:
            return None
        return syntax.as_fields(operands, marks)

    def _terms(self, hole: Hole) -> tuple[Node, ...]:
        if not isinstance(hole, TermsHole):
            return self.terms[hole]
        terms, fuzzy = self.terms[TermsHole(hole.prefix)], hole.fuzzy
        return terms if fuzzy is None else tuple(_fuzzy(term, fuzzy) for term in terms)


def _fuzzy(node: Node, fuzzy: Fuzzy) -> Node:
    """Each term of what a word of a query became as a fuzzy with the same options."""
    match node:
        case Term(term=term):
            return replace(fuzzy, term=term)
        case Or(operands=operands) | And(operands=operands):
            return replace(node, operands=tuple(_fuzzy(operand, fuzzy) for operand in operands))
    return node


def _read(node: Node, text: str, takes_terms: bool) -> Node:
    """The tree with its holes. takes_terms: whether {terms} may be here. Raises QueryError for other placeholders."""
    hole = _hole(node, text)
    if hole is not None:
        if not takes_terms:
            written = f"{{searcher:{hole.column}:{hole.prefix}}}" if isinstance(hole, SearcherHole) else hole.operator
            raise QueryError(
                f"{written} is allowed directly inside and, or, weak-and or strong-or, without an option", node.offset
            )
        return hole
    _check_placeholders(node, text)
    syntax = OPERATORS[node.operator]
    values: dict[str, Any] = {}
    for name in syntax.expressions:
        inner = getattr(node, name)
        values[name] = None if inner is None else _read(inner, text, False)
    if syntax.operands_field:
        operands, marks = syntax.operands_of(node), syntax.marks_of(node)
        takes = syntax.operands.takes_terms
        read = [
            _read(operand, text, takes and not (marks and marks[at] is not None)) for at, operand in enumerate(operands)
        ]
        values |= syntax.as_fields(read, marks)
    return replace(node, **values) if values else node  # type: ignore[type-var]


def _hole(node: Node, text: str) -> Hole | None:
    """What a term stands for, where it is the name of a hole and not quoted."""
    if not isinstance(node, Term | Fuzzy):
        return None
    found = _TERMS.fullmatch(node.term)
    if found is not None and (isinstance(node, Fuzzy) or text.startswith(found.group(), node.offset)):
        return TermsHole(found.group(1) or "text", node if isinstance(node, Fuzzy) else None, node.offset)
    if isinstance(node, Term) and node.term == _REGIONS and text.startswith(_REGIONS, node.offset):
        return RegionsHole(node.offset)
    found = _SEARCHER.fullmatch(node.term) if isinstance(node, Term) else None
    if found is not None and text.startswith(found.group(), node.offset):
        return SearcherHole(found.group(1), found.group(2), node.offset)
    return None


def _check_placeholders(node: Node, text: str) -> None:
    """Raise QueryError where a term or a name of the node has a placeholder that does not belong there."""
    syntax = OPERATORS[node.operator]
    holds_query = syntax.word_field if not isinstance(syntax.word, NameSlot) else ""
    for name, value in _strings(node):
        if value == KEY and isinstance(node, Nn) and name == "key":
            continue
        known = _QUERY if name == holds_query and not text.startswith(value, node.offset) else None
        for placeholder in _PLACEHOLDER.findall(value):
            if placeholder != known:
                raise QueryError(
                    f"unknown placeholder {placeholder!r}; allowed: {{terms}} or {{terms:prefix}}, a word of its own"
                    " (or of a phrase or fuzzy); {searcher:column:prefix} and {regions}, words of their own;"
                    " {key}, the key of an nn; and {query} within a quoted string",
                    node.offset,
                )


def _strings(node: Node) -> list[tuple[str, str]]:
    """(field, value) of the names and terms of a node, but for the {terms} of a phrase."""
    values = [(item.name, getattr(node, item.name)) for item in fields(node)]  # type: ignore[arg-type]
    values += [("words", word) for word in OPERATORS[node.operator].words_of(node) if word != _WORDS]
    return [(name, value) for name, value in values if isinstance(value, str)]
