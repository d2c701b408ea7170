"""Extended RaBitQ: 2 to 8 bits a dimension, unbiased, with a bound of high probability. Beside rabitq.py (1 bit).

A residual r is rotated by a random orthogonal P. The code is the levels u_j in 0 .. 2^bits - 1, which stand for the
vector y_j = u_j - (2^bits - 1) / 2; the estimate of <q, r> is factor <y, P q>, with factor = |r|^2 / <y, P r>. As with
one bit, r - factor P^T y is orthogonal to r and points anywhere over P: the estimate is unbiased, and its deviation is
the length of that difference over sqrt(D - 1). Source: Gao et al., Practical and Asymptotically Optimal Quantization
of High-Dimensional Vectors in Euclidean Space for Approximate Nearest Neighbor Search, SIGMOD 2025; papers 15.2.

The best levels are those with the largest cosine to P r. The paper walks through every scale of the grid at which a
level changes; here _STEPS of them are tried: docs/decisions/005-rabitq-of-several-bits.md has what that loses.

Code: one part for each power of two in `bits`, the widest first, holding the highest bits of the levels that are left.
A part of `width` bits is D width / 8 bytes; byte i holds the dimensions s D width / 8 + i, at the bits from s width on.
Then float32 factor.
"""

from __future__ import annotations

from typing import Self

import numba
import numpy as np

from alicorn.quantization.rabitq import EPSILON, random_rotation

MIN_BITS, MAX_BITS = 2, 8
_WIDTHS = (8, 4, 2, 1)
_STEPS = 16  # tried per vector,
# from this share of the step with which the largest component just fits into the top level; a few bits gain by clipping
_SMALLEST_STEP = {2: 0.35, 3: 0.45, 4: 0.55, 5: 0.7, 6: 0.85, 7: 0.93, 8: 0.95}
_LARGEST_STEP = 1.15


class ExtendedRaBitQ:
    """rotation: (D, D) float32 orthogonal, D the dimension padded to a multiple of 64; bits: a dimension."""

    name = "extended-rabitq"

    def __init__(self, rotation: np.ndarray, dim: int, bits: int) -> None:
        self.rotation = np.ascontiguousarray(rotation, dtype=np.float32)
        self.dim = dim
        self.bits = bits
        self.padded = len(rotation)
        self.code_size = self.scan_size = self.padded * bits // 8 + 4

    @classmethod
    def fit(cls, residuals: np.ndarray, bits: int, seed: int = 0) -> Self:
        """A random rotation; the residuals give only the dimension. residuals: (n, dim); bits: 2 to 8."""
        if not MIN_BITS <= bits <= MAX_BITS:
            raise ValueError(f"bits must be in [{MIN_BITS}, {MAX_BITS}], got {bits}")
        dim = residuals.shape[1]
        return cls(random_rotation(dim, seed), dim, bits)

    def encode(self, residuals: np.ndarray) -> np.ndarray:
        """(n, dim) float32 -> (n, code_size) uint8."""
        rotated = self._rotated(residuals)
        levels = np.empty(rotated.shape, dtype=np.uint8)
        factors = np.empty(len(rotated), dtype=np.float32)
        steps = np.geomspace(_SMALLEST_STEP[self.bits], _LARGEST_STEP, _STEPS)
        _choose_levels(rotated, self.bits, steps, levels, factors)
        parts = [factors[:, None].view(np.uint8)]
        below = 0
        for width in reversed(self._widths()):
            values = (levels >> below) & ((1 << width) - 1)
            lanes = values.reshape(len(levels), 8 // width, self.padded * width // 8)
            lanes <<= np.arange(0, 8, width, dtype=np.uint8)[:, None]
            parts.append(np.bitwise_or.reduce(lanes, axis=1))
            below += width
        return np.hstack(parts[::-1])

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """(n, code_size) uint8 -> (n, dim) float32: the vector whose inner products the estimates are."""
        return (self._rotated_code(codes) @ self.rotation)[:, : self.dim]

    def bounds(self, residuals: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """How far an estimate of <q, residual>, |q| = 1, is off, with high probability. (n, dim) -> (n,) float32."""
        lost = np.linalg.norm(self._rotated(residuals) - self._rotated_code(codes), axis=1)
        return (EPSILON * lost / np.sqrt(self.padded - 1)).astype(np.float32)

    def prepare(self, query: np.ndarray) -> tuple[np.ndarray, float]:
        """What scoring needs of a query (dim,): the rotated query times the weight of each part's lowest bit,
        part after part (num_parts * D,) float32, and what `score` adds to their sum before it applies the factor."""
        rotated = self.rotation[:, : self.dim] @ query
        below = self.bits - np.cumsum(self._widths())
        weights = (rotated * np.float32(2.0) ** below[:, None]).astype(np.float32)
        return weights.ravel(), -float(rotated.sum(dtype=np.float64)) * (2**self.bits - 1) / 2

    def score(self, prepared: tuple[np.ndarray, float], codes: np.ndarray) -> np.ndarray:
        """Estimated <query, residual> of each code. (n, code_size) uint8 -> (n,) float32."""
        weights, constant = prepared
        sums = np.empty(len(codes), dtype=np.float32)
        _sum_all(weights, np.ascontiguousarray(codes), self.bits, np.float32(constant), sums)
        return self._factors(codes) * sums

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"rotation": self.rotation, "dim": np.array([self.dim, self.bits], dtype=np.int64)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        dim, bits = (int(number) for number in arrays["dim"])
        return cls(arrays["rotation"], dim, bits)

    def _widths(self) -> list[int]:
        return [width for width in _WIDTHS if self.bits & width]

    def _rotated(self, residuals: np.ndarray) -> np.ndarray:
        """(n, dim) -> (n, D) float32."""
        return np.asarray(residuals, dtype=np.float32) @ self.rotation[:, : self.dim].T

    def _rotated_code(self, codes: np.ndarray) -> np.ndarray:
        """factor y of each code. (n, code_size) uint8 -> (n, D) float32."""
        levels = np.zeros((len(codes), self.padded), dtype=np.float32)
        start = 0
        for width in self._widths():
            size = self.padded * width // 8
            packed = codes[:, None, start : start + size] >> np.arange(0, 8, width, dtype=np.uint8)[:, None]
            levels *= 1 << width
            levels += (packed & ((1 << width) - 1)).reshape(len(codes), self.padded)
            start += size
        return self._factors(codes)[:, None] * (levels - np.float32((2**self.bits - 1) / 2))

    def _factors(self, codes: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(codes[:, -4:]).view(np.float32)[:, 0]


@numba.njit(fastmath=True)
def _alignment(row, inverse_step, top):
    """<y, row> and |y|^2, y the row over the step, each component at the middle of its cell, clipped at the top one."""
    product = np.float32(0.0)
    square = np.float32(0.0)
    for j in range(len(row)):
        size = abs(row[j])
        middle = min(np.floor(size * inverse_step), top) + np.float32(0.5)
        product += size * middle
        square += middle * middle
    return product, square


@numba.njit("void(float32[:, ::1], int64, float64[::1], uint8[:, ::1], float32[::1])", cache=True, nogil=True)
def _choose_levels(rotated, bits, steps, levels, factors):
    """steps: shares of the step with which the largest component just fits. A row of zeros gets the factor 0."""
    half = 1 << (bits - 1)
    top = np.float32(half - 1)
    for i in range(len(rotated)):
        row = rotated[i]
        norm = 0.0
        largest = np.float32(0.0)
        for j in range(len(row)):
            norm += np.float64(row[j]) * np.float64(row[j])
            largest = max(largest, abs(row[j]))
        if norm == 0.0:
            levels[i] = half
            factors[i] = 0.0
            continue
        best, best_inverse = np.float32(-1.0), np.float32(0.0)
        for step in steps:
            inverse = np.float32(half / (step * largest))
            product, square = _alignment(row, inverse, top)
            if product * product > best * square:
                best, best_inverse = product * product / square, inverse
        product, _ = _alignment(row, best_inverse, top)
        factors[i] = np.float32(norm / product)
        for j in range(len(row)):
            size = np.int64(min(np.floor(abs(row[j]) * best_inverse), top))
            levels[i, j] = half + size if row[j] >= 0 else half - 1 - size


@numba.njit(fastmath=True)
def weighted_levels(weights, codes, row, bits):
    """Sum over dimensions of weight times level of one code: the estimate before its constant and its factor."""
    padded = 8 * (codes.shape[1] - 4) // bits
    total = np.float32(0.0)
    start, used, width = 0, 0, 8
    while width:
        if bits & width:
            size = padded * width // 8
            mask = np.int32((1 << width) - 1)
            part = codes[row, start : start + size]  # slices, so that the inner loop counts from 0 and becomes SIMD
            for shift in range(0, 8, width):
                lane = weights[used : used + size]
                for i in range(size):
                    total += lane[i] * np.float32((np.int32(part[i]) >> np.int32(shift)) & mask)
                used += size
            start += size
        width >>= 1
    return total


@numba.njit("void(float32[::1], uint8[:, ::1], int64, float32, float32[::1])", cache=True, nogil=True)
def _sum_all(weights, codes, bits, constant, out):
    for row in range(len(codes)):
        out[row] = weighted_levels(weights, codes, row, bits) + constant
