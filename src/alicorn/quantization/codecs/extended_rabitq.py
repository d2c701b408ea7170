"""Extended RaBitQ: 2 to 8 bits a dimension, unbiased, with a bound of high probability.

A residual r is rotated by a random orthogonal P. The code is the levels u_j in 0 .. 2^bits - 1, which stand for the
vector y_j = u_j - (2^bits - 1) / 2; the estimate of <q, r> is factor <y, P q>, with factor = |r|^2 / <y, P r>. As with
one bit, r - factor P^T y is orthogonal to r and points anywhere over P: the estimate is unbiased, and its deviation is
the length of that difference over sqrt(D - 1). Source: Gao et al., Practical and Asymptotically Optimal Quantization
of High-Dimensional Vectors in Euclidean Space for Approximate Nearest Neighbor Search, SIGMOD 2025.

The best levels are those with the largest cosine to P r. The paper walks through every scale of the grid at which a
level changes; here _STEPS of them are tried: docs/decisions/005-rabitq-of-several-bits.md has what that loses.

Code: parts of the levels, the highest bits first: as many planes of four bits (kernels/levels.py) as there are
in `bits`, then two bits and one bit where they are left. A part of 2 or 1 bits is D width / 8 bytes; byte i holds the
dimensions s D width / 8 + i, at the bits from s width on. Then float32 factor. Planes are scored with weights rounded
to whole numbers, as for SQ8: that moves an estimate by less than a thousandth of the bound of 4 bits.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple, Self

import numpy as np

from alicorn.compiled import kernel, subroutine
from alicorn.quantization.codecs.codec import ROUNDING, check_dim
from alicorn.quantization.codecs.rabitq import EPSILON, RaBitQ, random_rotation, rotated_by
from alicorn.quantization.kernels.intrinsics import bytes_at, floats_at, load_float
from alicorn.quantization.kernels.levels import dot_levels, level_weights, packed, place_of, plane_width, unpacked
from alicorn.quantization.kernels.named import Floats, Integers

MIN_BITS, MAX_BITS = 2, 8
_PLANE = 4  # bits
_STEPS = 16  # tried per vector,
# from this share of the step with which the largest component just fits into the top level; a few bits gain by clipping
_SMALLEST_STEP = {2: 0.35, 3: 0.45, 4: 0.55, 5: 0.7, 6: 0.85, 7: 0.93, 8: 0.95}
_LARGEST_STEP = 1.15


class LevelsQuery(NamedTuple):
    """weights: whole numbers, of level_weights, for planes, scaled by first_scale in the first plane and second_scale.

    others: (D,) float32 for each part of 2 or 1 bits; constant: what is added to the sum; padded: D; bits: of a code.
    """

    weights: Integers
    others: Floats
    padded: int
    bits: int
    constant: np.float32
    first_scale: np.float32
    second_scale: np.float32
    rounding: np.float32

    def estimate(self, base, code, size):
        return base + load_float(code + size - 4) * _weighted_levels(self, code), np.float32(0.0)


class ExtendedRaBitQ:
    """rotation: (D, D) float32 orthogonal, D the dimension padded to a multiple of 64; bits: a dimension."""

    name: ClassVar[str] = "extended-rabitq"
    choice: ClassVar[str | None] = "rabitq"
    option: ClassVar[str | None] = "bits"
    most: ClassVar[int] = MAX_BITS
    of_residuals: ClassVar[bool] = True
    num_errors: ClassVar[int] = 1
    Query: ClassVar[type] = LevelsQuery

    def __init__(self, rotation: np.ndarray, dim: int, bits: int) -> None:
        self.rotation = np.ascontiguousarray(rotation, dtype=np.float32)
        self.dim = dim
        self.bits = self.size = bits
        self.padded = len(rotation)
        self.code_size = self.scan_size = self.padded * bits // 8 + 4
        widths = [_PLANE] * (bits // _PLANE) + [width for width in (2, 1) if bits & width]
        self._parts = [(width, bits - sum(widths[: at + 1])) for at, width in enumerate(widths)]  # bits, and bits below
        self._others = np.array([part for part in self._parts if part[0] != _PLANE], dtype=np.int64).reshape(-1, 2)
        self._columns = np.ascontiguousarray(self.rotation[:, :dim].T)

    @classmethod
    def complete(cls, size: int | None, num_vectors: int, dim: int) -> int:
        """1 to 8; of 1 is rabitq.py."""
        check_dim("rabitq", dim)
        return size or 1

    @classmethod
    def train(cls, points: np.ndarray, size: int | None, seed: int) -> RaBitQ | Self:
        return RaBitQ.fit(points, seed) if size in (None, 1) else cls.fit(points, size, seed)

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
        parts = [
            packed(levels >> below & 15) if width == _PLANE else _packed(levels >> below & 2**width - 1, width)
            for width, below in self._parts
        ]
        return np.hstack([*parts, factors[:, None].view(np.uint8)])

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """(n, code_size) uint8 -> (n, dim) float32: the vector whose inner products the estimates are."""
        return (self._rotated_code(codes) @ self.rotation)[:, : self.dim]

    def bounds(self, residuals: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """How far an estimate of <q, residual>, |q| = 1, is off, with high probability. (n, dim) -> (n,) float32."""
        lost = np.linalg.norm(self._rotated(residuals) - self._rotated_code(codes), axis=1)
        result: np.ndarray = (EPSILON * lost / np.sqrt(self.padded - 1)).astype(np.float32)
        return result

    def errors(self, points: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """`bounds`, rounded up -> (n, 1) float32."""
        return (self.bounds(points, codes) + ROUNDING)[:, None]

    def prepare(self, query: np.ndarray) -> LevelsQuery:
        """(dim,) float32."""
        weights = np.empty(4 * plane_width(self.padded) if self.bits >= _PLANE else 0, dtype=np.int8)
        others = np.empty(self._others.size * self.padded, dtype=np.float32)
        numbers = _prepare(query, self._columns, self.bits, self._others, weights, others)
        return LevelsQuery(weights, others, self.padded, self.bits, *map(np.float32, numbers))

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"rotation": self.rotation, "dim": np.array([self.dim, self.bits], dtype=np.int64)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        dim, bits = (int(number) for number in arrays["dim"])
        return cls(arrays["rotation"], dim, bits)

    def _rotated(self, residuals: np.ndarray) -> np.ndarray:
        """(n, dim) -> (n, D) float32."""
        return np.asarray(residuals, dtype=np.float32) @ self.rotation[:, : self.dim].T

    def _rotated_code(self, codes: np.ndarray) -> np.ndarray:
        """factor y of each code. (n, code_size) uint8 -> (n, D) float32."""
        levels = np.zeros((len(codes), self.padded), dtype=np.uint8)
        start = 0
        for width, below in self._parts:
            part = codes[:, start : start + self.padded * width // 8]
            values = unpacked(part, self.padded) if width == _PLANE else _unpacked(part, width)
            levels |= values << below
            start += part.shape[1]
        result: np.ndarray = self._factors(codes)[:, None] * (levels - np.float32((2**self.bits - 1) / 2))
        return result

    def _factors(self, codes: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(codes[:, -4:]).view(np.float32)[:, 0]


@subroutine(fastmath=True)
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


@kernel("void(float32[:, ::1], int64, float64[::1], uint8[:, ::1], float32[::1])")
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


def _packed(values: np.ndarray, width: int) -> np.ndarray:
    """Values of `width` bits, (n, D) uint8 -> (n, D width / 8) uint8."""
    rows, dim = values.shape
    lanes = values.reshape(rows, 8 // width, dim * width // 8) << np.arange(0, 8, width, dtype=np.uint8)[:, None]
    result: np.ndarray = np.bitwise_or.reduce(lanes, axis=1)
    return result


def _unpacked(part: np.ndarray, width: int) -> np.ndarray:
    """The inverse of _packed."""
    lanes = part[:, None, :] >> np.arange(0, 8, width, dtype=np.uint8)[:, None] & 2**width - 1
    result: np.ndarray = lanes.reshape(len(part), part.shape[1] * 8 // width)
    return result


@kernel(
    "UniTuple(float64, 4)(float32[::1], float32[:, ::1], int64, int64[:, ::1], int8[::1], float32[::1])",
)
def _prepare(query, columns, bits, others, weights, other_weights):
    """Fill the weights of a LevelsQuery; returns its numbers.

    columns: (dim, D), of the rotation; others: (n, 2), bits of a part, and bits below.
    """
    padded = columns.shape[1]
    rotated = rotated_by(columns, query)
    total = 0.0
    for value in rotated:
        total += np.float64(value)
    constant, first_scale, second_scale, rounding = 0.0, 0.0, 0.0, 0.0
    for at in range(len(others)):
        scale = np.float32(1 << others[at, 1])
        constant -= ((1 << others[at, 0]) - 1) / 2 * scale * total
        other_weights[at * padded : (at + 1) * padded] = scale * rotated
    if bits >= _PLANE:
        unit = level_weights(rotated, weights)
        total = 0.0
        for j in range(padded):
            at, on = place_of(j, len(weights) // 4)
            total += 128 * np.int64(weights[at]) + np.int64(weights[at + on])
        for plane in range(bits // _PLANE):
            scale = unit * np.float32(1 << (bits - _PLANE * (plane + 1)))
            if plane == 0:
                first_scale = np.float64(scale)
            else:
                second_scale = np.float64(scale)
            constant -= 7.5 * scale * total
        rounding = 2 * EPSILON * unit / np.sqrt(12)  # of a vector that is 2 away from its centroid
    return constant, first_scale, second_scale, rounding


@subroutine(fastmath=True)
def _weighted_levels(query, row):
    """Sum over dimensions of weight times (level - middle) of one code: the estimate before its factor."""
    total, scale = query.constant, query.first_scale
    padded, other_weights = query.padded, query.others
    for _ in range(query.bits // _PLANE):
        total += scale * np.float32(dot_levels(row, padded // 2, query.weights))
        row += padded // 2
        scale = query.second_scale
    for width in (2, 1):
        if query.bits & width:
            size = padded * width // 8
            mask = np.int32((1 << width) - 1)
            part = bytes_at(row)
            for shift in range(0, 8, width):
                lane = floats_at(other_weights)
                for i in range(size):
                    total += lane[i] * np.float32((np.int32(part[i]) >> np.int32(shift)) & mask)
                other_weights += 4 * size
            row += size
    return total
