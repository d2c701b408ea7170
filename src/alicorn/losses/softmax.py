"""Scaled softmax of the positive against in-batch and shared negatives. Called by training/; mask from negatives/."""

import torch
from torch import Tensor


def softmax_loss(
    requests: Tensor, documents: Tensor, allowed: Tensor, scale: float, log_q: Tensor | None = None
) -> Tensor:
    """Mean of -log( exp(s cos(q, d+)) / (exp(s cos(q, d+)) + sum_j exp(s cos(q, d_j))) ), j over allowed columns.

    requests: (batch, dim), documents: (columns, dim), unit length; row i of `documents` is the positive of request i.
    allowed: bool (batch, columns), which column may be a negative of which request; the positive always takes part.
    scale: > 0, the inverse of the temperature. Returns nats, a scalar.
    log_q: (columns,) natural log of the probability that the document is drawn, subtracted from its logits, or None.
    Source: Que2Search (KDD 2021), papers.md 3.2; logQ: Yi et al. (RecSys 2019), papers.md 13.1.
    """
    logits = scale * (requests @ documents.T)  # (batch, columns)
    if log_q is not None:
        logits = logits - log_q
    batch = len(requests)
    positive = torch.eye(*allowed.shape, dtype=torch.bool, device=allowed.device)
    logits = logits.masked_fill(~(allowed | positive), -torch.inf)
    return torch.nn.functional.cross_entropy(logits, torch.arange(batch, device=logits.device))
