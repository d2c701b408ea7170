"""The k nearest of all documents for many queries at once, by matrix products.

Separate searches read every code of a segment once for each query. Here a tile of stored vectors is multiplied with a
block of queries while it is in cache. The product is rounded differently from the engine's own inner product, so it is
an estimate with a bound: 2 dim units of rounding, as |q| |v| = 1 (the sum of dim products is off by at most dim units
whatever its order). Candidates that the bound cannot decide are verified by the stored vector, as in kernel.py, so
scores and order are those of a search for one query, bit for bit.
"""

from collections.abc import Callable, Iterator
from threading import Lock

import numpy as np
from numba import types
from threadpoolctl import ThreadpoolController

from alicorn.compiled import kernel, subroutine
from alicorn.index import EmbeddingBlock, SegmentView
from alicorn.processes import forget_in_children
from alicorn.quantization.kernels.intrinsics import address, new_floats, new_numbers
from alicorn.quantization.kernels.named import addresses, type_of
from alicorn.quantization.stored import Float32Rows
from alicorn.query.nn.loop.stages import compare
from alicorn.query.nn.loop.top_k import BINS, best_of, bin_of, highest_edge, lower_edge

_QUERIES = 128  # of a block
_ROWS = 8_192  # of a tile: 4 MB of products
_ROOM = 1_024  # candidates of a query to begin with
_NO_BOUND = np.float32(-4.0)  # below every product
_FOUND, _EDGE, _ABOVE = BINS, BINS + 1, BINS + 2  # behind the histogram


def blocks_of(num_queries: int) -> Iterator[slice]:
    """Queries that are compared together."""
    for start in range(0, num_queries, _QUERIES):
        yield slice(start, min(start + _QUERIES, num_queries))


class _OneThread:
    """While any thread is inside, BLAS uses one thread per call: the callers are the threads.

    Concurrent products that each use all cores would wait for each other.
    """

    def __init__(self) -> None:
        forget_in_children(self)
        self.forget()

    def forget(self) -> None:
        """In a forked child, which has none of the threads that may be inside."""
        self._lock = Lock()
        self._inside = 0
        self._blas: ThreadpoolController | None = None
        self._restore: Callable[[], None] | None = None

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._blas = self._blas or ThreadpoolController()
                self._restore = self._blas.limit(limits=1, user_api="blas").restore_original_limits
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._restore is not None:
                self._restore()


ONE_THREAD = _OneThread()


def k_nearest_each(
    view: SegmentView, block: EmbeddingBlock, queries: np.ndarray, k: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each query the rows of its k nearest live documents, nearest first, ties by doc_id, and their cosines.

    block: with stored vectors of float32. queries: (n, dim) float32, unit length. k: at least 1 where a document lives.
    Returns of each query uint32 rows and float32 cosines, k of each or as many as there are.
    """
    slack = np.float32(2 * queries.shape[1] * 2.0**-24 + 1e-7)
    deleted = np.empty(0, dtype=bool) if view.deleted is None else view.deleted
    states = np.zeros((len(queries), BINS + 3), dtype=np.int64)
    kept = [(np.empty(_ROOM, dtype=np.uint32), np.empty(_ROOM, dtype=np.float32)) for _ in queries]
    with ONE_THREAD:
        for first in range(0, len(block.docs), _ROWS):
            products = queries @ block.vectors[first : first + _ROWS].T
            for at, state in enumerate(states):
                kept[at] = _keep(products[at], first, block.docs, deleted, k, slack, state, *kept[at])
    stored, order = block.arrays.stored, view.segment.id_order
    return [
        _verified(stored, block.docs, queries[at], k, slack, state, *kept[at], order) for at, state in enumerate(states)
    ]


@subroutine
def _at_least(found, rows, scores, bound):
    """Keep, in place, the candidates whose product reaches the bound -> how many."""
    kept = 0
    for i in range(found):
        if scores[i] >= bound:
            rows[kept], scores[kept] = rows[i], scores[i]
            kept += 1
    return kept


@subroutine
def _doubled(rows, scores):
    more_rows, more_scores = new_numbers(2 * len(rows)), new_floats(2 * len(rows))
    for i in range(len(rows)):
        more_rows[i], more_scores[i] = rows[i], scores[i]
    return more_rows, more_scores


_CANDIDATES = "float32, int64[::1], uint32[::1], float32[::1]"  # slack, state, rows, products


@kernel(f"Tuple((uint32[::1], float32[::1]))(float32[::1], int64, uint32[::1], boolean[::1], int64, {_CANDIDATES})")
def _keep(products, first, docs, deleted, k, slack, state, rows, scores):
    """Add rows of one tile that may be among the k best; returns the candidates, in a larger array if needed.

    products: of the rows from `first` on. state: a histogram of lower bounds of the candidates' scores; how
    many candidates there are, the highest bin that k of them reach, and how many reach it.
    """
    counts = state[:BINS]
    found, edge, above = state[_FOUND], state[_EDGE], state[_ABOVE]
    bound = (lower_edge(edge) if above >= k else _NO_BOUND) - slack
    for i in range(len(products)):
        product = products[i]
        if product < bound or (len(deleted) > 0 and deleted[docs[first + i]]):
            continue
        if found == len(rows):
            found = _at_least(found, rows, scores, bound)
            if 2 * found > len(rows):
                rows, scores = _doubled(rows, scores)
        rows[found], scores[found] = np.uint32(first + i), product
        found += 1
        reached = bin_of(product - slack)
        counts[reached] += 1
        if reached >= edge:
            above += 1
            edge, above = highest_edge(counts, edge, above, k)
            if above >= k:
                bound = lower_edge(edge) - slack
    state[_FOUND], state[_EDGE], state[_ABOVE] = found, edge, above
    return rows, scores


@kernel(
    types.Tuple((types.uint32[::1], types.float32[::1]))(
        *(type_of(Float32Rows), types.uint32[::1], types.float32[::1], types.int64, types.float32, types.int64[::1]),
        *(types.uint32[::1], types.float32[::1], types.uint32[::1]),
    )
)
def _verified(stored, docs, query, k, slack, state, rows, scores, id_order):
    """The k best of the candidates by their stored vectors."""
    bound = (lower_edge(state[_EDGE]) if state[_ABOVE] >= k else _NO_BOUND) - slack
    found = _at_least(state[_FOUND], rows, scores, bound)
    compare(addresses(stored), address(query), found, address(rows), address(scores))
    return best_of(address(rows), address(scores), found, k, address(docs), address(id_order))
