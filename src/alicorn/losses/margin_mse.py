"""Margin-MSE: the towers learn how much better than a negative a teacher, such as a cross-encoder, finds a positive.

Known elsewhere as MarginMSELoss (sentence-transformers), there of inner products at scale 1.
"""

import torch
from torch import Tensor


def margin_mse_loss(requests: Tensor, documents: Tensor, margins: Tensor, scale: float) -> Tensor:
    """Mean over what is known of (s (cos(q, d+) - cos(q, d_j)) - (T(q, d+) - T(q, d_j)))^2.

    requests: (batch, dim), documents: (columns, dim), unit length; row i of `documents` is the positive of request i.
    margins: (batch, columns), T(q, d+) - T(q, d_j) of the teacher T, NaN where a column is no negative of a request or
    the teacher did not score it. scale: > 0, what a cosine is multiplied by. Returns a scalar, in squared scores of the
    teacher; 0 where nothing is known.
    Source: Hofstätter et al., "Improving Efficient Neural Ranking Models with Cross-Architecture Knowledge
    Distillation" (2020), section 3.1.
    """
    similarity = requests @ documents.T  # (batch, columns)
    known = torch.isfinite(margins)
    own = scale * (similarity.diagonal().unsqueeze(1) - similarity)
    errors = (own - margins).masked_fill(~known, 0.0)
    return errors.square().sum() / known.sum().clamp(min=1)
