"""Codes of many residuals, in the arrays that a scan reads.

A code may have two parts: a scan reads the first, `codes`, of every row, and the second, `fine`, only of rows that the
first could not exclude. A codec says where its code is cut by `scan_size`, in bytes; most have one part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from alicorn.quantization.codecs.codec import Codec


@dataclass(frozen=True, eq=False)
class Codes:
    """codes: (n, scan_size) uint8; fine: (n, code_size - scan_size) uint8;
    errors: (n,) float32; fine_errors: (n, 1) float32, or (n, 0) where `fine` is empty or leaves no error.

    An error is the Euclidean norm of (vector - decoded), rounded up, decoded from `codes` alone or from both parts, so
    that |<q, vector> - <q, decoded>| <= error for every unit q (Cauchy-Schwarz). Where scores come from the vectors
    themselves, the errors are 0; of random codes (rabitq.py) the bound holds with high probability.
    """

    codes: np.ndarray
    fine: np.ndarray
    errors: np.ndarray
    fine_errors: np.ndarray

    @classmethod
    def empty(cls, count: int, codec: Codec) -> Self:
        """Room for `count` codes."""
        rest = codec.code_size - codec.scan_size
        return cls(
            np.empty((count, codec.scan_size), dtype=np.uint8),
            np.empty((count, rest), dtype=np.uint8),
            np.empty(count, dtype=np.float32),
            np.empty((count, codec.num_errors - 1), dtype=np.float32),
        )

    def take(self, rows: np.ndarray | slice) -> Self:
        return type(self)(*(array[rows] for array in self.arrays()))

    def arrays(self) -> tuple[np.ndarray, ...]:
        return self.codes, self.fine, self.errors, self.fine_errors

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self.arrays())
