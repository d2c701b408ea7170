"""Which clusters are nearest to a query? Codes of the centroids first, centroids where the codes cannot decide.

Beside coarse.py, which calls it. The answer is that of comparing all exact cosines: the codes exclude only what their
error bound excludes. Of 4,096 centroids of 128 dimensions that reads 0.5 MB instead of 2 MB.
"""

from __future__ import annotations

import numba
import numpy as np

from alicorn.quantization.simd import address, dot, dot_levels
from alicorn.quantization.sq8 import SQ8

_CODED_FROM = 512  # clusters; fewer are compared as they are
_BINS = 2_048  # of cosines in [-1, 1]
_ROUNDING = np.float32(4e-6)  # of float32 sums of unit vectors


class CentroidCodes:
    """SQ8 codes of the centroids, (num_clusters, dim) float32, and the largest error of any, by one plane and by both."""

    def __init__(self, centroids: np.ndarray) -> None:
        self.codec = SQ8.over(centroids.min(axis=0), centroids.max(axis=0))  # one bound for all: clip none
        codes = self.codec.encode(centroids)
        self.high = np.ascontiguousarray(codes[:, : self.codec.scan_size])
        self.low = np.ascontiguousarray(codes[:, self.codec.scan_size :])
        off = [np.linalg.norm(centroids - self.codec.decode(part), axis=1).max() for part in (self.high, codes)]
        self.errors = (np.array(off) * 1.0001 + 1e-6).astype(np.float32) + _ROUNDING

    @classmethod
    def of(cls, centroids: np.ndarray) -> CentroidCodes | None:
        """None where there are too few centroids for codes to pay."""
        return cls(centroids) if len(centroids) >= _CODED_FROM else None

    def estimates(self, query: np.ndarray) -> tuple[np.ndarray, np.float32]:
        """Inner products with all centroids, (num_clusters,) float32, and how far each may be off."""
        weights, numbers = self.codec.prepare_levels(query)
        estimates = np.empty(len(self.high), dtype=np.float32)
        _estimate(self.high, self.low, weights, numbers, estimates)
        return estimates, self.errors[1] + numbers[4]

    def nearest(self, query: np.ndarray, centroids: np.ndarray, nprobe: int) -> tuple[np.ndarray, np.ndarray]:
        """See nearest_of."""
        weights, numbers = self.codec.prepare_levels(query)
        cosines = np.empty(len(centroids), dtype=np.float32)
        clusters = np.empty(nprobe, dtype=np.int64)
        _nearest(self.high, self.low, self.errors, weights, numbers, query, centroids, cosines, clusters)
        return clusters, cosines


def nearest_of(
    query: np.ndarray, centroids: np.ndarray, codes: CentroidCodes | None, nprobe: int
) -> tuple[np.ndarray, np.ndarray]:
    """The nprobe nearest clusters, nearest first, ties to the smaller number.

    query: (dim,) float32. Returns clusters (nprobe,) int64, and cosines (num_clusters,) float32 of which only those of
    the clusters are meant to be read.
    """
    if codes is None:
        cosines = centroid_cosines(query, centroids)
        return nearest(cosines, nprobe), cosines
    return codes.nearest(query, centroids, nprobe)


def nearest(cosines: np.ndarray, nprobe: int) -> np.ndarray:
    """The numbers of the nprobe nearest clusters, nearest first, ties to the smaller. (n,) -> (<= nprobe,) int64."""
    if nprobe >= len(cosines):
        return np.argsort(-cosines, kind="stable")
    clusters = np.empty(nprobe, dtype=np.int64)
    _nearest_by_cosine(cosines, clusters)
    return clusters


@numba.njit("float32[::1](float32[::1], float32[:, ::1])", cache=True, nogil=True)
def centroid_cosines(query, centroids):
    """Inner product of a query with every centroid. (dim,), (num_clusters, dim) -> (num_clusters,) float32."""
    cosines = np.empty(len(centroids), dtype=np.float32)
    dim = len(query)
    at, query_at = address(centroids), address(query)
    for cluster in range(len(centroids)):
        cosines[cluster] = dot(query_at, at + 4 * dim * cluster, dim)
    return cosines


@numba.njit("void(uint8[:, ::1], uint8[:, ::1], int8[::1], float32[::1], float32[::1])", cache=True, nogil=True)
def _estimate(high, low, weights, numbers, out):
    scale, constant = numbers[2], numbers[3]
    high_at, low_at, weights_at, width = address(high), address(low), address(weights), high.shape[1]
    for cluster in range(len(out)):
        place = cluster * width
        level = 16 * dot_levels(high_at + place, width, weights_at) + dot_levels(low_at + place, width, weights_at)
        out[cluster] = scale * np.float32(level) + constant


@numba.njit
def falling(score):
    """A whole number of 32 bits, the smaller the larger the float32 is; -0 as 0."""
    bits = np.int64(np.float32(score + np.float32(0.0)).view(np.int32))
    rising = bits if bits >= 0 else -(bits & np.int64(0x7FFFFFFF))
    return np.uint64(np.int64(0x7FFFFFFF) - rising)


@numba.njit
def _bin(cosine):
    return min(max(np.int64((cosine + np.float32(1.0)) * np.float32(_BINS / 2)), 0), _BINS - 1)


@numba.njit
def _bound(scores, wanted):
    """Nearly the wanted-th largest score, from below: no more than it, by a histogram.

    The wanted-th largest of the maxima of groups is no larger than that of all, so only maxima are counted. Returns the
    bound and the maxima of groups of equal size.
    """
    count = len(scores)
    group = max(count // (4 * wanted), 1)
    maxima = np.empty((count + group - 1) // group, dtype=np.float32)
    counts = np.zeros(_BINS, dtype=np.int32)
    for number in range(len(maxima)):
        largest = scores[number * group]
        for at in range(number * group + 1, min((number + 1) * group, count)):
            largest = max(largest, scores[at])
        maxima[number] = largest
        counts[_bin(largest)] += 1
    edge = _BINS
    above = 0
    while above < wanted:  # as many maxima are in the bins from `edge` on
        edge -= 1
        above += counts[edge]
    bound = np.float32(edge) * np.float32(2.0 / _BINS) - np.float32(1.000001) if edge else np.float32(-np.inf)
    return bound, maxima, group


@numba.njit
def _write_best(cosines, candidates, clusters):
    """The first len(clusters) of the candidates by falling cosine, ties to the smaller number."""
    keys = np.empty(len(candidates), dtype=np.uint64)
    for i in range(len(candidates)):
        keys[i] = falling(cosines[candidates[i]]) << np.uint64(32) | np.uint64(candidates[i])
    keys.sort()
    for i in range(len(clusters)):
        clusters[i] = np.int64(keys[i] & np.uint64(0xFFFFFFFF))


@numba.njit
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


@numba.njit("void(float32[::1], int64[::1])", cache=True, nogil=True)
def _nearest_by_cosine(cosines, clusters):
    bound, maxima, group = _bound(cosines, len(clusters))
    _write_best(cosines, _at_least(cosines, bound, maxima, group), clusters)


@numba.njit(
    "void(uint8[:, ::1], uint8[:, ::1], float32[::1], int8[::1], float32[::1], float32[::1], float32[:, ::1],"
    " float32[::1], int64[::1])",
    cache=True,
    nogil=True,
)
def _nearest(high, low, errors, weights, numbers, query, centroids, cosines, clusters):
    """Estimates of all by the first plane; of those that may be among the nearest by both; then exact cosines."""
    dim, width, wanted = len(query), high.shape[1], len(clusters)
    high_at, low_at, weights_at = address(high), address(low), address(weights)
    query_at, centroids_at = address(query), address(centroids)
    for cluster in range(len(cosines)):
        level = dot_levels(high_at + cluster * width, width, weights_at)
        cosines[cluster] = numbers[0] * np.float32(level) + numbers[1]
    bound, maxima, group = _bound(cosines, wanted)
    candidates = _at_least(cosines, bound - 2 * (errors[0] + numbers[4]), maxima, group)
    refined = np.empty(len(candidates), dtype=np.float32)
    for i in range(len(candidates)):
        place = candidates[i] * width
        level = 16 * dot_levels(high_at + place, width, weights_at) + dot_levels(low_at + place, width, weights_at)
        refined[i] = numbers[2] * np.float32(level) + numbers[3]
    bound, maxima, group = _bound(refined, wanted)
    kept = candidates[_at_least(refined, bound - 2 * (errors[1] + numbers[4]), maxima, group)]
    for i in range(len(kept)):
        cosines[kept[i]] = dot(query_at, centroids_at + 4 * dim * kept[i], dim)
    _write_best(cosines, kept, clusters)
