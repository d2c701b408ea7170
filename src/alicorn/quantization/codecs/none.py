"""No code at all: scores come from the stored vectors. What a small collection uses, where every search is exact."""

from __future__ import annotations

from typing import Self

import numpy as np


class NoCodec:
    """A codec of zero bytes. `decode` gives zeros; its error is therefore the norm of the residual."""

    name = "none"
    code_size = scan_size = 0

    def __init__(self, dim: int) -> None:
        self.dim = dim

    @classmethod
    def fit(cls, residuals: np.ndarray, seed: int = 0) -> Self:
        return cls(residuals.shape[1])

    def encode(self, residuals: np.ndarray) -> np.ndarray:
        """(n, dim) -> (n, 0) uint8."""
        return np.empty((len(residuals), 0), dtype=np.uint8)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """(n, 0) -> (n, dim) float32 zeros."""
        return np.zeros((len(codes), self.dim), dtype=np.float32)

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"dim": np.array([self.dim], dtype=np.int64)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        return cls(int(arrays["dim"][0]))
