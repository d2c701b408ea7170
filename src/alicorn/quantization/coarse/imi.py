"""IMI, the inverted multi-index: k^2 cells from two halves of the dimensions, k centroids each.

Source: Babenko and Lempitsky, The Inverted Multi-Index, CVPR 2012.
Beside ivf.py, and used like it: cell i k + j has the centroid (first_i, second_j). Training and assigning cost
2 k half-centroids where IVF pays for k^2 whole ones, and the inner products of a query with all cells are an outer sum.
The price is clusters of very unequal size (EBR 4.1, tip 1): compare it with IVF at equal documents scanned.

Every half-centroid of one half has the same norm, and the squares of the two norms sum to 1: so all cells are of unit
length, the largest inner product is the smallest angle, and pruning by angle holds as it does for IVF. Free lengths
would scan 1 to 5 % fewer documents at the same recall (docs/decisions/003-coarse-quantizers.md).
"""

from __future__ import annotations

import math
from typing import Self

import numpy as np

from alicorn.quantization.coarse.assigning import nearest_centroids
from alicorn.quantization.coarse.ivf import spherical_kmeans
from alicorn.quantization.coarse.probing import centroid_cosines, nearest

MAX_CELLS = 65_536  # 256 centroids a half; the cells' centroids are kept: at 128 dimensions 32 MiB
MIN_DIM = 4  # a half of one dimension has two directions only
_STAGES = ((64, 4), (256, 4))  # there are few half-centroids: train them well


class IMI:
    """first: (k, dim // 2), second: (k, dim - dim // 2) float32 half-centroids, of one norm each."""

    name = "imi"

    def __init__(self, first: np.ndarray, second: np.ndarray) -> None:
        self.first = np.ascontiguousarray(first, dtype=np.float32)
        self.second = np.ascontiguousarray(second, dtype=np.float32)
        per_half = len(self.first)
        self.num_clusters = per_half**2
        self.half = self.first.shape[1]
        self.dim = self.half + self.second.shape[1]
        self.centroids = np.hstack([np.repeat(self.first, per_half, axis=0), np.tile(self.second, (per_half, 1))])

    @classmethod
    def fit(cls, vectors: np.ndarray, num_clusters: int, seed: int = 0) -> Self:
        """vectors: (n, dim) float32 unit rows, dim >= MIN_DIM; num_clusters: a square, at most n^2 and MAX_CELLS."""
        per_half = math.isqrt(num_clusters)
        half = vectors.shape[1] // 2
        if per_half**2 != num_clusters or not 1 <= num_clusters <= MAX_CELLS or vectors.shape[1] < MIN_DIM:
            raise ValueError(
                f"imi needs {MIN_DIM} dimensions and a square of at most {MAX_CELLS} cells,"
                f" got {vectors.shape[1]} and {num_clusters}"
            )
        parts = vectors[:, :half], vectors[:, half:]
        energy = [max(float(np.square(part).sum(dtype=np.float64)), 1e-12) for part in parts]
        halves = [
            spherical_kmeans(_directions(part), per_half, seed, _STAGES) * np.float32(math.sqrt(one / sum(energy)))
            for part, one in zip(parts, energy, strict=True)
        ]
        return cls(*halves)

    def assign(self, vectors: np.ndarray) -> np.ndarray:
        """The nearest cell of each row: the nearest half-centroid of each half. (n, dim) float32 -> (n,) int32."""
        first = nearest_centroids(vectors[:, : self.half], self.first)
        result: np.ndarray = first * np.int32(len(self.first)) + nearest_centroids(vectors[:, self.half :], self.second)
        return result

    def cosines(self, query: np.ndarray) -> np.ndarray:
        """Inner product of a query with every cell's centroid. (dim,) -> (num_clusters,) float32."""
        first = centroid_cosines(query[: self.half], self.first)
        result: np.ndarray = (first[:, None] + centroid_cosines(query[self.half :], self.second)).ravel()
        return result

    def estimates(self, query: np.ndarray) -> tuple[np.ndarray, np.float32]:
        """The same, and how far each may be off: an outer sum is fast enough."""
        return self.cosines(query), np.float32(0.0)

    def nearest(self, query: np.ndarray, nprobe: int) -> tuple[np.ndarray, np.ndarray, float]:
        """The nprobe nearest cells, as CoarseQuantizer.nearest."""
        cosines = self.cosines(query)
        return nearest(cosines, nprobe), cosines, 0.0

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"first": self.first, "second": self.second}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        return cls(arrays["first"], arrays["second"])


def _directions(part: np.ndarray) -> np.ndarray:
    """Rows of unit length; a row of zeros stays."""
    norms = np.linalg.norm(part, axis=1, keepdims=True)
    result: np.ndarray = part / np.maximum(norms, 1e-12)
    return result
