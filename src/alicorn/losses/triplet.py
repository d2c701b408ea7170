"""Triplet loss on cosine distance with a margin.

Known elsewhere as TripletLoss with TripletDistanceMetric.COSINE (sentence-transformers) and as
TripletMarginWithDistanceLoss (PyTorch): those take one negative a row, this one sums over all allowed negatives.
"""

import numpy as np
import torch
from torch import Tensor

from alicorn.losses.rows import row_loss, triplet_rows


def triplet_loss(
    requests: Tensor, documents: Tensor, allowed: Tensor, margin: float, weights: Tensor | None = None
) -> Tensor:
    """Mean over requests of sum_j w_j max(0, D(q, d+) - D(q, d_j) + margin), over allowed columns j; D = 1 - cosine.

    requests: (batch, dim), documents: (columns, dim), unit length; row i of `documents` is the positive of request i.
    allowed: bool (batch, columns), which column may be a negative of which request; the positive itself never is.
    margin: > 0, in cosine distance. weights: (columns,), how many negatives a column counts as; None: one each.
    Returns a scalar. A request without allowed columns adds nothing.
    Unlike in softmax_loss, a negative beyond the margin is ignored. Source: EBR (KDD 2020), section 2.2.
    """
    if requests.device.type == "cpu" and requests.dtype == torch.float32:
        mask = allowed.contiguous().numpy()
        counts = np.ones(len(documents), np.float32) if weights is None else weights.float().contiguous().numpy()
        return row_loss(requests, documents, lambda scores: triplet_rows(scores, mask, counts, margin))
    similarity = requests @ documents.T  # (batch, columns)
    positive = similarity.diagonal().unsqueeze(1)  # (batch, 1)
    negative = allowed & ~torch.eye(*allowed.shape, dtype=torch.bool, device=allowed.device)
    excess = torch.relu(similarity - positive + margin).masked_fill(~negative, 0.0)
    return (excess if weights is None else excess * weights).sum() / max(len(requests), 1)
