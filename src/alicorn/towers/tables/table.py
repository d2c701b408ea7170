"""Embedding tables whose gradient is a list of rows.

A batch touches a few ten thousand of perhaps millions of rows. On the processor the gradient of the touched rows is
summed in one pass, without sorting, by a compiled loop; torch's sparse gradient and SparseAdam took 38 ms where this
and its update take 2 (`benchmarks/learning/training.py`). Elsewhere torch's sparse gradient is used.
"""

import numpy as np
import torch
from numba import types
from torch import Tensor, nn

from alicorn.compiled import kernel


class EmbeddingTable(nn.Module):
    """`buckets` rows after row 0, which means nothing, is never read and stays zero. length: of a row at first."""

    def __init__(self, buckets: int, dim: int, length: float = 1.0) -> None:
        super().__init__()
        weight = torch.empty(buckets + 1, dim).normal_(0.0, length * dim**-0.5)
        weight[0] = 0.0
        self.weight = nn.Parameter(weight)
        self.row_gradient = RowGradient(buckets + 1, dim)

    def forward(self, indices: Tensor, offsets: Tensor, weights: Tensor) -> Tensor:
        """For each bag the weighted sum of its rows, (bags, dim); zero for an empty bag.

        indices: int32 (entries,). offsets: int32 (bags,), where each bag starts. weights: float32 (entries,).
        """
        if self.weight.device.type == "cpu" and torch.is_grad_enabled():
            result: Tensor = _Lookup.apply(self.weight, indices, offsets, weights, self.row_gradient)
            return result
        return nn.functional.embedding_bag(
            indices, self.weight, offsets, mode="sum", per_sample_weights=weights, sparse=True
        )

    def padded(self, ids: Tensor, weights: Tensor) -> Tensor:
        """`forward` of bags that are padded to the longest: ids, weights (bags, longest), weight 0 behind a bag's end.

        Plain operations, for a tower that is exported (export/onnx_export.py).
        """
        return (self.weight[ids] * weights[:, :, None]).sum(dim=1)


class RowGradient:
    """The summed gradient of the rows touched since `clear`: rows int64 (count,), values float32 (count, dim)."""

    def __init__(self, num_rows: int, dim: int) -> None:
        self._slots = np.full(num_rows, -1, dtype=np.int32)  # row -> its place in the two arrays below
        self._rows = np.empty(0, dtype=np.int64)
        self._values = np.empty((0, dim), dtype=np.float32)
        self._count = 0

    @property
    def rows(self) -> np.ndarray:
        return self._rows[: self._count]

    @property
    def values(self) -> np.ndarray:
        return self._values[: self._count]

    def add(self, gradient: np.ndarray, indices: np.ndarray, offsets: np.ndarray, weights: np.ndarray) -> None:
        """gradient: float32 (bags, dim) of the loss by the bags; the rest as in EmbeddingTable.forward."""
        needed = min(self._count + len(indices), len(self._slots))
        if needed > len(self._rows):
            grown = min(2 * needed, len(self._slots))
            self._rows = np.concatenate([self.rows, np.empty(grown - self._count, dtype=np.int64)])
            space = np.empty((grown - self._count, gradient.shape[1]), dtype=np.float32)
            self._values = np.concatenate([self.values, space])
        self._count = _add_rows(gradient, indices, offsets, weights, self._slots, self._rows, self._values, self._count)

    def replace(self, rows: np.ndarray, values: np.ndarray) -> None:
        """The sum of given gradients of rows instead: int64 (n,), float32 (n, dim); a row may repeat."""
        self.clear()
        places = np.arange(len(rows), dtype=np.int32)
        self.add(values, rows.astype(np.int32), places, np.ones(len(rows), dtype=np.float32))

    def clear(self) -> None:
        self._slots[self.rows] = -1
        self._count = 0


class _Lookup(torch.autograd.Function):
    """embedding_bag whose backward adds to a RowGradient; autograd itself sees no gradient of the table."""

    @staticmethod
    def forward(ctx, weight, indices, offsets, weights, row_gradient):
        ctx.save_for_backward(indices, offsets, weights)
        ctx.row_gradient = row_gradient
        return nn.functional.embedding_bag(indices, weight, offsets, mode="sum", per_sample_weights=weights)

    @staticmethod
    def backward(ctx, gradient):
        indices, offsets, weights = (tensor.numpy() for tensor in ctx.saved_tensors)
        ctx.row_gradient.add(gradient.contiguous().numpy(), indices, offsets, weights)
        return None, None, None, None, None


_I32 = types.Array(types.int32, 1, "C", readonly=True)
_F32 = types.Array(types.float32, 1, "C", readonly=True)


@kernel(
    types.int64(
        types.Array(types.float32, 2, "C", readonly=True),
        _I32,
        _I32,
        _F32,
        types.int32[::1],
        types.int64[::1],
        types.float32[:, ::1],
        types.int64,
    ),
    fastmath={"contract"},
)
def _add_rows(gradient, indices, offsets, weights, slots, rows, values, count):
    """values[slots[row]] += weight * gradient of the bag, for each entry; returns the number of rows touched so far."""
    dim = gradient.shape[1]
    for bag in range(len(offsets)):
        end = offsets[bag + 1] if bag + 1 < len(offsets) else len(indices)
        for entry in range(offsets[bag], end):
            row = indices[entry]
            weight = weights[entry]
            slot = slots[row]
            if slot < 0:
                slots[row] = count
                rows[count] = row
                for d in range(dim):
                    values[count, d] = weight * gradient[bag, d]
                count += 1
            else:
                for d in range(dim):
                    values[slot, d] += weight * gradient[bag, d]
    return count
