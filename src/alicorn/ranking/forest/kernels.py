"""Compiled loops over the trees of a forest.

A tree that fits the first cache meets eight rows at a time, whose steps do not wait for each other. Every row takes as
many steps as the tree is deep: a leaf leads to itself, so no loop ends at a place that the processor must guess.
The values of the leaves are added tree by tree, as LightGBM adds them: the sums have the same bits.
"""

import numpy as np
from numba import types

from alicorn.compiled import kernel, subroutine
from alicorn.ranking.forest.model_text import TINY

_TOGETHER = 8  # rows

_ROWS = types.Array(types.float64, 2, "C", readonly=True)
_INTS = types.Array(types.int32, 1, "C", readonly=True)
_FLAGS = types.Array(types.boolean, 1, "C", readonly=True)
_FLOATS = types.Array(types.float64, 1, "C", readonly=True)


@subroutine
def as_columns(rows, sources, negated, zero_is_missing):
    """The columns that nodes look at: (rows, columns) float64 in one array."""
    num_columns = len(sources)
    columns = np.empty(len(rows) * num_columns)
    for i in range(len(rows)):
        for c in range(num_columns):
            value = rows[i, sources[c]]
            if abs(value) <= TINY:
                value = np.nan if zero_is_missing[c] else 0.0
            columns[i * num_columns + c] = -value if negated[c] else value
    return columns


@kernel(
    types.float64[::1](_ROWS, _INTS, _FLAGS, _FLAGS, _INTS, _INTS, _INTS, _FLOATS, _INTS, _FLOATS),
    boundscheck=False,
)
def score_rows(rows, sources, negated, zero_is_missing, roots, depths, columns, thresholds, children, values):
    """The sum of the leaves of each row: (rows,) float64. The arrays are those of Forest."""
    num_rows, num_columns = len(rows), len(sources)
    cells = as_columns(rows, sources, negated, zero_is_missing)
    scores = np.zeros(num_rows)
    at = np.empty(_TOGETHER, dtype=np.int32)
    whole = num_rows - num_rows % _TOGETHER
    for tree in range(len(roots)):
        root, depth = roots[tree], depths[tree]
        for first in range(0, whole, _TOGETHER):
            for j in range(_TOGETHER):
                at[j] = root
            for _ in range(depth):
                for j in range(_TOGETHER):
                    node = at[j]
                    is_below = cells[(first + j) * num_columns + columns[node]] <= thresholds[node]
                    at[j] = children[2 * node + (1 if is_below else 0)]
            for j in range(_TOGETHER):
                scores[first + j] += values[at[j]]
        for i in range(whole, num_rows):
            node = root
            for _ in range(depth):
                is_below = cells[i * num_columns + columns[node]] <= thresholds[node]
                node = children[2 * node + (1 if is_below else 0)]
            scores[i] += values[node]
    return scores
