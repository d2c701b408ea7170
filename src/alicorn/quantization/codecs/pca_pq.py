"""PCA-PQ: a residual on its principal components, in one byte per sub-vector (papers 1.6, 15.1). Follows product.py.

Faiss finds the components; they are dealt out so that the sub-vectors share the variance. As many are kept as pq_bytes
divides: all where it divides the dimension (a rotation), else the leading ones (a projection), so that pq_bytes need
not divide the dimension.
"""

from __future__ import annotations

from typing import Self

import numpy as np

from alicorn.quantization.codecs import product


class PCAPQ:
    """components: (kept, dim), orthonormal rows; mean: (dim,); codebooks: (code_size, 256, kept / code_size)."""

    name = "pca-pq"

    def __init__(self, components: np.ndarray, mean: np.ndarray, codebooks: np.ndarray) -> None:
        self.components = np.ascontiguousarray(components, dtype=np.float32)
        self.mean = np.ascontiguousarray(mean, dtype=np.float32)
        self.codebooks = product.Codebooks(codebooks)
        self.dim = len(self.mean)
        self.code_size = self.scan_size = self.codebooks.code_size

    @classmethod
    def fit(cls, residuals: np.ndarray, code_size: int, seed: int = 0) -> Self:
        """residuals: (n, dim) float32, n >= 256; code_size, in bytes, is at most dim."""
        dim = residuals.shape[1]
        if not 1 <= code_size <= dim:
            raise ValueError(f"code_size must be in [1, {dim}], got {code_size}")
        kept = dim - dim % code_size
        points = product.training_points(residuals, 1, cls.name, seed)
        components, mean = product.principal_components(points, kept, code_size)
        return cls(components, mean, product.Codebooks.fit((points - mean) @ components.T, code_size, seed).centroids)

    def encode(self, residuals: np.ndarray) -> np.ndarray:
        """(n, dim) float32 -> (n, code_size) uint8."""
        return self.codebooks.encode((np.asarray(residuals, dtype=np.float32) - self.mean) @ self.components.T)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """(n, code_size) uint8 -> (n, dim) float32."""
        return self.codebooks.decode(codes) @ self.components + self.mean

    def prepare(self, query: np.ndarray) -> tuple[np.ndarray, float]:
        """What scoring needs of a query (dim,): the table (code_size * 256,) float32, and <q, mean>."""
        return self.codebooks.table(self.components @ query), float(query.astype(np.float64) @ self.mean)

    def score(self, prepared: tuple[np.ndarray, float], codes: np.ndarray) -> np.ndarray:
        """Estimated <query, residual> of each code. (n, code_size) uint8 -> (n,) float32."""
        return product.score(prepared, codes)

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"components": self.components, "mean": self.mean, "codebooks": self.codebooks.centroids}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        return cls(arrays["components"], arrays["mean"], arrays["codebooks"])
