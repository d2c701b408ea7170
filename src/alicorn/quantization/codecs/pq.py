"""PQ: a residual in one byte per sub-vector, without a rotation (Jégou et al. 2011).

Cheapest to train of the three. Best where the dimensions have about equal variances; else OPQ loses less at the same
bytes.
"""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from alicorn.quantization.codecs import product
from alicorn.quantization.codecs.codec import distances


class PQ:
    """codebooks: (code_size, 256, dim / code_size) float32."""

    name: ClassVar[str] = "pq"
    choice: ClassVar[str | None] = "pq"
    option: ClassVar[str | None] = "pq_bytes"
    most: ClassVar[int] = product.MAX_BYTES
    of_residuals: ClassVar[bool] = True
    num_errors: ClassVar[int] = 1
    Query: ClassVar[type] = product.TableQuery

    def __init__(self, codebooks: np.ndarray) -> None:
        self.codebooks = product.Codebooks(codebooks)
        self.dim = self.codebooks.dim
        self.code_size = self.scan_size = self.size = self.codebooks.code_size

    @classmethod
    def complete(cls, size: int | None, num_vectors: int, dim: int) -> int:
        return product.complete_bytes(size, num_vectors, dim, cls.name, must_divide=True)

    @classmethod
    def train(cls, points: np.ndarray, size: int | None, seed: int) -> Self:
        assert size is not None
        return cls.fit(points, size, seed)

    @classmethod
    def fit(cls, residuals: np.ndarray, code_size: int, seed: int = 0) -> Self:
        """residuals: (n, dim) float32, n >= 256; code_size, in bytes, divides dim."""
        points = product.training_points(residuals, code_size, cls.name, seed)
        return cls(product.Codebooks.fit(points, code_size, seed).centroids)

    def encode(self, residuals: np.ndarray) -> np.ndarray:
        """(n, dim) float32 -> (n, code_size) uint8."""
        return self.codebooks.encode(residuals)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """(n, code_size) uint8 -> (n, dim) float32."""
        return self.codebooks.decode(codes)

    def errors(self, points: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """(n, dim), (n, code_size) -> (n, 1) float32."""
        return distances(points, self.decode(codes))

    def prepare(self, query: np.ndarray) -> product.TableQuery:
        """(dim,) float32."""
        return product.TableQuery(self.codebooks.table(query), np.float32(0.0))

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"codebooks": self.codebooks.centroids}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        return cls(arrays["codebooks"])
