"""Runs of embeddings, exact, through an index and cascaded, and of expressions, over the same searches.

Every function returns a run: int32 (searches, depth) document numbers of `searches.documents`.

Vectors of requests are float32 (searches, dim), or (searches, interests, dim) of a model of several interests: a
document is then as near as it is to the nearest of them. All of unit length.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from alicorn.evaluation.searches import Searches
from alicorn.evaluation.systems.exact import exact_top_k
from alicorn.language.order import OrderBy
from alicorn.language.tree import Node
from alicorn.query import Collection
from alicorn.retrieval.encoder import named_vectors
from alicorn.retrieval.reading.nearest import RECALL, nearest

_CELLS = 1 << 24  # numbers gathered at once: 64 MiB of float32


TopK = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]]
"""(vectors, k) -> numbers and scores of the k nearest documents of a corpus, as exact_top_k returns them."""


def embedding_run(request_vectors: np.ndarray, document_vectors: np.ndarray, depth: int) -> np.ndarray:
    """The nearest documents by cosine, exact over the whole corpus. document_vectors: float32 (rows, dim)."""
    return nearest_run(request_vectors, lambda requests, k: exact_top_k(requests, document_vectors, k), depth)


def nearest_run(request_vectors: np.ndarray, top_k: TopK, depth: int) -> np.ndarray:
    """The same, by whatever finds the nearest documents of a corpus."""
    if request_vectors.ndim == 2:
        return top_k(request_vectors, depth)[0]
    searches, _, dim = request_vectors.shape
    numbers, scores = top_k(request_vectors.reshape(-1, dim), depth)
    return best_of_each(numbers.reshape(searches, -1), scores.reshape(searches, -1), depth)


def best_of_each(numbers: np.ndarray, scores: np.ndarray, depth: int) -> np.ndarray:
    """int32 (searches, depth): the documents of greatest score, each once, ties by number, -1 behind the last.

    numbers, scores: (searches, n), of several runs side by side; -1 and -inf for no document.
    """
    order = np.lexsort((-scores, numbers), axis=1)
    numbers, scores = (np.take_along_axis(part, order, axis=1) for part in (numbers, scores))
    again = np.concatenate([np.zeros((len(numbers), 1), dtype=bool), numbers[:, 1:] == numbers[:, :-1]], axis=1)
    scores = np.where(again | (numbers < 0), -np.inf, scores)
    best = np.lexsort((numbers, -scores), axis=1)[:, :depth]
    numbers, scores = (np.take_along_axis(part, best, axis=1) for part in (numbers, scores))
    chosen = np.full((len(numbers), depth), -1, dtype=np.int32)
    chosen[:, : numbers.shape[1]] = np.where(scores > -np.inf, numbers, -1)
    return chosen


def reranked_run(
    first: np.ndarray, request_vectors: np.ndarray, document_vectors: np.ndarray, depth: int
) -> np.ndarray:
    """A cascade (EBR): the first `depth` documents of a run, ordered anew by a second model; the rest stays.

    first: int32 (searches, documents), of the first stage. Vectors: of the second model, in the order of the searches
    and of the corpus. Ties go to the lower document number; empty ranks (-1) stay last.
    """
    head = first[:, :depth]
    cosines = np.empty(head.shape)
    interests = request_vectors if request_vectors.ndim == 3 else request_vectors[:, None]
    step = max(1, _CELLS // (head.shape[1] * interests.shape[2] + 1))
    for start in range(0, len(head), step):
        part = slice(start, start + step)
        each = np.einsum("sid,skd->ski", interests[part], document_vectors[head[part]], dtype=np.float64)
        cosines[part] = each.max(axis=2)
    cosines[head < 0] = -np.inf
    order = np.lexsort((head, -cosines), axis=1)
    return np.concatenate([np.take_along_axis(head, order, axis=1), first[:, depth:]], axis=1)


def index_run(
    collection: Collection,
    key: str,
    searches: Searches,
    request_vectors: np.ndarray,
    depth: int,
    recall: float = RECALL,
) -> np.ndarray:
    """The same through the quantized index, by `:recall`."""
    vectors = named_vectors(key, request_vectors)
    expression = nearest(key, depth, recall, () if request_vectors.ndim == 2 else tuple(vectors))
    return expression_run(collection, [expression] * len(searches), searches, depth, vectors=vectors)


def expression_run(
    collection: Collection,
    expressions: Sequence[str | Node],
    searches: Searches,
    depth: int,
    *,
    vectors: Mapping[str, np.ndarray] | None = None,
    order_by: OrderBy | None = None,
) -> np.ndarray:
    """One expression per search, answered by the collection."""
    results = collection.search_many(expressions, vectors=vectors, limit=depth, order_by=order_by)
    return searches.run([result.ids for result in results], depth)
