"""Coarse clusters (IVF): which part of the space is a vector in? index/ numbers documents by it, query/ probes it.

The cluster of a vector depends on the vector alone: not on the batch it came with, nor on the segment it lands in
(assigning.py).

A coarse quantizer (this one, or IMI) has unit-length `centroids`, `num_clusters`, `dim`, `assign`, `cosines`,
`estimates` and `nearest`: the rest of the engine asks for nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np

from alicorn import processes as processes  # Faiss in forked children
from alicorn.quantization.coarse.assigning import nearest_centroids
from alicorn.quantization.coarse.probing import CentroidCodes, centroid_cosines, nearest_of

# Training stages, (vectors per cluster, rounds of k-means): rough first, then as many as Faiss asks for and more.
# Half the work of ten rounds over 64 vectors per cluster, for nearly the same recall (decision 003).
_STAGES = ((16, 4), (64, 4))


class CoarseQuantizer:
    """Unit-length centroids, found by spherical k-means."""

    name = "ivf"

    def __init__(self, centroids: np.ndarray) -> None:
        self.centroids = np.ascontiguousarray(centroids, dtype=np.float32)  # (num_clusters, dim)
        self.num_clusters, self.dim = self.centroids.shape
        self._codes = CentroidCodes.of(self.centroids)
        self.estimates = self._exact_estimates if self._codes is None else self._codes.estimates
        """The same as `cosines`, faster, (num_clusters,) float32, and how far each may be off."""

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
        result: np.ndarray = centroid_cosines(query, self.centroids)
        return result

    def _exact_estimates(self, query: np.ndarray) -> tuple[np.ndarray, np.float32]:
        return self.cosines(query), np.float32(0.0)

    def nearest(self, query: np.ndarray, nprobe: int) -> tuple[np.ndarray, np.ndarray, float]:
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
    """Unit-length centres of groups of directions, by Faiss. (n, dim) float32 unit rows -> (num_clusters, dim) float32.

    stages: vectors per cluster, and rounds of k-means over so many, each from where the one before ended.
    """
    count, dim = vectors.shape
    if not 1 <= num_clusters <= count:
        raise ValueError(f"num_clusters must be in [1, {count}] for {count} vectors, got {num_clusters}")
    most_per_cluster = max(vectors for vectors, _ in stages)
    sample_size = min(count, num_clusters * most_per_cluster)
    chosen = np.random.default_rng(seed).choice(count, sample_size, replace=False)  # in random order
    sample = np.ascontiguousarray(vectors[chosen], dtype=np.float32)
    import faiss  # loaded when something is trained

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
