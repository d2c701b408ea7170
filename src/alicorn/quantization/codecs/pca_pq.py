"""PCA-PQ: a residual on its principal components, in one byte per sub-vector (EBR 4.1).

Faiss finds the components; they are dealt out so that the sub-vectors share the variance. As many are kept as pq_bytes
divides: all where it divides the dimension (a rotation), else the leading ones (a projection), so that pq_bytes need
not divide the dimension.
"""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from alicorn.quantization.codecs import product
from alicorn.quantization.codecs.codec import distances


class PCAPQ:
    """components: (kept, dim), orthonormal rows; mean: (dim,); codebooks: (code_size, 256, kept / code_size)."""

    name: ClassVar[str] = "pca-pq"
    choice: ClassVar[str | None] = "pca-pq"
    option: ClassVar[str | None] = "pq_bytes"
    most: ClassVar[int] = product.MAX_BYTES
    of_residuals: ClassVar[bool] = True
    num_errors: ClassVar[int] = 1
    Query: ClassVar[type] = product.TableQuery

    def __init__(self, components: np.ndarray, mean: np.ndarray, codebooks: np.ndarray) -> None:
        self.components = np.ascontiguousarray(components, dtype=np.float32)
        self.mean = np.ascontiguousarray(mean, dtype=np.float32)
        self.codebooks = product.Codebooks(codebooks)
        self.dim = len(self.mean)
        self.code_size = self.scan_size = self.size = self.codebooks.code_size

    @classmethod
    def complete(cls, size: int | None, num_vectors: int, dim: int) -> int:
        return product.complete_bytes(size, num_vectors, dim, cls.name, must_divide=False)

    @classmethod
    def train(cls, points: np.ndarray, size: int | None, seed: int) -> Self:
        assert size is not None
        return cls.fit(points, size, seed)

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

    def errors(self, points: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """(n, dim), (n, code_size) -> (n, 1) float32."""
        return distances(points, self.decode(codes))

    def prepare(self, query: np.ndarray) -> product.TableQuery:
        """(dim,) float32."""
        return product.TableQuery(
            self.codebooks.table(self.components @ query), np.float32(query.astype(np.float64) @ self.mean)
        )

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"components": self.components, "mean": self.mean, "codebooks": self.codebooks.centroids}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        return cls(arrays["components"], arrays["mean"], arrays["codebooks"])
