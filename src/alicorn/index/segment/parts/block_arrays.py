"""The arrays of an EmbeddingBlock, as the compiled search reads them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from alicorn.quantization import Codes, KeyQuantizer
from alicorn.quantization.kernels.named import Bytes, FloatRows, Floats, Longs, Numbers


class BlockArrays(NamedTuple):
    """stored: the vectors (quantization/stored.py). codes, fine, errors, fine_errors: of Codes. starts, min_cosines,
    docs: of EmbeddingBlock. max_sines: of the largest angle of a member to its centroid, 1 beyond a right angle.

    code_size, fine_size, fine_error_size: bytes of a row of codes, fine, fine_errors.
    """

    stored: Any
    codes: Bytes
    fine: Bytes
    errors: Floats
    fine_errors: FloatRows
    starts: Longs
    min_cosines: Floats
    max_sines: Floats
    docs: Numbers
    num_clusters: int
    code_size: int
    fine_size: int
    fine_error_size: int

    @classmethod
    def of(
        cls,
        quantizer: KeyQuantizer,
        vectors: np.ndarray,
        coded: Codes,
        starts: np.ndarray,
        min_cosines: np.ndarray,
        docs: np.ndarray,
    ) -> BlockArrays:
        sines = np.sqrt(np.maximum(0.0, 1.0 - min_cosines.astype(np.float64) ** 2))
        return cls(
            quantizer.stored_rows(vectors, coded),
            coded.codes,
            coded.fine,
            coded.errors,
            coded.fine_errors,
            starts,
            min_cosines,
            np.where(min_cosines < 0, 1.0, sines).astype(np.float32),
            docs,
            len(starts) - 1,
            coded.codes.shape[1],
            coded.fine.shape[1],
            4 * coded.fine_errors.shape[1],
        )
