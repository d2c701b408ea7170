"""BPR: the negative log-likelihood that the positive ranks before each negative.

Known elsewhere as BPRLoss (RecBole) and as the pairwise logistic loss of RankNet, both of inner products at scale 1.

In its second stage Que2Search compares the positive with the hardest negative of the batch alone. With the mask of
negatives/online_hard.py for one column, this is its BPR loss, and triplet.py is its margin-rank loss.
"""

import numpy as np
import torch
from torch import Tensor

from alicorn.losses.rows import bpr_rows, row_loss


def bpr_loss(
    requests: Tensor, documents: Tensor, allowed: Tensor, scale: float, weights: Tensor | None = None
) -> Tensor:
    """Mean over requests of sum_j w_j log(1 + exp(-s (cos(q, d+) - cos(q, d_j)))), over allowed columns j.

    Arguments as in triplet_loss, but for scale: > 0, what a cosine is multiplied by. Returns nats, a scalar; a request
    without allowed columns adds nothing. Source: BPR (Rendle et al., UAI 2009); Que2Search (KDD 2021).
    """
    if requests.device.type == "cpu" and requests.dtype == torch.float32:
        mask = allowed.contiguous().numpy()
        counts = np.ones(len(documents), np.float32) if weights is None else weights.float().contiguous().numpy()
        return row_loss(requests, documents, lambda scores: bpr_rows(scores, mask, counts, scale))
    similarity = requests @ documents.T  # (batch, columns)
    positive = similarity.diagonal().unsqueeze(1)  # (batch, 1)
    negative = allowed & ~torch.eye(*allowed.shape, dtype=torch.bool, device=allowed.device)
    terms = torch.nn.functional.softplus(scale * (similarity - positive)).masked_fill(~negative, 0.0)
    return (terms if weights is None else terms * weights).sum() / max(len(requests), 1)
