"""RaBitQ: a residual in one bit a dimension, with an error bound (Gao and Long, SIGMOD 2024).

A residual r = a o (a its norm) is rotated by a random orthogonal P; the code keeps the signs of P o as the vector
o_bar = signs / sqrt(D). An inner product with a query q is estimated by (a / <o_bar, o>) <o_bar, P q>, which is
unbiased over P. `<o_bar, P q>` is computed by counting bits: P q is rounded to 4 bits a dimension, 4 popcounts a word.

The bound holds with high probability, not with certainty: docs/decisions/004-rabitq-bound.md.

Code, 8-byte words: D / 64 words of signs (bit j of word w is dimension 64 w + j), then float32 a / <o_bar, o> and
float32 the number of ones.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple, Self

import numpy as np

from alicorn.compiled import kernel, subroutine
from alicorn.quantization.codecs.codec import ROUNDING, check_dim
from alicorn.quantization.kernels.intrinsics import floats_at, popcount, words_at
from alicorn.quantization.kernels.named import BitWords

_QUERY_BITS = 4
EPSILON = 4.5  # standard deviations of the estimate that the bound allows for: 7 rows in a million beyond it
_WORD = 64
_SALT = 152  # so that vectors drawn by default_rng(seed), as in examples and tests, are independent of the rotation


class BitsQuery(NamedTuple):
    """The rotated query in 4 bits a dimension. planes: its bits, the lowest first, `words` words each.

    With u the query's levels, low and step their grid, S = sum_j x_j u_j and n = sum_j x_j for a code x,
    <o_bar, P q> = (2 step S + 2 low n - (low D + step sum u)) / sqrt(D): the weights of S, n and 1.
    """

    planes: BitWords
    words: int
    of_sum: np.float32
    of_ones: np.float32
    constant: np.float32
    rounding: np.float32 = np.float32(0.0)

    def estimate(self, base, code, size):
        """A code: words of signs, then its factor and the number of its ones as float32."""
        plane, word_of, factor = words_at(self.planes), words_at(code), floats_at(code)
        ones = np.uint64(0)
        for w in range(self.words):
            word = word_of[w]
            ones += popcount(word & plane[w])
            ones += popcount(word & plane[self.words + w]) << np.uint64(1)
            ones += popcount(word & plane[2 * self.words + w]) << np.uint64(2)
            ones += popcount(word & plane[3 * self.words + w]) << np.uint64(3)
        scaled = self.of_sum * np.float32(ones) + self.of_ones * factor[2 * self.words + 1] + self.constant
        return base + factor[2 * self.words] * scaled, np.float32(0.0)


class RaBitQ:
    """rotation: (D, D) float32 orthogonal, D the dimension padded to a multiple of 64."""

    name: ClassVar[str] = "rabitq"
    choice: ClassVar[str | None] = "rabitq"
    option: ClassVar[str | None] = "bits"
    most: ClassVar[int] = 1
    size = 1
    of_residuals: ClassVar[bool] = True
    num_errors: ClassVar[int] = 1
    Query: ClassVar[type] = BitsQuery

    def __init__(self, rotation: np.ndarray, dim: int) -> None:
        self.rotation = np.ascontiguousarray(rotation, dtype=np.float32)
        self.dim = dim
        self.padded = len(rotation)
        self._columns = np.ascontiguousarray(self.rotation[:, :dim].T)
        self.code_size = self.scan_size = self.padded // 8 + 8

    @classmethod
    def complete(cls, size: int | None, num_vectors: int, dim: int) -> int:
        check_dim("rabitq", dim)
        return size or 1

    @classmethod
    def train(cls, points: np.ndarray, size: int | None, seed: int) -> Self:
        return cls.fit(points, seed)

    @classmethod
    def fit(cls, residuals: np.ndarray, seed: int = 0) -> Self:
        """A random rotation; the residuals give only the dimension. residuals: (n, dim)."""
        dim = residuals.shape[1]
        return cls(random_rotation(dim, seed), dim)

    def encode(self, residuals: np.ndarray) -> np.ndarray:
        """(n, dim) float32 -> (n, code_size) uint8."""
        rotated = self._rotated(residuals)
        signs = rotated > 0
        sums = np.abs(rotated).sum(axis=1) / np.sqrt(self.padded)  # a <o_bar, o>
        squares = np.square(rotated).sum(axis=1)
        codes = np.empty((len(residuals), self.code_size), dtype=np.uint8)
        num_bytes = self.padded // 8
        codes[:, :num_bytes] = np.packbits(signs, axis=1, bitorder="little")
        factors = np.column_stack([squares / np.maximum(sums, 1e-30), signs.sum(axis=1)]).astype(np.float32)
        codes[:, num_bytes:] = factors.view(np.uint8)
        return codes

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """(n, code_size) uint8 -> (n, dim) float32: the vector whose inner products the estimates are."""
        signs, factors, _ = self._read(codes)
        result: np.ndarray = ((factors[:, None] * (2 * signs - 1) / np.sqrt(self.padded)) @ self.rotation)[
            :, : self.dim
        ]
        return result

    def bounds(self, residuals: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """How far an estimate of <q, residual>, |q| = 1, is off, with high probability. (n, dim) -> (n,) float32.

        The estimate's deviation is |residual - decoded| / sqrt(D - 1), which is a sqrt(1 - x^2) / x / sqrt(D - 1) with
        x = <o_bar, o>. Rounding the query adds a / x times a step / sqrt(12), the step being 2 / 15 of the largest
        component, itself about 4 / sqrt(D).
        """
        signs, factors, _ = self._read(codes)
        decoded = factors[:, None] * (2 * signs - 1) / np.float32(np.sqrt(self.padded))
        lost = np.linalg.norm(self._rotated(residuals) - decoded, axis=1)
        rounding = (2 * 4 / (2**_QUERY_BITS - 1)) ** 2 / 12 / self.padded
        deviation = np.sqrt(lost**2 / (self.padded - 1) + factors**2 * rounding)
        result: np.ndarray = (EPSILON * deviation).astype(np.float32)
        return result

    def errors(self, points: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """`bounds`, rounded up -> (n, 1) float32."""
        return (self.bounds(points, codes) + ROUNDING)[:, None]

    def prepare(self, query: np.ndarray) -> BitsQuery:
        """(dim,) float32."""
        words = self.padded // _WORD
        planes = np.empty(_QUERY_BITS * words, dtype=np.uint64)
        return BitsQuery(planes, words, *map(np.float32, _prepare(query, self._columns, planes)))

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"rotation": self.rotation, "dim": np.array([self.dim], dtype=np.int64)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        return cls(arrays["rotation"], int(arrays["dim"][0]))

    def _rotated(self, residuals: np.ndarray) -> np.ndarray:
        """(n, dim) -> (n, D) float32."""
        return np.asarray(residuals, dtype=np.float32) @ self.rotation[:, : self.dim].T

    def _read(self, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Signs (n, D) as 0 and 1 float32, factors (n,), numbers of ones (n,)."""
        num_bytes = self.padded // 8
        signs = np.unpackbits(codes[:, :num_bytes], axis=1, bitorder="little").astype(np.float32)
        factors = np.ascontiguousarray(codes[:, num_bytes:]).view(np.float32)
        return signs, factors[:, 0], factors[:, 1]


@subroutine
def rotated_by(columns, query):
    """The query, rotated. columns: (dim, D) float32, of the rotation; query: (dim,) -> (D,) float32."""
    rotated = np.zeros(columns.shape[1], dtype=np.float32)
    for j in range(len(query)):
        weight, column = query[j], columns[j]
        for i in range(len(rotated)):
            rotated[i] += weight * column[i]
    return rotated


@kernel("UniTuple(float64, 3)(float32[::1], float32[:, ::1], uint64[::1])")
def _prepare(query, columns, planes):
    """Fill the planes of a BitsQuery; returns its weights."""
    rotated = rotated_by(columns, query)
    low = np.float64(rotated.min())
    step = max(np.float64(rotated.max()) - low, 1e-12) / (2**_QUERY_BITS - 1)
    planes[:] = 0
    total = 0.0
    for j in range(len(rotated)):
        level = np.int64(np.rint((rotated[j] - low) / step))
        total += np.float64(level)
        word, bit = j // _WORD, np.uint64(j % _WORD)
        for plane in range(_QUERY_BITS):
            planes[plane * (len(planes) // _QUERY_BITS) + word] |= np.uint64(level >> plane & 1) << bit
    root = np.sqrt(np.float64(len(rotated)))
    return 2 * step / root, 2 * low / root, -(low * len(rotated) + step * total) / root


def random_rotation(dim: int, seed: int) -> np.ndarray:
    """Uniform over the orthogonal matrices: (D, D) float64, D the dimension padded to a multiple of 64."""
    padded = -(-dim // _WORD) * _WORD
    rng = np.random.default_rng((_SALT, seed))
    rotation, triangle = np.linalg.qr(rng.normal(size=(padded, padded)))
    return rotation * np.sign(np.diag(triangle))
