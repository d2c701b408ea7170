"""Numbers, standardised by the mean and deviation of the training table: two columns, value and presence.

A null or NaN is unknown: (0, 0). A known value is (z, 1), z = (value - mean) / deviation, cut to [-8, 8] so that one
absurd number cannot drown the other features.
"""

import math

import numpy as np
import pyarrow as pa

from alicorn.config import Config

_LARGEST = 8.0
WIDTH = 2  # columns of a numeric channel


class Standardization(Config):
    """What a numeric feature is measured against; kept in the model."""

    mean: float = 0.0
    deviation: float = 1.0


def standardization_of(column: pa.Array) -> Standardization:
    """Mean and deviation of the known values; the neutral ones where none is known or all are equal."""
    values = _floats(column)
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return Standardization()
    deviation = float(values.std())
    usable = math.isfinite(deviation) and deviation > 0
    return Standardization(mean=float(values.mean()), deviation=deviation if usable else 1.0)


def numeric_rows(column: pa.Array, standardization: Standardization) -> np.ndarray:
    """column: integer or float. Returns float32 (rows, 2)."""
    values = _floats(column)
    known = ~np.isnan(values)
    out = np.zeros((len(values), WIDTH), dtype=np.float32)
    standard = (values[known] - standardization.mean) / standardization.deviation
    out[known, 0] = np.clip(standard, -_LARGEST, _LARGEST)
    out[known, 1] = 1.0
    return out


def _floats(column: pa.Array) -> np.ndarray:
    """float64; null is NaN."""
    return column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
