"""Sums of rows of an embedding table, without torch."""

from numba import types

from alicorn.compiled import kernel


@kernel(
    types.void(
        types.Array(types.float32, 2, "C", readonly=True),
        types.Array(types.int64, 1, "C", readonly=True),
        types.Array(types.int32, 1, "C", readonly=True),
        types.Array(types.float32, 1, "C", readonly=True),
        types.float32[:, ::1],
        types.int64,
    ),
    fastmath={"contract"},
)
def sum_bags(table, offsets, rows, weights, out, start):
    """out[bag, start : start + dim] = the weighted sum of rows of a table, for each bag: `EmbeddingTable.forward`.

    offsets: (bags + 1,), where each bag starts and the last ends.
    """
    dim = table.shape[1]
    for bag in range(len(offsets) - 1):
        out[bag, start : start + dim] = 0.0
        for entry in range(offsets[bag], offsets[bag + 1]):
            for d in range(dim):
                out[bag, start + d] += weights[entry] * table[rows[entry], d]
