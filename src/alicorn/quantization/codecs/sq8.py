"""SQ8: a residual in one byte a dimension, in two planes of four bits.

decoded_j = low_j + step_j * code_j, the grid being uniform in each dimension. A code byte is 16 * high + low: the high
nibbles of all dimensions are the first plane, the low ones the second (kernels/levels.py says how a plane is packed).
The first plane alone is a code of four bits, half the bytes, with the error of half a coarse step: a scan reads that,
and looks at the second plane only where it has to. With whole-number weights w_j, unit * w_j nearly q_j * step_j, and
c one of
    16 * high + 7.5      from the first plane,
    16 * high + low      from both,
<q, decoded> is <q, low> + 127.5 * lost + unit * sum_j w_j c_j, off by at most 127.5 * sum_j |q_j step_j - unit w_j|,
where lost = sum_j (q_j step_j - unit w_j). `prepare` makes the weights and constants once a query.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple, Self

import numpy as np

from alicorn.compiled import kernel
from alicorn.quantization.codecs.codec import check_dim, distances
from alicorn.quantization.kernels.levels import dot_levels, level_weights, packed, place_of, plane_width, unpacked
from alicorn.quantization.kernels.named import Integers

_LEVELS = 255
_TAIL = 0.001  # share of the values of a dimension below the grid, and above it


class SQ8Query(NamedTuple):
    """Of codes of two planes. weights: whole numbers, of level_weights, in this unit.

    constant: what is added to the sum over both planes; middle: what the low plane adds on average.
    """

    weights: Integers
    unit: np.float32
    constant: np.float32
    middle: np.float32
    rounding: np.float32

    def estimate(self, base, code, size):
        high = np.float32(dot_levels(code, size, self.weights))
        return base + self.constant + np.float32(16.0) * self.unit * high, self.middle

    def rest(self, code, fine, size):
        return self.unit * np.float32(dot_levels(fine, size, self.weights))


class SQ8:
    """low, step: (dim,) float32, the grid of each dimension."""

    name: ClassVar[str] = "sq8"
    choice: ClassVar[str | None] = "sq8"
    option: ClassVar[str | None] = None
    most: ClassVar[int] = 0
    size = None
    of_residuals: ClassVar[bool] = True
    num_errors: ClassVar[int] = 2
    Query: ClassVar[type] = SQ8Query

    def __init__(self, low: np.ndarray, step: np.ndarray) -> None:
        self.low = np.ascontiguousarray(low, dtype=np.float32)
        self.step = np.ascontiguousarray(step, dtype=np.float32)
        self.dim = len(self.low)
        self.scan_size = plane_width(self.dim)
        self.code_size = 2 * self.scan_size

    @classmethod
    def complete(cls, size: int | None, num_vectors: int, dim: int) -> None:
        check_dim("sq8", dim)

    @classmethod
    def train(cls, points: np.ndarray, size: int | None, seed: int) -> Self:
        return cls.fit(points)

    @classmethod
    def fit(cls, residuals: np.ndarray) -> Self:
        """The grid spans nearly all of what the training residuals span. residuals: (n, dim) float32, n >= 1.

        Values outside the grid are clipped; their larger error is stored beside the code, so bounds stay true. Without
        the tails the steps, and so the errors of all the others, are a third smaller.
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

    def errors(self, points: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """By the first plane and by both. (n, dim), (n, code_size) -> (n, 2) float32."""
        return distances(points, self.decode(codes[:, : self.scan_size]), self.decode(codes))

    def prepare(self, query: np.ndarray) -> SQ8Query:
        """(dim,) float32."""
        weights = np.empty(4 * self.scan_size, dtype=np.int8)
        numbers = map(np.float32, _prepare.entry(query, self.low, self.step, weights))
        return tuple.__new__(SQ8Query, (weights, *numbers))  # its own constructor is one more Python function

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


@kernel("UniTuple(float64, 4)(float32[::1], float32[::1], float32[::1], int8[::1])")
def _prepare(query, low, step, weights):
    """Fill the weights of an SQ8Query; returns its numbers."""
    dim = len(query)
    products = query * step
    unit = level_weights(products, weights)
    constant, lost, off, total = 0.0, 0.0, 0.0, 0.0
    for j in range(dim):
        at, on = place_of(j, len(weights) // 4)
        whole = 128 * np.int64(weights[at]) + np.int64(weights[at + on])
        difference = np.float64(products[j]) - np.float64(unit) * whole
        constant += np.float64(query[j]) * np.float64(low[j])
        lost += difference
        off += abs(difference)
        total += whole
    return np.float64(unit), constant + 127.5 * lost, 7.5 * unit * total, 127.5 * off
