"""Checks of the vectors of an upsert, and their normalisation to unit length.

A column `embedding:<key>` is list<float32|float64>; fixed-size lists are allowed. A null row means a document without
the embedding. Every other row has the declared dimension, finite components, no null, and a length above zero.
"""

from __future__ import annotations

from collections.abc import Callable

import numba
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.compiled import kernel
from alicorn.errors import TableError, VectorError


def unit_vectors(column: pa.ChunkedArray, name: str, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the rows with a vector, (n,) int64 ascending, and their unit vectors, (n, dim) float32.

    Raises TableError for a column of another type, VectorError for bad values.
    """
    kind = column.type
    if pa.types.is_null(kind):
        return np.empty(0, dtype=np.int64), np.empty((0, dim), dtype=np.float32)
    is_list = pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)
    if not is_list or kind.value_type not in (pa.float32(), pa.float64()):
        message = f"column '{name}' must be list<float32> or list<float64>, got {kind}: cast it"
        raise TableError(message, table="documents", column=name)
    docs = np.flatnonzero(column.is_valid().to_numpy())
    lengths = pc.list_value_length(column).drop_null().to_numpy()
    wrong = np.not_equal(lengths, dim)
    _refuse(name, docs, wrong, lambda row: f"has {lengths[row]} dimensions, the collection declares {dim}")
    flat = [chunk.flatten() for chunk in column.chunks]
    if any(chunk.null_count for chunk in flat):
        missing = np.concatenate([chunk.is_null().to_numpy(zero_copy_only=False) for chunk in flat])
        _refuse(name, docs, np.any(missing.reshape(-1, dim), axis=1), lambda _: "has a null component")
    given = [chunk.to_numpy() for chunk in flat]
    raw = (given[0] if len(given) == 1 else np.concatenate(given or [np.empty(0)])).reshape(-1, dim)
    return docs, _normalized(raw, name, docs)


def _normalized(raw: np.ndarray, name: str, docs: np.ndarray) -> np.ndarray:
    """The rows at unit length. Norms are computed in float64, so rows of length 1e-30 or 1e30 are exact enough too."""
    vectors = np.empty(raw.shape, dtype=np.float32)
    norms = np.empty(len(raw))
    (_normalize_floats if raw.dtype == np.float32 else _normalize_doubles)(raw, vectors, norms)
    finite = np.isfinite(norms)
    if not finite.all():
        _refuse(
            name, docs, ~finite, lambda row: f"has {'a NaN' if np.isnan(raw[row]).any() else 'an infinite'} component"
        )
    _refuse(name, docs, norms == 0, lambda _: "is a zero vector, which has no direction: give null instead")
    return vectors


def _kernel(kind: str) -> Callable[[np.ndarray, np.ndarray, np.ndarray], None]:
    rows = numba.types.Array(numba.from_dtype(np.dtype(kind)), 2, "C", readonly=True)

    fast = {"reassoc", "nsz", "contract"}  # sums in any order; NaN and infinity are still seen

    @kernel(numba.void(rows, numba.float32[:, ::1], numba.float64[::1]), fastmath=fast)
    def normalize(raw, vectors, norms):
        """Write the unit rows to `vectors` and the lengths to `norms`; a zero row stays zero."""
        for row in range(raw.shape[0]):
            total = 0.0
            for j in range(raw.shape[1]):
                total += np.float64(raw[row, j]) * np.float64(raw[row, j])
            norms[row] = np.sqrt(total)
            length = norms[row] if norms[row] > 0.0 else 1.0
            for j in range(raw.shape[1]):
                vectors[row, j] = np.float32(np.float64(raw[row, j]) / length)

    result: Callable[[np.ndarray, np.ndarray, np.ndarray], None] = normalize
    return result


_normalize_floats, _normalize_doubles = _kernel("float32"), _kernel("float64")


def _refuse(name: str, docs: np.ndarray, bad: np.ndarray, what: Callable[[int], str]) -> None:
    count = int(np.count_nonzero(bad))
    if count:
        row = int(np.argmax(bad))
        rows = "row" if count == 1 else "rows"
        raise VectorError(f"column '{name}', row {docs[row]}: the vector {what(row)} ({count} such {rows})")
