"""A codec: codes of points, the errors of the codes, and the arithmetic that estimates inner products from them.

`prepare` makes a NamedTuple of a query, whose methods are compiled into the loop that searches (kernels/named.py): in
them its arrays are addresses. They are

    estimate(self, base, code, size) -> (estimate, rest)
        Of one code, by the address of its first part of `size` bytes: <query, vector> as far as that part tells, and
        what the second part adds on average (0 where there is none). base: <query, centroid>, for codes of residuals.
    rest(self, code, fine, size) -> float32
        What the second part, `size` bytes at `fine`, adds. Only codecs of two parts have it.

A query without `estimate` (NoEstimate) compares every row by its stored vector.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, Protocol, Self

import numpy as np

from alicorn.errors import ConfigError
from alicorn.quantization.kernels.levels import MAX_DIM

ROUNDING = np.float32(1e-6)  # added to a code's error: what float32 sums of unit vectors may be off by


class PreparedQuery(Protocol):
    """A NamedTuple. rounding: float32, how far an estimate may be off because the query was rounded."""

    @property
    def rounding(self) -> Any: ...


class NoEstimate(NamedTuple):
    """The prepared query of a search by stored vectors alone, the same for every codec."""

    rounding: np.float32 = np.float32(0.0)


class Codec(Protocol):
    """name: in the quantizer's file. choice: what Settings.codec calls it. option: the setting that sizes it, if any;
    most: its largest value.

    scan_size, code_size: bytes of the first part of a code, which a scan reads, and of the whole. of_residuals: whether
    it codes vector - centroid; else the vector. num_errors: 2 where the second part leaves an error of its own.
    """

    name: ClassVar[str]
    choice: ClassVar[str | None]
    option: ClassVar[str | None]
    most: ClassVar[int]
    of_residuals: ClassVar[bool]
    num_errors: ClassVar[int]
    Query: ClassVar[type]

    @property
    def dim(self) -> int: ...
    @property
    def scan_size(self) -> int: ...
    @property
    def code_size(self) -> int: ...

    @property
    def size(self) -> int | None:
        """The value of its option."""
        ...

    @classmethod
    def complete(cls, size: int | None, num_vectors: int, dim: int) -> int | None:
        """The value of its option, chosen where None. Raises ConfigError for what cannot be trained."""
        ...

    @classmethod
    def train(cls, points: np.ndarray, size: int | None, seed: int) -> Codec:
        """points: (n, dim) float32, n >= 1; size: as `complete` gives it."""
        ...

    def encode(self, points: np.ndarray) -> np.ndarray:
        """(n, dim) float32 -> (n, code_size) uint8."""
        ...

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """(n, code_size) uint8, or the first scan_size bytes of each -> (n, dim) float32."""
        ...

    def errors(self, points: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """How far an estimate for a unit query may be off, by the first part and by both -> (n, num_errors) float32."""
        ...

    def prepare(self, query: np.ndarray) -> PreparedQuery:
        """(dim,) float32 of unit length."""
        ...

    def to_arrays(self) -> dict[str, np.ndarray]: ...
    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self: ...


def distances(points: np.ndarray, *decoded: np.ndarray) -> np.ndarray:
    """Euclidean distances of the points, rounded up: the errors of their codes by Cauchy-Schwarz. A column for each."""
    return np.stack([np.linalg.norm(points - one, axis=1) * 1.0001 + ROUNDING for one in decoded], axis=1)


def check_dim(choice: str, dim: int) -> None:
    """For codecs whose sums of levels would leave int32 beyond MAX_DIM."""
    if dim > MAX_DIM:
        raise ConfigError(f"codec {choice!r} takes at most {MAX_DIM} dimensions, there are {dim}: use 'none' or 'pq'")
