"""Which clusters are nearest to a query? Codes of the centroids first, centroids where the codes cannot decide.

Beside coarse.py, which calls it. The answer is that of comparing all exact cosines: the codes exclude only what their
error bound excludes. Of 4,096 centroids of 128 dimensions that reads 0.5 MB instead of 2 MB.
"""

from __future__ import annotations

import numba
import numpy as np

from alicorn.quantization.simd import dot, dot_levels
from alicorn.quantization.sq8 import SQ8

_CODED_FROM = 512  # clusters; fewer are compared as they are
_BINS = 2_048  # of cosines in [-1, 1]
_ROUNDING = np.float32(4e-6)  # of float32 sums of unit vectors
_EXACT = np.float32(0.0)


class CentroidCodes:
    """SQ8 codes of the centroids, (num_clusters, dim) float32, and the largest error of any."""

    def __init__(self, centroids: np.ndarray) -> None:
        self.codec = SQ8.fit(centroids)
        codes = self.codec.encode(centroids)
        errors = np.linalg.norm(centroids - self.codec.decode(codes), axis=1)
        self.error = np.float32(errors.max() * 1.0001 + 1e-6)
        self.high = np.ascontiguousarray(codes[:, : self.codec.scan_size])
        self.low = np.ascontiguousarray(codes[:, self.codec.scan_size :])

    @classmethod
    def of(cls, centroids: np.ndarray) -> CentroidCodes | None:
        """None where there are too few centroids for codes to pay."""
        return cls(centroids) if len(centroids) >= _CODED_FROM else None

    def estimates(self, query: np.ndarray) -> tuple[np.ndarray, np.float32]:
        """Inner products with all centroids, (num_clusters,) float32, and how far each may be off."""
        weights, numbers = self.codec.prepare_levels(query)
        estimates = np.empty(len(self.high), dtype=np.float32)
        _estimate(self.high, self.low, weights, numbers, estimates)
        return estimates, self.error + numbers[4] + _ROUNDING


def nearest_of(
    query: np.ndarray, centroids: np.ndarray, codes: CentroidCodes | None, nprobe: int
) -> tuple[np.ndarray, np.ndarray]:
    """The nprobe nearest clusters, nearest first, ties to the smaller number.

    query: (dim,) float32. Returns clusters (nprobe,) int64, and cosines (num_clusters,) float32 of which only those of
    the clusters are written.
    """
    if codes is None:
        cosines = centroid_cosines(query, centroids)
        return nearest(cosines, nprobe), cosines
    estimates, error = codes.estimates(query)
    clusters = np.empty(nprobe, dtype=np.int64)
    _choose(estimates, error, query, centroids, clusters)
    return clusters, estimates


def nearest(cosines: np.ndarray, nprobe: int) -> np.ndarray:
    """The numbers of the nprobe nearest clusters, nearest first, ties to the smaller. (n,) -> (<= nprobe,) int64."""
    if nprobe >= len(cosines):
        return np.argsort(-cosines, kind="stable")
    clusters = np.empty(nprobe, dtype=np.int64)
    _choose(cosines, _EXACT, np.empty(0, np.float32), np.empty((0, 0), np.float32), clusters)
    return clusters


@numba.njit("float32[::1](float32[::1], float32[:, ::1])", cache=True, nogil=True)
def centroid_cosines(query, centroids):
    """Inner product of a query with every centroid. (dim,), (num_clusters, dim) -> (num_clusters,) float32."""
    cosines = np.empty(len(centroids), dtype=np.float32)
    for cluster in range(len(centroids)):
        cosines[cluster] = dot(query, centroids, cluster)
    return cosines


@numba.njit("void(uint8[:, ::1], uint8[:, ::1], int8[::1], float32[::1], float32[::1])", cache=True, nogil=True)
def _estimate(high, low, weights, numbers, out):
    scale, constant = numbers[2], numbers[3]
    for cluster in range(len(out)):
        level = 16 * dot_levels(high, cluster, weights) + dot_levels(low, cluster, weights)
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


@numba.njit("void(float32[::1], float32, float32[::1], float32[:, ::1], int64[::1])", cache=True, nogil=True)
def _choose(estimates, error, query, centroids, clusters):
    """Write the len(clusters) nearest; where error > 0, put exact cosines into `estimates` for what is in question."""
    wanted = len(clusters)
    counts = np.zeros(_BINS, dtype=np.int32)
    for cluster in range(len(estimates)):
        counts[_bin(estimates[cluster])] += 1
    edge = _BINS
    above = 0
    while above < wanted:  # as many have an estimate in the bins from `edge` on
        edge -= 1
        above += counts[edge]
    bound = np.float32(edge) * np.float32(2.0 / _BINS) - np.float32(1.0) - 2 * error - np.float32(1e-6)
    if edge == 0:
        bound = np.float32(-np.inf)
    keys = np.empty(len(estimates), dtype=np.uint64)
    count = 0
    for cluster in range(len(estimates)):
        if estimates[cluster] >= bound:
            if error > np.float32(0.0):
                estimates[cluster] = dot(query, centroids, cluster)
            keys[count] = falling(estimates[cluster]) << np.uint64(32) | np.uint64(cluster)
            count += 1
    chosen = np.sort(keys[:count])
    for i in range(wanted):
        clusters[i] = np.int64(chosen[i] & np.uint64(0xFFFFFFFF))
