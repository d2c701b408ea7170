"""Refuses numbers that are too large to compute with, and names the row, before any work.

The towers square what they read and sum it, in float32, which ends at 3.4e38: a vector of a million numbers below 1e12,
projected by weights below 1e3, stays far from it. A larger number would make the embedding infinite, or zero after it
is divided by its length. Lists of vectors are kept as float16, which ends at 65,504.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alicorn.vertical.columns import refuse_rows

LARGEST = 1e12
LARGEST_FLOAT16 = float(np.finfo(np.float16).max)


def check_magnitude(column: pa.ChunkedArray, largest: float, table: str, name: str) -> None:
    """column: list<float>, or list<list<float>>, finite numbers. Raises TableError."""
    lists, parents = pc.list_flatten(column), pc.list_parent_indices(column).to_numpy()
    if not pa.types.is_floating(lists.type):
        parents = parents[pc.list_parent_indices(lists).to_numpy()]
        lists = pc.list_flatten(lists)
    large = np.abs(lists.to_numpy()) > largest
    if large.any():
        rows = np.zeros(len(column), dtype=bool)
        rows[parents[large]] = True
        refuse_rows(rows, table, name, f"a number beyond {largest:g} either way: scale the column down")
