"""The table that a collection takes: documents with their terms, stored columns, static rank and vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.analysis import Analyzer
from alicorn.errors import VectorError
from alicorn.tables import repeated
from alicorn.vertical.columns import refuse_rows
from alicorn.vertical.indexing.positions import Positioned, positioned_words
from alicorn.vertical.indexing.terms import as_lists, interleave, phrase_terms, value_terms, word_terms
from alicorn.vertical.sides import DocumentSide, TermRule


def terms_and_positions(
    documents: pa.Table, rules: Sequence[TermRule], analyzer: Callable[[str], Analyzer], positioned: Sequence[str]
) -> tuple[pa.ListArray, pa.ListArray | None]:
    """The terms of each document, list<string>, and list<int64> beside them: their positions, 0 where these are not
    kept; None where no prefix of `positioned` keeps them. analyzer: of each prefix."""
    free = {prefix: np.zeros(len(documents), dtype=np.int64) for prefix in positioned}
    parts, positions = [(np.zeros(0, dtype=np.int64), pa.array([], pa.string()))], [np.zeros(0, dtype=np.int64)]
    for rule in rules:
        if rule.prefix in free:
            found = _positioned(rule, documents[rule.column], analyzer(rule.prefix))
            parts.append((found.rows[found.values], found.terms))
            positions.append(found.placed(free[rule.prefix]))
        else:
            parts.append(_terms_of(rule, documents[rule.column], analyzer(rule.prefix)))
            positions.append(np.zeros(len(parts[-1][0]), dtype=np.int64))
    rows, values = interleave(parts)
    terms = as_lists(rows, values, len(documents))
    if not free:
        return terms, None
    rows, numbers = interleave([(of, pa.array(own)) for (of, _), own in zip(parts, positions, strict=True)])
    return terms, as_lists(rows, numbers, len(documents))


def index_table(
    documents: pa.Table,
    terms: pa.ListArray,
    positions: pa.ListArray | None,
    document: DocumentSide,
    key: str,
    vectors: np.ndarray | None = None,
) -> pa.Table:
    """doc_id, terms, term_positions, what `document` stores, static_rank, and the column `key` of vectors.

    documents: checked. vectors: float32 (rows, dim), or None: then a column `key` of `documents` is kept. Raises
    TableError, VectorError.
    """
    _check_doc_ids(documents["doc_id"])
    columns: dict[str, Any] = {
        "doc_id": documents["doc_id"],
        "terms": terms,
        **({} if positions is None else {"term_positions": positions}),
        **{name: documents[name] for name in document.stored},
    }
    if document.static_rank is not None:
        columns["static_rank"] = _static_rank(documents, document.static_rank)
    if vectors is not None:
        columns[key] = _vector_column(vectors, len(documents))
    elif key in documents.column_names:
        columns[key] = documents[key]
    return pa.table(columns)


def _terms_of(rule: TermRule, column: pa.ChunkedArray, analyzer: Analyzer) -> tuple[np.ndarray, pa.Array]:
    match rule.kind:
        case "words":
            return word_terms(column, rule.prefix, analyzer)
        case "value":
            return value_terms(column, rule.prefix)
        case "phrase":
            return phrase_terms(column, rule.prefix)


def _positioned(rule: TermRule, column: pa.ChunkedArray, analyzer: Analyzer) -> Positioned:
    if rule.kind == "words":
        return positioned_words(column, rule.prefix, analyzer)
    return Positioned.of_values(*_terms_of(rule, column, analyzer))


def _check_doc_ids(ids: pa.ChunkedArray) -> None:
    refuse_rows(pc.is_null(ids), "documents", "doc_id", "a document must have an id, got null")
    again = repeated(ids)
    if again is not None:
        refuse_rows(again, "documents", "doc_id", "the id of an earlier row again")


def _static_rank(documents: pa.Table, name: str) -> pa.ChunkedArray:
    rank = pc.fill_null(documents[name].cast(pa.float32(), safe=False), 0.0)
    refuse_rows(pc.invert(pc.is_finite(rank)), "documents", name, "a static rank must be a finite number")
    return rank


def _vector_column(vectors: np.ndarray, num_rows: int) -> pa.Array:
    if vectors.ndim != 2 or len(vectors) != num_rows:
        raise VectorError(f"vectors must have shape ({num_rows}, dim), one row per document; got {vectors.shape}")
    flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).ravel())
    return pa.ListArray.from_arrays(pa.array(np.arange(num_rows + 1, dtype=np.int32) * vectors.shape[1]), flat)
