"""Keys of a table: which rows repeat the key of an earlier row?"""

from __future__ import annotations

import numpy as np
import pyarrow as pa


def repeated(keys: pa.ChunkedArray) -> np.ndarray | None:
    """bool (rows,): whether an earlier row has the same key; None where every key is there once. Nulls repeat nothing.

    keys: string.
    """
    known = keys.drop_null()
    if len(known.unique()) == len(known):
        return None
    codes = _codes(keys)
    _, first = np.unique(codes, return_index=True)
    again = np.ones(len(codes), dtype=bool)
    again[first] = False
    return again & (codes >= 0)


def _codes(keys: pa.ChunkedArray) -> np.ndarray:
    """int64 (rows,): equal for equal keys, -1 for null."""
    coded = keys.dictionary_encode().unify_dictionaries()
    parts = [chunk.indices.fill_null(-1).to_numpy() for chunk in coded.chunks]
    return np.concatenate([np.empty(0, np.int64), *parts]).astype(np.int64)
