"""Stored vectors as compiled loops read them, whatever their precision: the cosine that decides membership and scores.

Compiled loops call `cosine(query, row)`, in [-1, 1], and `prefetch(row)`. The third class, PlaneRows
of codecs/int8.py, reads codes that are the vectors.
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from alicorn.quantization.codes import Codes
from alicorn.quantization.kernels.dot import dot, dot_halves
from alicorn.quantization.kernels.intrinsics import prefetch_row
from alicorn.quantization.kernels.named import Bytes, FloatRows


class Float32Rows(NamedTuple):
    """vectors: (rows, dim) float32."""

    vectors: FloatRows
    dim: int

    @classmethod
    def of(cls, vectors: np.ndarray, codes: Codes, dim: int) -> Self:
        """Vectors as stored; their codes are not read."""
        return cls(vectors, dim)

    @staticmethod
    def queries(queries: np.ndarray) -> np.ndarray:
        """Queries, (..., dim) float32, as `cosine` takes them."""
        return queries

    def cosine(self, query, row):
        product = dot(query, self.vectors + 4 * self.dim * row, self.dim)
        return min(max(product, np.float32(-1.0)), np.float32(1.0))

    def prefetch(self, row):
        prefetch_row(self.vectors + 4 * self.dim * row, 4 * self.dim)


class Float16Rows(NamedTuple):
    """vectors: (rows, 2 dim) uint8, the bytes of float16."""

    vectors: Bytes
    dim: int

    @classmethod
    def of(cls, vectors: np.ndarray, codes: Codes, dim: int) -> Self:
        """Vectors as stored, float16; their codes are not read."""
        return cls(vectors.view(np.uint8), dim)

    @staticmethod
    def queries(queries: np.ndarray) -> np.ndarray:
        """Queries, (..., dim) float32, as `cosine` takes them."""
        return queries

    def cosine(self, query, row):
        product = dot_halves(query, self.vectors + 2 * self.dim * row, self.dim)
        return min(max(product, np.float32(-1.0)), np.float32(1.0))

    def prefetch(self, row):
        prefetch_row(self.vectors + 2 * self.dim * row, 2 * self.dim)
