"""Runs of Boolean, BM25, embedding, cascaded and hybrid retrieval over the same searches. Used by `demo`, `evaluate`.

The engine is a later room; it comes in as a collection, through the one method `search_many` (DESIGN 2.4). Every
function returns a run: int32 (searches, depth) document numbers of `searches.documents`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from alicorn.evaluation.exact import exact_top_k
from alicorn.evaluation.searches import Searches
from alicorn.vertical import Vertical
from alicorn.vertical.templates import fill_template

OrderBy = str | Mapping[str, float]
_CELLS = 1 << 24  # numbers gathered at once: 64 MiB of float32


class Encoder(Protocol):
    """What evaluation needs of a model: alicorn.Model, or an ensemble."""

    @property
    def key(self) -> str: ...

    @property
    def fingerprint(self) -> str: ...

    def encode_requests(self, requests: pa.Table) -> np.ndarray: ...

    def encode_documents(self, documents: pa.Table) -> np.ndarray: ...


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


def reranked_run(
    first: np.ndarray, request_vectors: np.ndarray, document_vectors: np.ndarray, depth: int
) -> np.ndarray:
    """A cascade (papers 1.5): the first `depth` documents of a run, ordered anew by a second model; the rest stays.

    first: int32 (searches, documents), of the first stage. Vectors: float32, of the second model, unit length, in the
    order of the searches and of the corpus. Ties go to the lower document number; empty ranks (-1) stay last.
    """
    head = first[:, :depth]
    cosines = np.empty(head.shape)
    step = max(1, _CELLS // (head.shape[1] * request_vectors.shape[1] + 1))
    for start in range(0, len(head), step):
        part = slice(start, start + step)
        cosines[part] = np.einsum("sd,skd->sk", request_vectors[part], document_vectors[head[part]], dtype=np.float64)
    cosines[head < 0] = -np.inf
    order = np.lexsort((head, -cosines), axis=1)
    return np.concatenate([np.take_along_axis(head, order, axis=1), first[:, depth:]], axis=1)


def index_run(
    collection: Searchable, key: str, searches: Searches, request_vectors: np.ndarray, depth: int, nprobe: int | None
) -> np.ndarray:
    """The same through the quantized index, in the `nprobe` nearest clusters, or in all with None."""
    probed = "" if nprobe is None else f" :nprobe {nprobe}"
    expressions = [f"(nn {key} :k {depth}{probed})"] * len(searches)
    return expression_run(collection, expressions, searches, depth, vectors={key: request_vectors})


def before_and_after(
    models: Mapping[str, Encoder], collection: Searchable, searches: Searches, depth: int, nprobe: int | None
) -> dict[str, np.ndarray]:
    """Each model by exact search, under its name, and through the index that holds all of them, as `<name>, index`.

    A better model may be worse after quantization (papers 1.9): compare both, over the same searches.
    """
    runs = {}
    for name, model in models.items():
        requests = model.encode_requests(searches.requests)
        runs[name] = embedding_run(requests, model.encode_documents(searches.documents), depth)
        runs[f"{name}, index"] = index_run(collection, model.key, searches, requests, depth, nprobe)
    return runs


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
