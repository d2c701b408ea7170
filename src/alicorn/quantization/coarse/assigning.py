"""The nearest centroid of each of many vectors, exactly.

The cost is that of a matrix product, n x clusters x dim multiply-adds: the product is made in tiles that stay in the
cache, and each is scanned before the next. A product rounds differently with the shape of its tile, so it only names
candidates: one double-precision inner product for each decides, ties going to the smaller cluster number.
The cluster of a vector therefore depends on the vector alone.
"""

from __future__ import annotations

import numpy as np

from alicorn.compiled import kernel, subroutine

# Two float32 products of unit vectors, however summed, differ by less than this for up to some 10,000 dimensions.
_UNDECIDED = np.float32(1e-5)
_ROWS, _CLUSTERS = 512, 512  # of a tile: its products are 1 MiB, half of what an L2 cache holds
_GROUP = 64  # products that are compared with the best at once


def nearest_centroids(vectors: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """The centroid with the largest inner product, ties to the smaller number. (n, dim) -> (n,) int32."""
    count, num_clusters = len(vectors), len(centroids)
    clusters = np.zeros(count, dtype=np.int32)
    if num_clusters == 1 or count == 0:
        return clusters
    room = np.empty(_ROWS * _CLUSTERS, dtype=np.float32)
    for start in range(0, count, _ROWS):
        block = np.ascontiguousarray(vectors[start : start + _ROWS], dtype=np.float32)
        best = np.full(len(block), -np.inf, dtype=np.float32)
        best_exact = np.full(len(block), -np.inf)
        for first in range(0, num_clusters, _CLUSTERS):
            tile = centroids[first : first + _CLUSTERS]
            products = room[: len(block) * len(tile)].reshape(len(block), len(tile))
            np.matmul(block, tile.T, out=products)
            _decide(products, block, tile, first, _UNDECIDED, best, best_exact, clusters[start : start + _ROWS])
    return clusters


@subroutine
def _may_hold(products, start, stop, bound):
    """Whether any of products[start:stop] reaches the bound. Counting compiles to wide compares, a maximum does not."""
    reached = np.int32(0)
    if stop - start == _GROUP:
        for at in range(_GROUP):
            reached += np.int32(products[start + at] >= bound)
    else:
        for at in range(start, stop):
            reached += np.int32(products[at] >= bound)
    return reached > 0


@subroutine(fastmath=True)
def _exact(vectors, row, centroids, cluster):
    total = 0.0
    for j in range(vectors.shape[1]):
        total += np.float64(vectors[row, j]) * np.float64(centroids[cluster, j])
    return total


@kernel(
    "void(float32[:, ::1], float32[:, ::1], float32[:, ::1], int64, float32, float32[::1], float64[::1], int32[::1])",
)
def _decide(products, vectors, centroids, first, undecided, best, best_exact, out):
    """Carry the best over one tile. best: the largest product so far, best_exact: that of the cluster in `out`.

    The true best has a product of at least (the largest - undecided), so of at least (the largest so far - undecided).
    """
    num_clusters = products.shape[1]
    for row in range(len(products)):
        line = products[row]
        top = best[row]
        for start in range(0, num_clusters, _GROUP):
            stop = min(start + _GROUP, num_clusters)
            if not _may_hold(line, start, stop, top - undecided):
                continue
            for cluster in range(start, stop):
                top = max(top, line[cluster])
            for cluster in range(start, stop):
                if line[cluster] >= top - undecided:
                    exact = _exact(vectors, row, centroids, cluster)
                    if exact > best_exact[row]:
                        best_exact[row] = exact
                        out[row] = first + cluster
        best[row] = top
