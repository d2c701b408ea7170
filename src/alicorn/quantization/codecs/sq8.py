"""SQ8: a residual in one byte a dimension, in two planes of four bits. Follows ivf.py; scored by query/.

decoded_j = low_j + step_j * code_j, the grid being uniform in each dimension. A code byte is 16 * high + low: the high
nibbles of all dimensions are the first plane, the low ones the second (simd.py says how a plane is packed). The first
plane alone is a code of four bits, half the bytes, with the error of half a coarse step: a scan reads that, and looks
at the second plane only where it has to. With whole-number weights w_j, unit * w_j nearly q_j * step_j, and c one of
    16 * high + 7.5      from the first plane,
    16 * high + low      from both,
<q, decoded> is <q, low> + 127.5 * rest + unit * sum_j w_j c_j, off by at most 127.5 * sum_j |q_j step_j - unit w_j|,
where rest = sum_j (q_j step_j - unit w_j). `prepare_levels` makes the weights and constants once a query.
"""

from __future__ import annotations

from typing import Self

import numpy as np

from alicorn.compiled import kernel
from alicorn.quantization.kernels.simd import level_weights, packed, place_of, plane_width, unpacked

_LEVELS = 255
_TAIL = 0.001  # share of the values of a dimension that lie below the grid, and above


class SQ8:
    """low, step: (dim,) float32, the grid of each dimension."""

    name = "sq8"

    def __init__(self, low: np.ndarray, step: np.ndarray) -> None:
        self.low = np.ascontiguousarray(low, dtype=np.float32)
        self.step = np.ascontiguousarray(step, dtype=np.float32)
        self.dim = len(self.low)
        self.scan_size = plane_width(self.dim)
        self.code_size = 2 * self.scan_size

    @classmethod
    def fit(cls, residuals: np.ndarray, seed: int = 0) -> Self:
        """The grid spans nearly all of what the training residuals span. residuals: (n, dim) float32, n >= 1.

        What is outside of it is clipped; its larger error is kept beside its code, so bounds stay true. Without the
        tails the steps, and so the errors of all the others, are a third smaller.
        """
        tail = int(len(residuals) * _TAIL)
        ordered = np.partition(residuals, (tail, len(residuals) - 1 - tail), axis=0)
        return cls.over(ordered[tail], ordered[len(residuals) - 1 - tail])

    @classmethod
    def over(cls, low: np.ndarray, high: np.ndarray) -> Self:
        """The grid from low to high, (dim,) float32 each."""
        return cls(low, np.maximum(high - low, 1e-6) / _LEVELS)

    def encode(self, residuals: np.ndarray) -> np.ndarray:
        """(n, dim) float32 -> (n, code_size) uint8: both planes side by side."""
        levels = np.empty(residuals.shape, dtype=np.uint8)
        _encode(np.ascontiguousarray(residuals, dtype=np.float32), self.low, self.step, levels)
        return np.hstack([packed(levels >> 4), packed(levels & 15)])

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """(n, code_size) uint8, or the first scan_size bytes of each -> (n, dim) float32."""
        high = unpacked(codes[:, : self.scan_size], self.dim).astype(np.float32)
        low = unpacked(codes[:, self.scan_size :], self.dim) if codes.shape[1] > self.scan_size else np.float32(7.5)
        return self.low + self.step * (16 * high + low)

    def prepare(self, query: np.ndarray) -> np.ndarray:
        """What `score` needs of a query (dim,): the query."""
        return query

    def score(self, prepared: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Estimated <query, residual> of each code. (n, code_size) uint8 -> (n,) float32."""
        return self.decode(codes) @ prepared

    def prepare_levels(self, query: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the compiled loops need of a query (dim,): weights int8 for dot_levels, and four float32 numbers.

        They are scale and constant of the first plane, scale of the second (the first then counts 16 times as much)
        and constant of both; and, fifth, how far rounding the weights can move a score.
        """
        weights = np.empty(4 * self.scan_size, dtype=np.int8)
        numbers = np.empty(5, dtype=np.float32)
        _prepare(query, self.low, self.step, weights, numbers)
        return weights, numbers

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"low": self.low, "step": self.step}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        return cls(arrays["low"], arrays["step"])


@kernel("void(float32[:, ::1], float32[::1], float32[::1], uint8[:, ::1])")
def _encode(residuals, low, step, codes):
    count, dim = residuals.shape
    for row in range(count):
        for j in range(dim):
            level = np.rint((residuals[row, j] - low[j]) / step[j])
            codes[row, j] = np.uint8(min(max(level, np.float32(0.0)), np.float32(255.0)))


@kernel("void(float32[::1], float32[::1], float32[::1], int8[::1], float32[::1])")
def _prepare(query, low, step, weights, numbers):
    dim = len(query)
    products = query * step
    unit = level_weights(products, weights)
    constant, rest, off, total = 0.0, 0.0, 0.0, 0.0
    for j in range(dim):
        at, on = place_of(j, len(weights) // 4)
        whole = 128 * np.int64(weights[at]) + np.int64(weights[at + on])
        difference = np.float64(products[j]) - np.float64(unit) * whole
        constant += np.float64(query[j]) * np.float64(low[j])
        rest += difference
        off += abs(difference)
        total += whole
    numbers[0] = 16 * unit
    numbers[1] = constant + 127.5 * rest + 7.5 * unit * total
    numbers[2] = unit
    numbers[3] = constant + 127.5 * rest
    numbers[4] = 127.5 * off
