"""Scaled softmax of the positive against in-batch and shared negatives.

Known elsewhere as MultipleNegativesRankingLoss (sentence-transformers, whose `scale` is 20 too), InfoNCE, and sampled
softmax. There a request's other known positives in the batch count as negatives; here `allowed` masks them.
"""

import numpy as np
import torch
from torch import Tensor

from alicorn.losses.rows import row_loss, softmax_rows


def softmax_loss(
    requests: Tensor,
    documents: Tensor,
    allowed: Tensor,
    scale: float,
    log_q: Tensor | None = None,
    own: Tensor | None = None,
) -> Tensor:
    """Mean of -log( exp(s cos(q, d+)) / (exp(s cos(q, d+)) + sum_j exp(s cos(q, d_j))) ), j over allowed columns.

    requests: (batch, dim), documents: (columns, dim), unit length; row i of `documents` is the positive of request i.
    allowed: bool (batch, columns), which column may be a negative of which request; the positive always takes part.
    scale: > 0, the inverse of the temperature. Returns nats, a scalar.
    log_q: (columns,) natural log of the probability that the document is drawn, subtracted from its logits, or None.
    own: (batch, n) cosines of further negatives of each request's own, such as generated ones, -inf for none, or None.
    Source: Que2Search (KDD 2021); logQ: Yi et al. (RecSys 2019).
    """
    if own is None and requests.device.type == "cpu" and requests.dtype == torch.float32:
        mask = allowed.contiguous().numpy()
        shift = np.zeros(len(documents), dtype=np.float32) if log_q is None else log_q.float().contiguous().numpy()
        return row_loss(requests, documents, lambda scores: softmax_rows(scores, mask, shift, scale))
    logits = scale * (requests @ documents.T)  # (batch, columns)
    if log_q is not None:
        logits = logits - log_q
    positive = torch.eye(*allowed.shape, dtype=torch.bool, device=allowed.device)
    logits = logits.masked_fill(~(allowed | positive), -torch.inf)
    if own is not None:
        logits = torch.cat([logits, scale * own], dim=1)
    return torch.nn.functional.cross_entropy(logits, torch.arange(len(requests), device=logits.device))
