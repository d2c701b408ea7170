"""Runs of Boolean, BM25, embedding and hybrid retrieval over the same searches. Used by `demo`, `evaluate`, benchmarks.

The engine is a later room; it comes in as a collection, through the one method `search_many` (DESIGN 2.4). Every
function returns a run: int32 (searches, depth) document numbers of `searches.documents`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from alicorn.evaluation.exact import exact_top_k
from alicorn.evaluation.searches import Searches
from alicorn.vertical import Vertical
from alicorn.vertical.templates import fill_template

OrderBy = str | Mapping[str, float]


class Searchable(Protocol):
    """What evaluation needs of alicorn.Collection."""

    def search_many(
        self,
        expressions: Sequence[str],
        vectors: Mapping[str, np.ndarray] | None = None,
        limit: int = 10,
        order_by: OrderBy | None = None,
    ) -> Sequence[Any]:
        """One result per expression, each with `.ids`: doc_ids, best first."""


def boolean_run(collection: Searchable, vertical: Vertical, searches: Searches, depth: int) -> np.ndarray:
    """The production engine: the vertical's Boolean template, by static rank."""
    expressions = [vertical.expression("boolean", query) for query in searches.queries]
    return expression_run(collection, expressions, searches, depth)


def bm25_run(collection: Searchable, searches: Searches, depth: int) -> np.ndarray:
    """Documents with any word of the query, by BM25."""
    expressions = [fill_template("(or {terms})", query, "") for query in searches.queries]
    return expression_run(collection, expressions, searches, depth, order_by="bm25")


def embedding_run(request_vectors: np.ndarray, document_vectors: np.ndarray, depth: int) -> np.ndarray:
    """The nearest documents by cosine, exact over the whole corpus. Both float32 (rows, dim), unit length."""
    return exact_top_k(request_vectors, document_vectors, depth)[0]


def index_run(
    collection: Searchable, key: str, searches: Searches, request_vectors: np.ndarray, depth: int, nprobe: int | None
) -> np.ndarray:
    """The same through the quantized index, in the `nprobe` nearest clusters, or in all with None."""
    probed = "" if nprobe is None else f" :nprobe {nprobe}"
    expressions = [f"(nn {key} :k {depth}{probed})"] * len(searches)
    return expression_run(collection, expressions, searches, depth, vectors={key: request_vectors})


def hybrid_run(
    collection: Searchable,
    vertical: Vertical,
    searches: Searches,
    request_vectors: np.ndarray,
    depth: int,
    order_by: OrderBy | None = None,
) -> np.ndarray:
    """The vertical's hybrid template, by cosine unless `order_by` says otherwise."""
    expressions = [vertical.expression("hybrid", query) for query in searches.queries]
    vectors = {vertical.embedding: request_vectors}
    return expression_run(collection, expressions, searches, depth, vectors=vectors, order_by=order_by)


def expression_run(
    collection: Searchable,
    expressions: Sequence[str],
    searches: Searches,
    depth: int,
    *,
    vectors: Mapping[str, np.ndarray] | None = None,
    order_by: OrderBy | None = None,
) -> np.ndarray:
    """One expression per search, answered by the collection."""
    results = collection.search_many(expressions, vectors=vectors, limit=depth, order_by=order_by)
    return searches.run([result.ids for result in results], depth)
