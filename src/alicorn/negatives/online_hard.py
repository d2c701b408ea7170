"""Online hard negatives: of the other positives in the batch, the few most similar to the request (EBR 6.1)."""

import torch
from torch import Tensor


def online_hard(similarity: Tensor, allowed: Tensor, per_positive: int = 2) -> Tensor:
    """Keep the `per_positive` most similar allowed columns of each row. More than 2 made recall fall in the paper.

    similarity: (batch, batch) cosine of request i and positive j; not differentiated through.
    allowed: bool (batch, batch); known positives are excluded here, before the choice. Returns bool (batch, batch).
    """
    scores = similarity.detach().masked_fill(~allowed, -torch.inf)
    hardest = scores.topk(min(per_positive, scores.shape[1]), dim=1).indices
    return torch.zeros_like(allowed).scatter_(1, hardest, True) & allowed
