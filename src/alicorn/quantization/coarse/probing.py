"""Which clusters are nearest to a query? Codes of the centroids first, centroids where the codes cannot decide.

Beside ivf.py, which calls it. The answer is that of comparing all exact cosines: the codes exclude only what their
error bound excludes. Of 4,096 centroids of 128 dimensions that reads 0.5 MB instead of 2 MB.
"""

from __future__ import annotations

import numpy as np

from alicorn.compiled import kernel, subroutine
from alicorn.quantization.kernels.dot import dot
from alicorn.quantization.kernels.intrinsics import address, larger, largest_float, load_float, load_floats
from alicorn.quantization.kernels.levels import TILE, dot_tile, split_weights, tiled

_CODED_FROM = 512  # clusters; fewer are compared as they are
_LEVELS = 255
_MIDDLE = 127.5  # of the levels: rounding a weight matters least if levels are counted from there
_BINS = 2_048  # of cosines in [-1, 1]
_ROUNDING = np.float32(4e-6)  # of float32 sums of unit vectors


class CentroidCodes:
    """The centroids, (num_clusters, dim) float32, on a grid of 256 levels a dimension, in tiles that are read whole.

    centroid_j = low_j + step_j * level_j, off by at most `error`. Unlike a document's code, a centroid's is never
    looked at alone: 16 at a time cost a quarter of 16 one by one.
    """

    def __init__(self, centroids: np.ndarray) -> None:
        self.low = centroids.min(axis=0)
        self.step = np.maximum(centroids.max(axis=0) - self.low, 1e-6) / np.float32(_LEVELS)
        levels = np.rint((centroids - self.low) / self.step).astype(np.uint8)
        off = np.linalg.norm(centroids - (self.low + self.step * levels), axis=1).max()
        self.error = np.float32(off * 1.0001 + 1e-6) + _ROUNDING
        self.tiles = tiled(levels)
        self.num_clusters = len(centroids)
        self._num_estimates = len(self.tiles) * TILE

    @classmethod
    def of(cls, centroids: np.ndarray) -> CentroidCodes | None:
        """None where there are too few centroids for codes to pay."""
        return cls(centroids) if len(centroids) >= _CODED_FROM else None

    def estimates(self, query: np.ndarray) -> tuple[np.ndarray, np.float32]:
        """Inner products with all centroids, (num_clusters,) float32, and how far each may be off."""
        estimates = np.empty(self._num_estimates, dtype=np.float32)
        off = _estimate.entry(query, self.low, self.step, self.tiles, estimates)
        if self._num_estimates > self.num_clusters:
            estimates = estimates[: self.num_clusters]
        return estimates, self.error + off

    def nearest(self, query: np.ndarray, centroids: np.ndarray, nprobe: int) -> tuple[np.ndarray, np.ndarray, float]:
        """See nearest_of."""
        cosines = np.empty(len(self.tiles) * TILE, dtype=np.float32)
        clusters = np.empty(nprobe, dtype=np.int64)
        off = _nearest(query, self.low, self.step, self.tiles, self.error, centroids, cosines, clusters)
        return clusters, cosines, off


def nearest_of(
    query: np.ndarray, centroids: np.ndarray, codes: CentroidCodes | None, nprobe: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """The nprobe nearest clusters, nearest first, ties to the smaller number.

    query: (dim,) float32. Returns clusters (nprobe,) int64; cosines (num_clusters,) float32, those of the clusters
    exact; how far each of the others may be off.
    """
    if codes is None:
        cosines = centroid_cosines(query, centroids)
        return nearest(cosines, nprobe), cosines, 0.0
    return codes.nearest(query, centroids, nprobe)


def nearest(cosines: np.ndarray, nprobe: int) -> np.ndarray:
    """The numbers of the nprobe nearest clusters, nearest first, ties to the smaller. (n,) -> (<= nprobe,) int64."""
    if nprobe >= len(cosines):
        return np.argsort(-cosines, kind="stable")
    clusters = np.empty(nprobe, dtype=np.int64)
    _nearest_by_cosine(cosines, clusters)
    return clusters


@kernel("float32[::1](float32[::1], float32[:, ::1])")
def centroid_cosines(query, centroids):
    """Inner product of a query with every centroid. (dim,), (num_clusters, dim) -> (num_clusters,) float32."""
    cosines = np.empty(len(centroids), dtype=np.float32)
    dim = len(query)
    at, query_at = address(centroids), address(query)
    for cluster in range(len(centroids)):
        cosines[cluster] = dot(query_at, at + 4 * dim * cluster, dim)
    return cosines


@kernel("float32(float32[::1], float32[::1], float32[::1], uint8[:, :, ::1], float32[::1])")
def _estimate(query, low, step, tiles, out):
    """Inner products of the query with the coded centroids; returns their error from rounding the weights."""
    dim = len(query)
    groups = tiles.shape[1]
    weights = np.empty((2, 4 * groups), dtype=np.int8)
    products = query * step
    unit = split_weights(products, weights)
    constant, rest, off = 0.0, 0.0, 0.0
    for j in range(dim):
        whole = 128 * np.int64(weights[0, j]) + np.int64(weights[1, j])
        difference = np.float64(products[j]) - np.float64(unit) * whole
        constant += np.float64(query[j]) * np.float64(low[j])
        rest += difference
        off += abs(difference)
    constant += _MIDDLE * rest
    tiles_at, weights_at, out_at = address(tiles), address(weights), address(out)
    for tile in range(len(tiles)):
        dot_tile(tiles_at + 64 * groups * tile, groups, weights_at, unit, np.float32(constant), out_at + 64 * tile)
    return np.float32(_MIDDLE * off)


@subroutine
def falling(score):
    """A whole number of 32 bits, the smaller the larger the float32 is; -0 as 0."""
    bits = np.int64(np.float32(score + np.float32(0.0)).view(np.int32))
    rising = bits if bits >= 0 else -(bits & np.int64(0x7FFFFFFF))
    return np.uint64(np.int64(0x7FFFFFFF) - rising)


@subroutine
def _largest(start, count):
    """The largest of `count` float32, one at least, from an address on; none is NaN."""
    stop = start + 4 * count
    found = load_float(start)
    if count >= 32:
        a, b = load_floats(start), load_floats(start + 64)
        start += 128
        while start + 128 <= stop:
            a, b = larger(load_floats(start), a), larger(load_floats(start + 64), b)
            start += 128
        found = largest_float(larger(a, b))
    while start < stop:
        found = max(found, load_float(start))
        start += 4
    return found


@subroutine
def _bin(cosine):
    return min(max(np.int64((cosine + np.float32(1.0)) * np.float32(_BINS / 2)), 0), _BINS - 1)


@subroutine
def _bound(scores, wanted):
    """A lower bound close to the wanted-th largest score, by a histogram.

    The wanted-th largest of the maxima of groups is no larger than that of all, so only maxima are counted. Returns the
    bound and the maxima of groups of equal size.
    """
    count = len(scores)
    group = max(count // (4 * wanted), 1)
    maxima = np.empty((count + group - 1) // group, dtype=np.float32)
    counts = np.zeros(_BINS, dtype=np.int32)
    for number in range(len(maxima)):
        start = number * group
        maxima[number] = _largest(address(scores) + 4 * start, min(group, count - start))
        counts[_bin(maxima[number])] += 1
    edge = _BINS
    above = 0
    while above < wanted:  # as many maxima are in the bins from `edge` on
        edge -= 1
        above += counts[edge]
    bound = np.float32(edge) * np.float32(2.0 / _BINS) - np.float32(1.000001) if edge else np.float32(-np.inf)
    return bound, maxima, group


@subroutine
def _write_best(cosines, candidates, clusters):
    """The first len(clusters) of the candidates by falling cosine, ties to the smaller number."""
    keys = np.empty(len(candidates), dtype=np.uint64)
    for i in range(len(candidates)):
        keys[i] = falling(cosines[candidates[i]]) << np.uint64(32) | np.uint64(candidates[i])
    keys.sort()
    for i in range(len(clusters)):
        clusters[i] = np.int64(keys[i] & np.uint64(0xFFFFFFFF))


@subroutine
def _at_least(scores, bound, maxima, group):
    """Positions of the scores that reach the bound."""
    found = np.empty(len(scores), dtype=np.int64)
    count = 0
    for number in range(len(maxima)):
        if maxima[number] >= bound:
            for at in range(number * group, min((number + 1) * group, len(scores))):
                if scores[at] >= bound:
                    found[count] = at
                    count += 1
    return found[:count]


@kernel("void(float32[::1], int64[::1])")
def _nearest_by_cosine(cosines, clusters):
    bound, maxima, group = _bound(cosines, len(clusters))
    _write_best(cosines, _at_least(cosines, bound, maxima, group), clusters)


@kernel("void(float32[::1], float32[:, ::1], float64, float32[::1], int64[::1])")
def nearest_by_estimates(query, centroids, off, cosines, clusters):
    """The nearest clusters, nearest first, ties to the smaller number.

    cosines: of all, each off by at most `off`; those that may be among the nearest become exact.
    """
    dim, query_at, centroids_at = len(query), address(query), address(centroids)
    bound, maxima, group = _bound(cosines, len(clusters))
    candidates = _at_least(cosines, np.float32(bound - 2 * off), maxima, group)
    for candidate in candidates if off > 0 else candidates[:0]:
        cosines[candidate] = dot(query_at, centroids_at + 4 * dim * candidate, dim)
    _write_best(cosines, candidates, clusters)


@kernel(
    "float32(float32[::1], float32[::1], float32[::1], uint8[:, :, ::1], float32, float32[:, ::1], float32[::1],"
    " int64[::1])",
)
def _nearest(query, low, step, tiles, error, centroids, cosines, clusters):
    """Estimates of all; then exact cosines of those that may be among the nearest. Returns the error of the others."""
    off = error + _estimate(query, low, step, tiles, cosines)
    nearest_by_estimates(query, centroids, off, cosines[: len(centroids)], clusters)
    return off
