"""Vectors made elsewhere, such as a social embedding: a matrix, unchanged. A null row is the zero vector."""

import numpy as np
import pyarrow as pa


def dense_rows(column: pa.Array, dim: int) -> np.ndarray:
    """column: list<float>, each row null or `dim` finite numbers. Returns float32 (rows, dim)."""
    values = column.flatten().to_numpy(zero_copy_only=False).astype(np.float32, copy=False).reshape(-1, dim)
    if column.null_count == 0:
        result: np.ndarray = values
        return result
    out = np.zeros((len(column), dim), dtype=np.float32)
    out[column.is_valid().to_numpy(zero_copy_only=False)] = values
    return out
