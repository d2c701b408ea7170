"""Int8: a unit vector as a direction of whole numbers, where nothing else of it is kept.

decoded = c / |c|, with c_j from -127 to 127, the largest component of the vector becoming 127 or -127. Unlike the other
codecs it codes the vector and not its residual: what is stored depends on the vector alone, not on a training, a
cluster or a segment. A decoded vector is of unit length, and its code is the code that it came from, so nothing is
lost a second time however often it is merged, trained anew or read back (docs/decisions/006-stored-precision.md).

Code: level u_j = c_j + 128 in two planes of four bits, the high nibbles, then float32 1 / |c|, then the low nibbles
(kernels/levels.py says how a plane is packed). A scan reads the first two, `scan_size` bytes; with them alone the low
nibble counts as 7.5. With whole-number weights w_j, unit * w_j nearly q_j (`prepare`), an estimate of <q, decoded> is
unit * (16 sum_j w_j high_j + sum_j w_j low_j - 128 sum_j w_j) / |c|, off by at most |q - unit w| because |decoded| = 1.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple, Self

import numpy as np

from alicorn.compiled import kernel
from alicorn.quantization.codecs.codec import ROUNDING
from alicorn.quantization.codes import Codes
from alicorn.quantization.kernels.dot import dot_planes
from alicorn.quantization.kernels.intrinsics import load_float, prefetch_row
from alicorn.quantization.kernels.levels import dot_levels, level_weights, packed, place_of, plane_width, unpacked
from alicorn.quantization.kernels.named import Bytes, Integers

LARGEST = 127
ZERO = 128  # the level of 0
_MIDDLE = 7.5  # of a low nibble that is not read
_FACTOR = 4  # bytes


class Int8Query(NamedTuple):
    """weights: whole numbers, of level_weights, in this unit.

    constant: what is added to the sum over both planes; middle: what the low plane adds on average, both before the
    factor of a code.
    """

    weights: Integers
    unit: np.float32
    constant: np.float32
    middle: np.float32
    rounding: np.float32

    def estimate(self, base, code, size):
        width = size - _FACTOR
        factor = load_float(code + width)
        high = np.float32(dot_levels(code, width, self.weights))
        return factor * (self.constant + np.float32(16.0) * self.unit * high), factor * self.middle

    def rest(self, code, fine, size):
        return load_float(code + size) * (self.unit * np.float32(dot_levels(fine, size, self.weights)))


class PlaneRows(NamedTuple):
    """The codes of vectors as the vectors themselves: both parts, rows of width + 4 bytes and of width."""

    codes: Bytes
    fine: Bytes
    width: int

    @classmethod
    def of(cls, vectors: np.ndarray, codes: Codes, dim: int) -> Self:
        """Codes of Int8 as stored vectors; `vectors` has no columns."""
        return cls(codes.codes, codes.fine, plane_width(dim))

    @staticmethod
    def queries(queries: np.ndarray) -> np.ndarray:
        """Queries padded with 0 to the width of both planes. (..., dim) float32 -> (..., 2 * width) float32."""
        dim = queries.shape[-1]
        padded = np.zeros((*queries.shape[:-1], 2 * plane_width(dim)), dtype=np.float32)
        padded[..., :dim] = queries
        return padded

    def cosine(self, query, row):
        """<query, vector> in [-1, 1]. query: of `queries`."""
        code = self.codes + (self.width + _FACTOR) * row
        product = dot_planes(query, code, self.fine + self.width * row, self.width)
        return min(max(load_float(code + self.width) * product, np.float32(-1.0)), np.float32(1.0))

    def prefetch(self, row):
        """The second part: the first is read beside it, or was."""
        prefetch_row(self.fine + self.width * row, self.width)


class Int8:
    """dim: of the vectors. There is nothing to train, and nobody chooses it: see Settings.stored."""

    name: ClassVar[str] = "int8"
    choice: ClassVar[str | None] = None
    option: ClassVar[str | None] = None
    most: ClassVar[int] = 0
    size = None
    of_residuals: ClassVar[bool] = False
    num_errors: ClassVar[int] = 1
    Query: ClassVar[type] = Int8Query

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self.width = plane_width(dim)
        self.scan_size = self.width + _FACTOR
        self.code_size = self.scan_size + self.width

    @classmethod
    def complete(cls, size: int | None, num_vectors: int, dim: int) -> None:
        return None

    @classmethod
    def train(cls, points: np.ndarray, size: int | None, seed: int) -> Self:
        return cls(points.shape[1])

    def encode(self, vectors: np.ndarray) -> np.ndarray:
        """(n, dim) float32, no row zero -> (n, code_size) uint8."""
        levels = np.empty(vectors.shape, dtype=np.uint8)
        factors = np.empty(len(vectors), dtype=np.float32)
        _encode(np.ascontiguousarray(vectors, dtype=np.float32), levels, factors)
        return np.hstack([packed(levels >> 4), factors[:, None].view(np.uint8), packed(levels & 15)])

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """(n, code_size) uint8 -> (n, dim) float32 unit rows; of the first scan_size bytes of each, near that."""
        high = unpacked(codes[:, : self.width], self.dim).astype(np.float32)
        whole = codes.shape[1] > self.scan_size
        low = unpacked(codes[:, self.scan_size :], self.dim) if whole else np.float32(_MIDDLE)
        result: np.ndarray = (16 * high + low - ZERO) * self._factors(codes)[:, None]
        return result

    def errors(self, points: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """|decoded - decoded from the first scan_size bytes|: both parts are the vector. -> (n, 1) float32."""
        off = unpacked(codes[:, self.scan_size :], self.dim) - np.float32(_MIDDLE)
        result: np.ndarray = (np.linalg.norm(off, axis=1) * self._factors(codes) * 1.0001 + ROUNDING)[:, None]
        return result

    def prepare(self, query: np.ndarray) -> Int8Query:
        """(dim,) float32."""
        weights = np.empty(4 * self.width, dtype=np.int8)
        return Int8Query(weights, *map(np.float32, _prepare(query, weights)))

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"dim": np.array([self.dim], dtype=np.int64)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        return cls(int(arrays["dim"][0]))

    def _factors(self, codes: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(codes[:, self.width : self.scan_size]).view(np.float32)[:, 0]


@kernel("void(float32[:, ::1], uint8[:, ::1], float32[::1])")
def _encode(vectors, levels, factors):
    for row in range(len(vectors)):
        largest = 0.0
        for j in range(vectors.shape[1]):
            largest = max(largest, abs(np.float64(vectors[row, j])))
        scale = LARGEST / largest
        squares = np.int64(0)
        for j in range(vectors.shape[1]):
            whole = np.int64(np.rint(np.float64(vectors[row, j]) * scale))
            levels[row, j] = np.uint8(whole + ZERO)
            squares += whole * whole
        factors[row] = np.float32(1.0 / np.sqrt(np.float64(squares)))


@kernel("UniTuple(float64, 4)(float32[::1], int8[::1])")
def _prepare(query, weights):
    """Fill the weights of an Int8Query; returns its numbers."""
    unit = level_weights(query, weights)
    total, off = 0.0, 0.0
    for j in range(len(query)):
        at, on = place_of(j, len(weights) // 4)
        whole = 128 * np.int64(weights[at]) + np.int64(weights[at + on])
        difference = np.float64(query[j]) - np.float64(unit) * whole
        off += difference * difference
        total += whole
    # without the low nibbles the decoded vector is longer than 1, by at most 7.5 sqrt(dim) / 127
    longest = 1.0 + _MIDDLE * np.sqrt(len(query)) / LARGEST
    return np.float64(unit), -ZERO * unit * total, _MIDDLE * unit * total, np.sqrt(off) * longest * 1.001
