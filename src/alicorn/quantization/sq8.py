"""SQ8: a residual in one byte a dimension, on a uniform grid per dimension. Follows coarse.py; scored by query/.

decoded_j = low_j + step_j * code_j, so an inner product with a query q is
    <q, decoded> = <q, low> + sum_j (q_j * step_j) * code_j:
`prepare` makes (q_j * step_j) and <q, low> once a query, and a document costs one pass over its bytes.
"""

from __future__ import annotations

from typing import Self

import numba
import numpy as np

_LEVELS = 255


class SQ8:
    """low, step: (dim,) float32, the grid of each dimension."""

    name = "sq8"

    def __init__(self, low: np.ndarray, step: np.ndarray) -> None:
        self.low = np.ascontiguousarray(low, dtype=np.float32)
        self.step = np.ascontiguousarray(step, dtype=np.float32)
        self.dim = self.code_size = len(self.low)

    @classmethod
    def fit(cls, residuals: np.ndarray, seed: int = 0) -> Self:
        """The grid spans what the training residuals span. residuals: (n, dim) float32, n >= 1.

        A later vector outside the grid is clipped; its larger error is kept beside its code, so bounds stay true.
        """
        low = residuals.min(axis=0)
        span = residuals.max(axis=0) - low
        return cls(low, np.maximum(span, 1e-6) / _LEVELS)

    def encode(self, residuals: np.ndarray) -> np.ndarray:
        """(n, dim) float32 -> (n, dim) uint8."""
        codes = np.empty(residuals.shape, dtype=np.uint8)
        _encode(np.ascontiguousarray(residuals, dtype=np.float32), self.low, self.step, codes)
        return codes

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """(n, dim) uint8 -> (n, dim) float32."""
        return self.low + self.step * codes.astype(np.float32)

    def prepare(self, query: np.ndarray) -> tuple[np.ndarray, float]:
        """What scoring needs of a query (dim,): the weights of the code bytes (dim,) float32, and a constant."""
        return query * self.step, float(query.astype(np.float64) @ self.low.astype(np.float64))

    def score(self, prepared: tuple[np.ndarray, float], codes: np.ndarray) -> np.ndarray:
        """Estimated <query, residual> of each code. (n, dim) uint8 -> (n,) float32."""
        weights, constant = prepared
        scores = np.empty(len(codes), dtype=np.float32)
        score_codes(weights, np.ascontiguousarray(codes), np.float32(constant), scores)
        return scores

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"low": self.low, "step": self.step}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        return cls(arrays["low"], arrays["step"])


@numba.njit("void(float32[:, ::1], float32[::1], float32[::1], uint8[:, ::1])", cache=True, nogil=True)
def _encode(residuals, low, step, codes):
    count, dim = residuals.shape
    for row in range(count):
        for j in range(dim):
            level = np.rint((residuals[row, j] - low[j]) / step[j])
            codes[row, j] = np.uint8(min(max(level, np.float32(0.0)), np.float32(255.0)))


@numba.njit("void(float32[::1], uint8[:, ::1], float32, float32[::1])", cache=True, nogil=True, fastmath=True)
def score_codes(weights, codes, constant, out):
    """out[row] = constant + <weights, codes[row]>."""
    for row in range(len(codes)):
        total = np.float32(0.0)
        for j in range(len(weights)):
            total += weights[j] * np.float32(codes[row, j])
        out[row] = total + constant
