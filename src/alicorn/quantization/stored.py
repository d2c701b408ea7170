"""Stored vectors as compiled loops read them, whatever their precision: the cosine that decides membership and scores.

Each class has `cosine(query, row)`, in [-1, 1], and `prefetch(row)`; int8.py has the third, of codes that are vectors.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from alicorn.quantization.kernels.dot import dot, dot_halves
from alicorn.quantization.kernels.intrinsics import prefetch_row
from alicorn.quantization.kernels.named import Bytes, FloatRows


class Float32Rows(NamedTuple):
    """vectors: (rows, dim) float32."""

    vectors: FloatRows
    dim: int

    def cosine(self, query, row):
        product = dot(query, self.vectors + 4 * self.dim * row, self.dim)
        return min(max(product, np.float32(-1.0)), np.float32(1.0))

    def prefetch(self, row):
        prefetch_row(self.vectors + 4 * self.dim * row, 4 * self.dim)


class Float16Rows(NamedTuple):
    """vectors: (rows, 2 dim) uint8, the bytes of float16."""

    vectors: Bytes
    dim: int

    def cosine(self, query, row):
        product = dot_halves(query, self.vectors + 2 * self.dim * row, self.dim)
        return min(max(product, np.float32(-1.0)), np.float32(1.0))

    def prefetch(self, row):
        prefetch_row(self.vectors + 2 * self.dim * row, 2 * self.dim)
