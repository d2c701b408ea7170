"""PQ: a residual in one byte per sub-vector, without a rotation (papers 15.1). Follows product.py, like opq.py.

Cheapest to train of the three. Best where the dimensions carry about the same; else OPQ loses less at the same bytes.
"""

from __future__ import annotations

from typing import Self

import numpy as np

from alicorn.quantization.codecs import product


class PQ:
    """codebooks: (code_size, 256, dim / code_size) float32."""

    name = "pq"

    def __init__(self, codebooks: np.ndarray) -> None:
        self.codebooks = product.Codebooks(codebooks)
        self.dim = self.codebooks.dim
        self.code_size = self.scan_size = self.codebooks.code_size

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

    def prepare(self, query: np.ndarray) -> tuple[np.ndarray, float]:
        """What scoring needs of a query (dim,): the table (code_size * 256,) float32 of partial products, and 0."""
        return self.codebooks.table(query), 0.0

    def score(self, prepared: tuple[np.ndarray, float], codes: np.ndarray) -> np.ndarray:
        """Estimated <query, residual> of each code. (n, code_size) uint8 -> (n,) float32."""
        return product.score(prepared, codes)

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"codebooks": self.codebooks.centroids}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        return cls(arrays["codebooks"])
