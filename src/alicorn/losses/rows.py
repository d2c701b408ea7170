"""The losses on the processor: one pass over the similarities gives loss and gradient.

torch passes over the matrix once for the mask, the maximum, the exponential, the sum and so on, forward and backward. A
row of it fits the first-level cache, so one compiled loop does all of that while it is there: 1.4 ms instead of 20 for
1,024 requests and 2,048 documents. What remains are three matrix products. benchmarks/learning/training.py prints both.
"""

from collections.abc import Callable

import numpy as np
import torch
from numba import types
from torch import Tensor

from alicorn.compiled import kernel
from alicorn.losses.finite import all_finite

_LOG2E = np.float32(1.44269504)
_LN2_HIGH = np.float32(0.693359375)
_LN2_LOW = np.float32(-2.12194440e-4)
_LEAST = np.float32(-87.0)  # exp of less is no normal float32


def row_loss(requests: Tensor, documents: Tensor, kernel: Callable[[np.ndarray], float]) -> Tensor:
    """A loss of `requests @ documents.T`, float32 on the processor. The kernel overwrites the products by the loss's
    gradient and returns the loss. The loss of embeddings that are not finite is NaN."""
    result: Tensor = _RowLoss.apply(requests, documents, kernel)
    return result


class _RowLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx, requests, documents, kernel):
        gradient = requests @ documents.T  # (batch, columns)
        loss = kernel(gradient.numpy())
        if not (all_finite(requests) and all_finite(documents)):
            loss = float("nan")  # comparisons in a kernel leave out what is no number
        ctx.save_for_backward(gradient, requests, documents)
        return requests.new_tensor(loss)

    @staticmethod
    def backward(ctx, outer):
        gradient, requests, documents = ctx.saved_tensors
        return (gradient @ documents) * outer, (gradient.T @ requests) * outer, None


_MATRIX = types.float32[:, ::1]
_MASK = types.Array(types.boolean, 2, "C", readonly=True)
_VECTOR = types.Array(types.float32, 1, "C", readonly=True)


@kernel("float32(float32)", inline="always")
def _exp(x):
    """exp for x <= 0, 0 below -87; without branches or calls, so that the loop around it is vectorised.

    x = n ln2 + r with |r| <= ln2 / 2, and a polynomial for exp(r) (Cephes, expf).
    """
    cut = max(x, _LEAST)
    n = np.rint(cut * _LOG2E)
    r = cut - n * _LN2_HIGH - n * _LN2_LOW
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    power = (p * r * r + r + np.float32(1.0)) * np.int32((np.int32(n) + 127) << 23).view(np.float32)
    return power if x >= _LEAST else np.float32(0.0)


@kernel(
    types.float64(_MATRIX, _MASK, _VECTOR, types.float32),
    fastmath={"reassoc", "contract", "nsz", "arcp"},
    error_model="numpy",  # a division by zero is infinite, as everywhere in torch
)
def softmax_rows(scores, allowed, log_q, scale):
    """scores: (batch, columns) cosines, overwritten by the gradient. See softmax_loss."""
    batch, columns = scores.shape
    loss = 0.0
    for i in range(batch):
        row = scores[i]
        positive = row[i] * scale - log_q[i]
        largest = positive
        for j in range(columns):
            logit = row[j] * scale - log_q[j]
            row[j] = logit if allowed[i, j] else np.float32(-np.inf)
            largest = max(largest, row[j])
        row[i] = positive
        total = np.float32(0.0)
        for j in range(columns):
            power = _exp(row[j] - largest)
            row[j] = power
            total += power
        loss += np.log(np.float64(total)) - np.float64(positive - largest)
        share = scale / (total * np.float32(batch))
        for j in range(columns):
            row[j] *= share
        row[i] -= scale / np.float32(batch)
    return loss / batch if batch else 0.0


@kernel(types.float64(_MATRIX, _MASK, _VECTOR, types.float32))
def triplet_rows(scores, allowed, weights, margin):
    """scores: (batch, columns) cosines, overwritten by the gradient. See triplet_loss."""
    batch, columns = scores.shape
    loss = 0.0
    weight = np.float32(1.0 / max(batch, 1))
    for i in range(batch):
        row = scores[i]
        threshold = row[i] - margin
        excesses = np.float32(0.0)
        violations = np.float32(0.0)
        for j in range(columns):
            excess = row[j] - threshold
            violated = allowed[i, j] and j != i and excess > 0
            counted = weights[j] if violated else np.float32(0.0)
            excesses += excess * counted
            violations += counted
            row[j] = weight * counted
        row[i] = -weight * violations
        loss += float(excesses)
    return loss * weight


@kernel(types.float64(_MATRIX, _MASK, _VECTOR, types.float32))
def bpr_rows(scores, allowed, weights, scale):
    """scores: (batch, columns) cosines, overwritten by the gradient. See bpr_loss."""
    batch, columns = scores.shape
    loss = 0.0
    share = np.float32(1.0 / max(batch, 1))
    for i in range(batch):
        row = scores[i]
        positive = row[i]
        pulls = np.float32(0.0)
        for j in range(columns):
            if not allowed[i, j] or j == i:
                row[j] = np.float32(0.0)
                continue
            x = scale * (row[j] - positive)
            power = np.exp(-abs(x))  # of what is never above 0
            loss += float(weights[j] * (max(x, np.float32(0.0)) + np.log1p(power)))
            chance = (np.float32(1.0) if x >= 0 else power) / (np.float32(1.0) + power)  # that j ranks before
            row[j] = scale * share * weights[j] * chance
            pulls += row[j]
        row[i] = -pulls
    return loss * share
