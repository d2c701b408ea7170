"""Coarse clusters (IVF): which part of the space is a vector in? index/ numbers documents by it, query/ probes it.

The cluster of a vector depends on the vector alone: not on the batch it came with, nor on the segment it lands in.
Matrix products round differently with the shape of the batch, so what they leave undecided is decided again by one
double-precision dot product per candidate, ties going to the smaller cluster number.
"""

from __future__ import annotations

from typing import Self

import faiss
import numba
import numpy as np

# Two float32 products of unit vectors, however summed, differ by less than this for up to some 10,000 dimensions.
_UNDECIDED = np.float32(1e-5)
_ASSIGN_BLOCK = 16_384  # rows a block: 16,384 x 4,096 clusters x 4 bytes = 256 MiB
_POINTS_PER_CLUSTER = 64  # training sample; Faiss asks for at least 39


class CoarseQuantizer:
    """Unit-length centroids, found by spherical k-means."""

    def __init__(self, centroids: np.ndarray) -> None:
        self.centroids = np.ascontiguousarray(centroids, dtype=np.float32)  # (num_clusters, dim)
        self.num_clusters, self.dim = self.centroids.shape

    @classmethod
    def single(cls, dim: int) -> Self:
        """One cluster: what a collection has until it is large enough to train."""
        centroid = np.zeros((1, dim), dtype=np.float32)
        return cls(centroid)

    @classmethod
    def fit(cls, vectors: np.ndarray, num_clusters: int, seed: int = 0) -> Self:
        """Spherical k-means over a sample. vectors: (n, dim) float32 unit rows, n >= num_clusters >= 1."""
        count, dim = vectors.shape
        if not 1 <= num_clusters <= count:
            raise ValueError(f"num_clusters must be in [1, {count}] for {count} vectors, got {num_clusters}")
        rng = np.random.default_rng(seed)
        sample_size = min(count, num_clusters * _POINTS_PER_CLUSTER)
        chosen = np.sort(rng.choice(count, sample_size, replace=False)) if sample_size < count else slice(None)
        kmeans = faiss.Kmeans(
            dim,
            num_clusters,
            niter=10,
            seed=seed + 1,
            spherical=True,
            min_points_per_centroid=1,
            max_points_per_centroid=_POINTS_PER_CLUSTER + 1,
        )
        kmeans.train(np.ascontiguousarray(vectors[chosen], dtype=np.float32))
        assert kmeans.centroids is not None
        return cls(kmeans.centroids)

    def assign(self, vectors: np.ndarray) -> np.ndarray:
        """The nearest centroid of each row. vectors: (n, dim) float32 -> (n,) int32."""
        count = len(vectors)
        clusters = np.zeros(count, dtype=np.int32)
        if self.num_clusters == 1:
            return clusters
        for start in range(0, count, _ASSIGN_BLOCK):
            block = np.ascontiguousarray(vectors[start : start + _ASSIGN_BLOCK], dtype=np.float32)
            _decide(block @ self.centroids.T, block, self.centroids, _UNDECIDED, clusters[start : start + len(block)])
        return clusters

    def cosines(self, query: np.ndarray) -> np.ndarray:
        """Inner product of a query with every centroid, summed in a fixed order. (dim,) -> (num_clusters,) float32."""
        return centroid_cosines(query, self.centroids)

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"centroids": self.centroids}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        return cls(arrays["centroids"])


def nearest(cosines: np.ndarray, nprobe: int) -> np.ndarray:
    """The numbers of the nprobe nearest clusters, nearest first, ties to the smaller. (n,) -> (<= nprobe,) int64."""
    num_clusters = len(cosines)
    if nprobe >= num_clusters:
        return np.argsort(-cosines, kind="stable")
    bound = -np.partition(-cosines, nprobe - 1)[nprobe - 1]
    chosen = np.flatnonzero(cosines >= bound)  # ascending numbers, so a stable sort breaks ties by number
    return chosen[np.argsort(-cosines[chosen], kind="stable")][:nprobe]


@numba.njit("float32[::1](float32[::1], float32[:, ::1])", cache=True, nogil=True, fastmath=True)
def centroid_cosines(query, centroids):
    count, dim = centroids.shape
    cosines = np.empty(count, dtype=np.float32)
    for row in range(count):
        total = np.float32(0.0)
        for j in range(dim):
            total += query[j] * centroids[row, j]
        cosines[row] = total
    return cosines


@numba.njit("void(float32[:, ::1], float32[:, ::1], float32[:, ::1], float32, int32[::1])", cache=True, nogil=True)
def _decide(similarities, vectors, centroids, undecided, out):
    count, num_clusters = similarities.shape
    dim = vectors.shape[1]
    for row in range(count):
        best = similarities[row, 0]
        for cluster in range(1, num_clusters):
            best = max(best, similarities[row, cluster])
        best_exact = -np.inf
        for cluster in range(num_clusters):
            if similarities[row, cluster] >= best - undecided:
                exact = 0.0
                for j in range(dim):
                    exact += np.float64(vectors[row, j]) * np.float64(centroids[cluster, j])
                if exact > best_exact:
                    best_exact = exact
                    out[row] = cluster
