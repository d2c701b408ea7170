"""Are the vectors of an upsert acceptable? Checked and made unit length.

A column `embedding:<key>` is list<float32|float64> (fixed-size lists too): a null row is a document without the
embedding; every other has exactly the declared dimension, and no null, NaN, infinite component, and is not zero.
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
    """-> which rows have a vector, (rows,) int64 ascending, and the vectors, (rows, dim) float32 unit rows.

    Raises TableError for a column of another type, VectorError for what is in it.
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
    """Unit rows, from norms in double precision: neither 1e-30 nor 1e30 under- or overflows."""
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

    fast = {"reassoc", "nsz", "contract"}  # sums in any order; NaN and infinity still count

    @kernel(numba.void(rows, numba.float32[:, ::1], numba.float64[::1]), fastmath=fast)
    def normalize(raw, vectors, norms):
        """vectors, norms: filled with the unit rows and lengths; a row without a length is left as it comes."""
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
