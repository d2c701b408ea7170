"""Exact top-K by inner product over the whole corpus: the ground truth of recall@K, to which an index is compared.

Faiss multiplies blocks in float32 and selects while it multiplies, close to the speed of the bare matrix product
(`benchmarks/learning/exact_search.py`). But a float32 product rounds differently at different places, so that equal
documents may get unequal scores, and which of many near-equal documents are kept is chance. Therefore:

1. Faiss gives K + 32 candidates of each request, and these are scored again in float64, all by the same additions;
2. they are sorted by that score, ties by document number: equal vectors tie exactly;
3. where the last candidate is so near to the K-th that rounding may have pushed a better one out, every document
   within the rounding error of the K-th is fetched and scored again. That is rare unless many documents are equal.

Memory: Faiss's blocks, the `(requests, K + 32)` candidates, and at most 64 MiB of products in step 3.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import faiss
import numpy as np
from numba import types

from alicorn import processes as processes  # Faiss in forked children
from alicorn.compiled import kernel
from alicorn.errors import VectorError

_SPARE = 32  # candidates beyond K
_LONGEST = 1e19  # the product of two such lengths is below the largest float32
_CELLS = 1 << 24  # products at once in step 3: 16M float32 are 64 MiB


def exact_top_k(requests: np.ndarray, documents: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k documents of largest inner product for each request, best first, ties by document number.

    requests: float32 (num_requests, dim). documents: float32 (num_documents, dim), row = document number.
    Returns int32 document numbers and float64 scores, both (num_requests, k); -1 and -inf behind the last document.
    Raises VectorError for shapes that do not fit, values that are not finite, lengths above 1e19.
    """
    if k < 1:
        raise ValueError(f"k must be 1 or more, got {k}")
    requests, request_lengths = _checked("requests", requests)
    documents, document_lengths = _checked("documents", documents)
    if requests.shape[1] != documents.shape[1]:
        raise VectorError(
            f"requests have dimension {requests.shape[1]} and documents {documents.shape[1]}: encode both with "
            "one model"
        )
    numbers = np.full((len(requests), k), -1, dtype=np.int32)
    scores = np.full((len(requests), k), -np.inf)
    if len(documents) == 0 or len(requests) == 0:
        return numbers, scores
    depth = min(k + _SPARE, len(documents))
    products, candidates = faiss.knn(requests, documents, depth, metric=faiss.METRIC_INNER_PRODUCT)
    _in_threads(_rescore_rows, requests, candidates, numbers, scores, documents)
    if depth < len(documents):
        # A float32 inner product is within dim x 2^-24 x |q| x |d| of the true one; two products, and rounding up.
        error = 3.0 * requests.shape[1] * 2.0**-24 * request_lengths * document_lengths.max()
        doubtful = np.flatnonzero(products[:, -1] >= scores[:, -1] - error)
        _search_again(doubtful, requests, documents, scores[:, -1] - error, numbers, scores)
    return numbers, scores


def _search_again(
    rows: np.ndarray,
    requests: np.ndarray,
    documents: np.ndarray,
    floors: np.ndarray,
    numbers: np.ndarray,
    scores: np.ndarray,
) -> None:
    """Step 3 for the requests `rows`: rescore every document whose float32 product reaches the request's floor."""
    step = max(1, _CELLS // len(documents))
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        products = requests[part] @ documents.T
        for row, reached in zip(part, products >= floors[part, None], strict=True):
            candidates = np.flatnonzero(reached)[None, :]
            _rescore_rows(requests[row : row + 1], candidates, numbers[row : row + 1], scores[row : row + 1], documents)


def _in_threads(
    rescore: Callable[..., None],
    requests: np.ndarray,
    candidates: np.ndarray,
    numbers: np.ndarray,
    scores: np.ndarray,
    documents: np.ndarray,
) -> None:
    """Run a kernel on equal shares of the rows of all arguments but the documents; it releases the GIL."""
    bounds = np.linspace(0, len(requests), (os.cpu_count() or 1) + 1).astype(np.int64)
    shares = [slice(low, high) for low, high in pairwise(bounds)]
    with ThreadPoolExecutor(len(shares)) as pool:
        for done in [
            pool.submit(rescore, requests[s], candidates[s], numbers[s], scores[s], documents) for s in shares
        ]:
            done.result()


_VECTORS = types.Array(types.float32, 2, "C", readonly=True)
_CANDIDATES = types.Array(types.int64, 2, "C", readonly=True)


@kernel(
    types.void(_VECTORS, _CANDIDATES, types.int32[:, ::1], types.float64[:, ::1], _VECTORS),
    fastmath={"reassoc", "contract"},
)
def _rescore_rows(
    requests: np.ndarray, candidates: np.ndarray, numbers: np.ndarray, scores: np.ndarray, documents: np.ndarray
) -> None:
    """Sort each row's candidates by (float64 inner product descending, document number) and keep the first k of them.

    candidates: int64 (rows, depth). numbers, scores: (rows, k), written. One compiled loop makes every sum, so equal
    vectors get equal scores.
    """
    k = min(numbers.shape[1], candidates.shape[1])
    exact = np.empty(candidates.shape[1])
    for i in range(len(requests)):
        ascending = np.sort(candidates[i])
        for c in range(len(ascending)):
            total = 0.0
            for d in range(requests.shape[1]):
                total += np.float64(requests[i, d]) * np.float64(documents[ascending[c], d])
            exact[c] = total
        order = np.argsort(-exact, kind="mergesort")[:k]
        numbers[i, :k] = ascending[order]
        scores[i, :k] = exact[order]


def _checked(name: str, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The vectors as a contiguous float32 matrix, and their lengths float64 (rows,), or a VectorError."""
    if vectors.ndim != 2:
        raise VectorError(f"{name} must be a matrix (rows, dim), got shape {vectors.shape}")
    matrix = np.ascontiguousarray(vectors, dtype=np.float32)
    lengths = np.sqrt(np.einsum("ij,ij->i", matrix, matrix, dtype=np.float64))
    if not np.isfinite(lengths).all():
        row = int(np.argmin(np.isfinite(lengths)))
        raise VectorError(f"{name}, row {row}: a vector has NaN or infinity; look at what was encoded there")
    if (lengths > _LONGEST).any():
        row = int(np.argmax(lengths))
        raise VectorError(
            f"{name}, row {row}: a vector of length {lengths[row]:.3g} overflows a product of float32; lengths are at "
            f"most {_LONGEST:.0e}: divide all vectors by one number"
        )
    return matrix, lengths
