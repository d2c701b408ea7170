"""Coarse clusters (IVF): which part of the space is a vector in? index/ numbers documents by it, query/ probes it.

The cluster of a vector depends on the vector alone: not on the batch it came with, nor on the segment it lands in.
Matrix products round differently with the shape of the batch, so what they leave undecided is decided again by one
double-precision dot product per candidate, ties going to the smaller cluster number.

A coarse quantizer (this one, or IMI) has unit-length `centroids`, `num_clusters`, `dim`, `assign`, `cosines`,
`estimates` and `nearest`: the rest of the engine asks for nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import faiss
import numba
import numpy as np

from alicorn.quantization.probing import CentroidCodes, centroid_cosines, nearest_of

# Two float32 products of unit vectors, however summed, differ by less than this for up to some 10,000 dimensions.
_UNDECIDED = np.float32(1e-5)
_ASSIGN_BLOCK = 4_096  # rows a block: 4,096 x 4,096 clusters x 4 bytes = 64 MiB
_GROUP = 64  # clusters whose largest product is remembered: only near groups are looked at again
# Training stages, (vectors per cluster, rounds of k-means): rough first, then as many as Faiss asks for and more.
# Half the work of ten rounds over 64 vectors per cluster, for the same recall: docs/decisions/003-coarse-quantizers.md.
_STAGES = ((16, 4), (64, 4))
SAMPLE_PER_CLUSTER = max(vectors for vectors, _ in _STAGES)


class CoarseQuantizer:
    """Unit-length centroids, found by spherical k-means."""

    name = "ivf"

    def __init__(self, centroids: np.ndarray) -> None:
        self.centroids = np.ascontiguousarray(centroids, dtype=np.float32)  # (num_clusters, dim)
        self.num_clusters, self.dim = self.centroids.shape
        self._codes = CentroidCodes.of(self.centroids)

    @classmethod
    def single(cls, dim: int) -> Self:
        """One cluster: what a collection has until it is large enough to train."""
        centroid = np.zeros((1, dim), dtype=np.float32)
        return cls(centroid)

    @classmethod
    def fit(cls, vectors: np.ndarray, num_clusters: int, seed: int = 0) -> Self:
        """Spherical k-means over a sample. vectors: (n, dim) float32 unit rows, n >= num_clusters >= 1."""
        return cls(spherical_kmeans(vectors, num_clusters, seed))

    def assign(self, vectors: np.ndarray) -> np.ndarray:
        """The nearest centroid of each row. vectors: (n, dim) float32 -> (n,) int32."""
        return nearest_centroids(vectors, self.centroids)

    def cosines(self, query: np.ndarray) -> np.ndarray:
        """Inner product of a query with every centroid, summed in a fixed order. (dim,) -> (num_clusters,) float32."""
        return centroid_cosines(query, self.centroids)

    def estimates(self, query: np.ndarray) -> tuple[np.ndarray, np.float32]:
        """The same, faster, (num_clusters,) float32, and how far each may be off."""
        if self._codes is None:
            return self.cosines(query), np.float32(0.0)
        return self._codes.estimates(query)

    def nearest(self, query: np.ndarray, nprobe: int) -> tuple[np.ndarray, np.ndarray]:
        """The nprobe nearest clusters, see probing.nearest_of. (dim,), at most num_clusters."""
        return nearest_of(query, self.centroids, self._codes, nprobe)

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"centroids": self.centroids}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        return cls(arrays["centroids"])


def spherical_kmeans(
    vectors: np.ndarray, num_clusters: int, seed: int, stages: Sequence[tuple[int, int]] = _STAGES
) -> np.ndarray:
    """Unit-length centres of groups of directions, by Faiss. vectors: (n, dim) unit rows -> (num_clusters, dim) float32.

    stages: vectors per cluster, and rounds of k-means over so many, each from where the one before ended.
    """
    count, dim = vectors.shape
    if not 1 <= num_clusters <= count:
        raise ValueError(f"num_clusters must be in [1, {count}] for {count} vectors, got {num_clusters}")
    most_per_cluster = max(vectors for vectors, _ in stages)
    sample_size = min(count, num_clusters * most_per_cluster)
    chosen = np.random.default_rng(seed).choice(count, sample_size, replace=False)  # in random order
    sample = np.ascontiguousarray(vectors[chosen], dtype=np.float32)
    centroids = None
    for per_cluster, rounds in stages:
        kmeans = faiss.Kmeans(
            dim,
            num_clusters,
            niter=rounds,
            seed=seed + 1,
            spherical=True,
            min_points_per_centroid=1,
            max_points_per_centroid=most_per_cluster + 1,
        )
        kmeans.train(sample[: num_clusters * per_cluster], init_centroids=centroids)
        centroids = kmeans.centroids
    assert centroids is not None
    return centroids


def nearest_centroids(vectors: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """The centroid with the largest inner product, ties to the smaller number. (n, dim) -> (n,) int32."""
    count, num_clusters = len(vectors), len(centroids)
    clusters = np.zeros(count, dtype=np.int32)
    if num_clusters == 1 or count == 0:
        return clusters
    products = np.empty((min(count, _ASSIGN_BLOCK), num_clusters), dtype=np.float32)
    for start in range(0, count, _ASSIGN_BLOCK):
        block = np.ascontiguousarray(vectors[start : start + _ASSIGN_BLOCK], dtype=np.float32)
        found = np.matmul(block, centroids.T, out=products[: len(block)])
        _decide(found, block, centroids, _UNDECIDED, clusters[start : start + len(block)])
    return clusters


@numba.njit(fastmath=True)
def _largest(similarities, row, start, stop):
    largest = similarities[row, start]
    for cluster in range(start + 1, stop):
        largest = max(largest, similarities[row, cluster])
    return largest


@numba.njit("void(float32[:, ::1], float32[:, ::1], float32[:, ::1], float32, int32[::1])", cache=True, nogil=True)
def _decide(similarities, vectors, centroids, undecided, out):
    count, num_clusters = similarities.shape
    dim = vectors.shape[1]
    largest = np.empty((num_clusters + _GROUP - 1) // _GROUP, dtype=np.float32)
    for row in range(count):
        best = np.float32(-np.inf)
        for group in range(len(largest)):
            start = group * _GROUP
            largest[group] = _largest(similarities, row, start, min(start + _GROUP, num_clusters))
            best = max(best, largest[group])
        best_exact = -np.inf
        for group in range(len(largest)):
            if largest[group] < best - undecided:
                continue
            for cluster in range(group * _GROUP, min(group * _GROUP + _GROUP, num_clusters)):
                if similarities[row, cluster] >= best - undecided:
                    exact = 0.0
                    for j in range(dim):
                        exact += np.float64(vectors[row, j]) * np.float64(centroids[cluster, j])
                    if exact > best_exact:
                        best_exact = exact
                        out[row] = cluster
