"""No code at all: scores come from the stored vectors. Small collections use it, since their searches are all exact."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np

from alicorn.quantization.codecs.codec import NoEstimate


class NoCodec:
    """A codec of zero bytes. `decode` gives zeros."""

    name: ClassVar[str] = "none"
    choice: ClassVar[str | None] = "none"
    option: ClassVar[str | None] = None
    most: ClassVar[int] = 0
    size = None
    of_residuals: ClassVar[bool] = False
    num_errors: ClassVar[int] = 1
    code_size = scan_size = 0
    Query: ClassVar[type] = NoEstimate

    def __init__(self, dim: int) -> None:
        self.dim = dim

    @classmethod
    def complete(cls, size: int | None, num_vectors: int, dim: int) -> None:
        return None

    @classmethod
    def train(cls, points: np.ndarray, size: int | None, seed: int) -> Self:
        return cls(points.shape[1])

    def encode(self, points: np.ndarray) -> np.ndarray:
        """(n, dim) -> (n, 0) uint8."""
        return np.empty((len(points), 0), dtype=np.uint8)

    def decode(self, codes: np.ndarray) -> np.ndarray:
        """(n, 0) -> (n, dim) float32 zeros."""
        return np.zeros((len(codes), self.dim), dtype=np.float32)

    def errors(self, points: np.ndarray, codes: np.ndarray) -> np.ndarray:
        """(n, 1) float32 zeros: nothing is estimated."""
        return np.zeros((len(points), 1), dtype=np.float32)

    def prepare(self, query: np.ndarray) -> NoEstimate:
        return NoEstimate()

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {"dim": np.array([self.dim], dtype=np.int64)}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        return cls(int(arrays["dim"][0]))
