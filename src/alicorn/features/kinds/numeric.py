"""Numbers, standardised by the mean and deviation of the training table: two columns, value and presence.

A null or NaN is unknown: (0, 0). A known value is (z, 1), z = (value - mean) / deviation, cut to [-8, 8] so that one
absurd number cannot drown the other features.
"""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from alicorn.config import Config
from alicorn.vertical import Feature, NumericFeature
from alicorn.vertical.columns import read_as

_LARGEST = 8.0
_SQUARED = 1e140  # a sum of 2^31 squares of it is below the end of float64
WIDTH = 2  # columns of a numeric channel


class Standardization(Config):
    """What a numeric feature is measured against; kept in the model."""

    mean: float = 0.0
    deviation: float = 1.0


def standardizations(features: Mapping[str, Feature], table: pa.Table, side: str) -> dict[str, Standardization]:
    """Of the numeric ones among the features, by name, measured on a table. side: "documents" or "requests", for
    messages. Raises TableError for a column that is missing or holds no numbers."""
    numeric = {name: feature for name, feature in features.items() if isinstance(feature, NumericFeature)}
    table = read_as(table, [c for name, f in numeric.items() for c in f.columns(f"feature {name}")], side)
    return {name: standardization_of(table[feature.column].combine_chunks()) for name, feature in numeric.items()}


def standardization_of(column: pa.Array) -> Standardization:
    """Mean and deviation of the known, finite values. Without any the neutral ones; where all are equal the deviation
    is 1, though rounding gives equal values a deviation of their own.

    Values are divided by the largest first, so that squares of 1e300 do not overflow.
    """
    values = _floats(column)
    values = values[np.isfinite(values)]
    if len(values) == 0:
        return Standardization()
    largest = float(np.abs(values).max())
    if values.min() == values.max():
        return Standardization(mean=float(values[0]))
    if largest < _SQUARED:
        return Standardization(mean=float(values.mean()), deviation=_usable(float(values.std())))
    scaled = values / largest
    return Standardization(mean=float(scaled.mean() * largest), deviation=_usable(float(scaled.std() * largest)))


def _usable(deviation: float) -> float:
    """Values that differ by less than rounding have a deviation of 0."""
    return deviation if deviation > 0 else 1.0


def numeric_rows(column: pa.Array, standardization: Standardization) -> np.ndarray:
    """column: integer or float. Returns float32 (rows, 2)."""
    values = _floats(column)
    known = ~np.isnan(values)
    out = np.zeros((len(values), WIDTH), dtype=np.float32)
    with np.errstate(over="ignore"):  # beyond float64 is beyond _LARGEST
        standard = (values[known] - standardization.mean) / standardization.deviation
    out[known, 0] = np.clip(standard, -_LARGEST, _LARGEST)
    out[known, 1] = 1.0
    return out


def _floats(column: pa.Array) -> np.ndarray:
    """float64; null is NaN."""
    result: np.ndarray = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return result
