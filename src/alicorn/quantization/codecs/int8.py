"""Int8: a unit vector as a direction of whole numbers, where nothing else of it is kept. Scored by query/.

decoded = c / |c|, with c_j from -127 to 127, the largest component of the vector becoming 127 or -127. Unlike the other
codecs it codes the vector and not its residual: what is stored depends on the vector alone, not on a training, a
cluster or a segment. A decoded vector is of unit length, and its code is the code that it came from, so nothing is
lost a second time however often it is merged, trained anew or read back (docs/decisions/006-stored-precision.md).

Code: level u_j = c_j + 128 in two planes of four bits, the high nibbles, then float32 1 / |c|, then the low nibbles
(simd.py says how a plane is packed). A scan reads the first two, `scan_size` bytes; with them alone the low nibble
counts as 7.5. With whole-number weights w_j, unit * w_j nearly q_j (`prepare_levels`), an estimate of <q, decoded> is
unit * (16 sum_j w_j high_j + sum_j w_j low_j - 128 sum_j w_j) / |c|, off by at most |q - unit w| because |decoded| = 1.
"""

from __future__ import annotations

from typing import Self

import numpy as np

from alicorn.compiled import kernel
from alicorn.quantization.kernels.simd import level_weights, packed, place_of, plane_width, unpacked

LARGEST = 127
ZERO = 128  # the level of 0
_MIDDLE = 7.5  # of a low nibble that is not read
_FACTOR = 4  # bytes


class Int8:
    """dim: of the vectors. There is nothing to train."""

    name = "int8"

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self.width = plane_width(dim)
        self.scan_size = self.width + _FACTOR
        self.code_size = self.scan_size + self.width

    @classmethod
    def fit(cls, vectors: np.ndarray, seed: int = 0) -> Self:
        return cls(vectors.shape[1])

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
        return (16 * high + low - ZERO) * self._factors(codes)[:, None]

    def scan_errors(self, codes: np.ndarray) -> np.ndarray:
        """|decoded - decoded from the first scan_size bytes|. (n, code_size) uint8 -> (n,) float32."""
        off = unpacked(codes[:, self.scan_size :], self.dim) - np.float32(_MIDDLE)
        return np.linalg.norm(off, axis=1) * self._factors(codes)

    def prepare(self, query: np.ndarray) -> np.ndarray:
        """What `score` needs of a query (dim,): the query."""
        return query

    def score(self, prepared: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """Estimated <query, vector> of each code. (n, code_size) uint8 -> (n,) float32."""
        return self.decode(codes) @ prepared

    def padded(self, queries: np.ndarray) -> np.ndarray:
        """Queries as simd.dot_planes takes them. (..., dim) float32 -> (..., 2 * width) float32, padded with 0."""
        room = np.zeros((*queries.shape[:-1], 2 * self.width), dtype=np.float32)
        room[..., : self.dim] = queries
        return room

    def prepare_levels(self, query: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the compiled loops need of a query (dim,): weights int8 for dot_levels, and five float32 numbers.

        They are the scale of the high nibbles, what is added where the low ones are not read, the scale of the low
        nibbles, what is added where they are; and how far rounding the weights can move an estimate.
        """
        weights = np.empty(4 * self.width, dtype=np.int8)
        numbers = np.empty(5, dtype=np.float32)
        _prepare(query, weights, numbers)
        return weights, numbers

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


@kernel("void(float32[::1], int8[::1], float32[::1])")
def _prepare(query, weights, numbers):
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
    numbers[0] = 16 * unit
    numbers[1] = (_MIDDLE - ZERO) * unit * total
    numbers[2] = unit
    numbers[3] = -ZERO * unit * total
    numbers[4] = np.sqrt(off) * longest * 1.001
