"""`Vertical`: features, terms, stored columns and splits of what is searched, from vertical.yaml, cross-checked."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from alicorn.analysis import Analyzer
from alicorn.config import Config, parse_config, plain_yaml, read_text
from alicorn.errors import ConfigError
from alicorn.language.order import OrderBy
from alicorn.language.templates import REGION_COLUMNS, Reading, Template, region_names
from alicorn.language.tree import Nn, Node, Term
from alicorn.text import normalize, phrase
from alicorn.vertical.analysis import Analysis, fingerprint, operands, with_files
from alicorn.vertical.columns import (
    Column,
    ColumnType,
    check_parallel,
    check_vector_lists,
    check_vectors,
    check_weights,
    known_types,
    read_as,
)
from alicorn.vertical.expressions import (
    BY_NN_AND_WORDS,
    BY_WORDS,
    Expressions,
    HitOrders,
    Known,
    RelevanceControl,
    check_control,
    check_expressions,
    check_orders,
    order_problem,
)
from alicorn.vertical.failed_searches import FailedSearchRules
from alicorn.vertical.features import (
    OTHER_NAMES,
    DenseFeature,
    IdsFeature,
    SequenceFeature,
    VectorsFeature,
)
from alicorn.vertical.indexing.index_table import index_table, terms_and_positions
from alicorn.vertical.indexing.terms import AS_IT_IS
from alicorn.vertical.selection import Selection
from alicorn.vertical.selection.requests import Untried
from alicorn.vertical.sides import DocumentSide, Name, RequestSide
from alicorn.vertical.split import Split

ActionGrade = Annotated[float, Field(ge=0, allow_inf_nan=False)]
KnownColumns = Mapping[str, Any]
"""Columns of a searcher and of the context of a search, by name."""
NOTHING: KnownColumns = MappingProxyType({})


class Vertical(Config):
    """What is searched: the content of vertical.yaml.

    unknown_documents: rows of the log whose document is in no table of documents any more: refused, or left out and
    counted; a search whose clicks are left out is still none without a click.
    actions: of the events of a log, those that choose a document, with the grade that each gives it; 0 for none.
    failed_search_window_s: how long after a search without a click `mine` looks for what its searcher reached.
    failed_search_targets: which of that a held-out search should have found.

    analysis: how the words of a column become terms, by their prefix.

    further_embeddings, further_columns: other keys and stored columns that the collection may have, for expressions and
    orders that name them.

    expressions, order, control, selection and analysis act when documents are published and requests answered. Of the
    rest, some keys decide examples, some vectors, some documents: only the part in use has to match (decision 052).
    """

    other_names: ClassVar[Mapping[str, str]] = OTHER_NAMES

    name: Name
    embedding: Name
    further_embeddings: tuple[Name, ...] = ()
    further_columns: tuple[str, ...] = ()
    document: DocumentSide
    request: RequestSide
    split: Split
    unknown_documents: Literal["refuse", "leave_out"] = "refuse"
    actions: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]] = Field(
        default_factory=lambda: {"click": 1.0}
    )
    failed_search_window_s: Annotated[int, Field(gt=0)] = 86_400
    failed_search_targets: FailedSearchRules = FailedSearchRules()
    expressions: Expressions = Expressions()
    order: HitOrders = HitOrders()
    control: RelevanceControl | None = None
    selection: Selection = Selection()
    analysis: dict[Name, Analysis] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> "Vertical":
        prefixes = {rule.prefix for rule in self.document.terms if rule.kind == "words"}
        check_expressions(self.expressions, self._known())
        check_orders(self.order, self.expressions, self._known())
        if self.control is not None:
            check_control(self.control, self._known())
        if unused := sorted(self.analysis.keys() - prefixes):
            raise ValueError(
                f"analysis.{unused[0]}: no rule of document.terms of kind words has the prefix '{unused[0]}'; "
                f"prefixes of words: {', '.join(sorted(prefixes)) or 'none'}"
            )
        return self

    @classmethod
    def load(cls, path: str | Path) -> "Vertical":
        """The vertical in the file at `path`. Raises ConfigError."""
        path = Path(path)
        data = plain_yaml(read_text(path), where=path.name)
        return parse_config(with_files(data, path.parent, path.name), cls, where=path.name)

    def analysis_fingerprint(self) -> str | None:
        """Of what decides the terms of documents; None where words stay as they are."""
        return fingerprint(self.analysis)

    def positions(self) -> tuple[str, ...]:
        """The prefixes of the terms whose positions are kept."""
        return tuple(sorted(prefix for prefix, analysis in self.analysis.items() if analysis.positions))

    def analyzer(self, prefix: str) -> Analyzer:
        """What becomes of the words of a prefix."""
        return self.analysis[prefix].analyzer if prefix in self.analysis else AS_IT_IS

    def word_columns(self) -> dict[str, tuple[str, ...]]:
        """Column -> prefixes of the terms that its words become."""
        found: dict[str, tuple[str, ...]] = {}
        for rule in self.document.terms:
            if rule.kind == "words":
                found[rule.column] = (*found.get(rule.column, ()), rule.prefix)
        return found

    def fill(
        self, template: Template, query: str, key: str, vectors: Sequence[str] = (), known: KnownColumns = NOTHING
    ) -> Node:
        """A template as the expression of a query, whose words are read by the analysis of their prefix.

        known: columns of the searcher and the context; one that is absent or null has no value.
        """
        reading = Reading(
            lambda prefix, text: operands(self.analyzer(prefix), prefix, text),
            lambda prefix, text: self.analyzer(prefix).phrase_terms(text),
            lambda column, prefix: [Term(term) for term in self.value_terms(prefix, known.get(column))],
            self._regions(known),
        )
        return template.fill(query, key, vectors, reading)

    def _regions(self, known: KnownColumns) -> list[Nn]:
        radii = known.get(REGION_COLUMNS[1]) or ()
        names = region_names(len(radii))
        return [Nn(self.embedding, radius=radius, vector=name) for name, radius in zip(names, radii, strict=True)]

    def value_terms(self, prefix: str, value: Any) -> list[str]:
        """The terms that a value or a list of them becomes by the rules of a prefix of kind value or phrase."""
        form = (
            phrase if any(rule.kind == "phrase" for rule in self.document.terms if rule.prefix == prefix) else normalize
        )
        values = [] if value is None else value if isinstance(value, list | tuple) else [value]
        formed = (form(str(one)) for one in values if one is not None)
        return list(dict.fromkeys(f"{prefix}:{one}" for one in formed if one))

    def terms_of_value(self, text: str) -> list[str]:
        """The terms that a document has of which the whole text is a value, by every rule of kind value or phrase."""
        prefixes = dict.fromkeys(rule.prefix for rule in self.document.terms if rule.kind != "words")
        return [term for prefix in prefixes for term in self.value_terms(prefix, text)]

    def expression(
        self,
        which: Literal["boolean", "hybrid"],
        query: str,
        vectors: Sequence[str] = (),
        known: KnownColumns = NOTHING,
    ) -> Node:
        """The expression for a text request. Without any word, boolean matches nothing and hybrid keeps its nn.

        vectors: names of the request's vectors, where it has several. known: as of `fill`.
        """
        template: Template = getattr(self.expressions, which)
        return self.fill(template, query, self.embedding, vectors, known)

    def request_expression(
        self,
        query: str,
        untried: Untried,
        key: str | None = None,
        vectors: Sequence[str] = (),
        known: KnownColumns = NOTHING,
    ) -> tuple[Node, str | None]:
        """What a text request becomes: the hybrid expression, or the Boolean one and the rule of the selection for it.

        untried: what the rules may ask. key: of the embedding, the vertical's unless given. vectors: names of the
        request's, where it has several. known: as of `fill`.
        """
        rule = self.selection.untriggered(query, untried)
        if rule is not None:
            return self.expression("boolean", query, known=known), rule
        return self.fill(self.expressions.hybrid, query, key or self.embedding, vectors, known), None

    def order_of(self, which: Literal["boolean", "hybrid"]) -> OrderBy | None:
        """The order of the hits of an expression: that of the file. Without one, by BM25 and then static rank where the
        expression has no `nn`, by a sum of both where it has an `nn` and terms; else None, by `nn`.

        BM25 is then of the query's words alone, where the expression has terms of the searcher or of the control too.
        """
        order: OrderBy | None = getattr(self.order, which)
        if order is not None:
            return order
        template: Template = getattr(self.expressions, which)
        if not template.keys:
            return BY_WORDS
        if not template.searcher_columns and self.control is None:
            return BY_NN_AND_WORDS if template.has_terms else None
        of_words = {f"bm25:{prefix}": BY_NN_AND_WORDS["bm25"] for prefix in sorted(template.prefixes)}
        return {"nn": BY_NN_AND_WORDS["nn"], **of_words}

    @property
    def asker_columns(self) -> tuple[str, ...]:
        """The columns of the searcher and the context that the expressions ask for."""
        read = (*self.expressions.boolean.searcher_columns, *self.expressions.hybrid.searcher_columns)
        return tuple(dict.fromkeys(read))

    def check_order(self, which: Literal["boolean", "hybrid"], order_by: OrderBy) -> None:
        """Raise ConfigError for an order that this vertical could not have."""
        if problem := order_problem(order_by, getattr(self.expressions, which), self._known()):
            raise ConfigError(f"order.{which}: {problem}")

    def document_columns(self) -> list[Column]:
        """The columns that `documents` must have, doc_id first."""
        return [Column("doc_id", ColumnType.STRING, "every table of documents"), *self._document_columns()]

    def document_types(self) -> dict[str, pa.DataType]:
        """The types of columns of documents that CSV does not tell."""
        return known_types(self.document_columns())

    def impression_columns(self) -> list[Column]:
        """The columns that `impressions` must have beside those of every log."""
        column = self.split.column
        of_split = [] if column is None else [Column(column, ColumnType.STRING, "split.column")]
        return [*of_split, *self.context_columns()]

    def context_columns(self) -> list[Column]:
        """The columns of a request's context."""
        return list(_feature_columns(self.request.of_context(), "request.features"))

    def searcher_columns(self) -> list[Column]:
        """The columns that `searchers` must have, beside searcher_id."""
        columns = _feature_columns(self.request.of_searchers(), "request.features")
        return [column for column in columns if column.name != "query"]

    def logged_searcher_columns(self) -> list[Column]:
        """Those of them that the log folder has; `mine` adds the others, which are of request.behaviour."""
        columns = _feature_columns(self.request.logged(), "request.features")
        return [column for column in columns if column.name != "query"]

    def check_documents(self, documents: pa.Table, first_row: int = 0) -> pa.Table:
        """Columns, types, and values that no feature could read. Returns the table as it is read (columns.read_as).

        first_row: added to row numbers in messages. Raises TableError.
        """
        read = read_as(documents, self.document_columns(), "documents", first_row)
        _check_values(read, self.document.features, "documents", first_row)
        return read

    def check_searchers(self, searchers: pa.Table, first_row: int = 0) -> pa.Table:
        """The same for the table of searchers."""
        read = read_as(searchers, self.searcher_columns(), "searchers", first_row)
        _check_values(read, self.request.of_searchers(), "searchers", first_row)
        return read

    def check_context(self, searches: pa.Table, first_row: int = 0, name: str = "impressions") -> pa.Table:
        """The same for the columns of the context in a table of this name."""
        read = read_as(searches, self.context_columns(), name, first_row)
        _check_values(read, self.request.of_context(), name, first_row)
        return read

    def check_logged_searchers(self, searchers: pa.Table, first_row: int = 0) -> pa.Table:
        """The same for the table in the log folder, which has no column of request.behaviour."""
        read = read_as(searchers, self.logged_searcher_columns(), "searchers", first_row)
        _check_values(read, self.request.logged(), "searchers", first_row)
        return read

    def terms(self, documents: pa.Table) -> pa.ListArray:
        """The terms of each document, list<string>, rule by rule; words with repetition, as BM25 counts them."""
        documents = read_as(documents, list(self._term_columns()), "documents")
        return terms_and_positions(documents, self.document.terms, self.analyzer, self.positions())[0]

    def index_table(self, documents: pa.Table, vectors: np.ndarray | None = None) -> pa.Table:
        """What a collection takes: doc_id, terms, their positions where the analysis asks for them (`positions` says of
        which prefixes), the stored columns, static_rank, and embedding:<key>.

        vectors: float32 (len(documents), dim), or None: then a column `embedding:<key>` of `documents` is kept.
        A null static rank becomes 0, the default. Raises TableError or VectorError.
        """
        documents = self.check_documents(documents)
        terms, positions = terms_and_positions(documents, self.document.terms, self.analyzer, self.positions())
        return index_table(documents, terms, positions, self.document, f"embedding:{self.embedding}", vectors)

    def _known(self) -> Known:
        rules = self.document.terms
        return Known(
            prefixes=tuple(dict.fromkeys(rule.prefix for rule in rules)),
            word_prefixes=tuple(dict.fromkeys(rule.prefix for rule in rules if rule.kind == "words")),
            positions=self.positions(),
            columns=(*self.document.stored, *self.further_columns),
            keys=(self.embedding, *self.further_embeddings),
            asker=tuple(dict.fromkeys(one.name for one in (*self.searcher_columns(), *self.context_columns()))),
            has_static_rank=self.document.static_rank is not None,
        )

    def _document_columns(self) -> Iterator[Column]:
        yield from _feature_columns(self.document.features, "document.features")
        yield from self._term_columns()
        for name in self.document.stored:
            yield Column(name, ColumnType.ANY, "document.stored")
        if self.document.static_rank is not None:
            yield Column(self.document.static_rank, ColumnType.NUMBER, "document.static_rank")
        for name in self.request.behaviour.attributes if self.request.behaviour else ():
            yield Column(name, ColumnType.STRING, "request.behaviour.attributes")
        yield from self.selection.columns()

    def _term_columns(self) -> Iterator[Column]:
        for rule in self.document.terms:
            wanted = ColumnType.TERMS if rule.kind == "value" else ColumnType.TEXT
            yield Column(rule.column, wanted, f"document.terms, prefix {rule.prefix}")


def _feature_columns(features: dict[str, Any], place: str) -> Iterator[Column]:
    for name, feature in features.items():
        yield from feature.columns(f"{place}.{name}")


def _check_values(table: pa.Table, features: dict[str, Any], name: str, first_row: int) -> None:
    for feature in features.values():
        if isinstance(feature, DenseFeature):
            check_vectors(table[feature.column], feature.dim, name, feature.column, first_row)
        elif isinstance(feature, VectorsFeature):
            check_vector_lists(table[feature.column], feature.dim, name, feature.column, first_row)
        elif isinstance(feature, IdsFeature) and feature.weights is not None:
            check_weights(table[feature.column], table[feature.weights], name, feature.weights, first_row)
        elif isinstance(feature, SequenceFeature):
            check_parallel({column: table[column] for column in feature.parts.values()}, name, first_row)
