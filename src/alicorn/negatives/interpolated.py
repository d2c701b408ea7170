"""Generated hard negatives: mixtures of a request's positive and its hardest negatives (MGDSPR, KDD 2021).

    I_mix = a I_plus + (1 - a) I_hard,    F(q, I_mix) = a F(q, I_plus) + (1 - a) F(q, I_hard)    F: inner product

The mixture of two unit vectors is not brought back to unit length: its score would then rise as the two drift apart,
and the loss would draw a negative towards the positive (docs/decisions/017-learning-by-cosine.md).
"""

import torch
from torch import Tensor

LEAST, MOST = 0.4, 0.6  # of a, which is uniform between them


def interpolated(requests: Tensor, documents: Tensor, allowed: Tensor, mixing: Tensor) -> Tensor:
    """(batch, count) cosines of the generated negatives, differentiable; -inf where a request has fewer negatives.

    requests, documents, allowed: as for the losses; the pool of a request is what it is allowed, in-batch and random
    documents alike. mixing: (batch, count), the share `a` of the positive, for the hardest negative first.
    """
    similarity = requests @ documents.T  # (batch, columns)
    own = torch.eye(*allowed.shape, dtype=torch.bool, device=allowed.device)
    pool = similarity.detach().masked_fill(~allowed | own, -torch.inf)
    found, hardest = pool.topk(min(mixing.shape[1], pool.shape[1]), dim=1)
    share = mixing[:, : hardest.shape[1]]
    mixed = share * similarity.diagonal()[:, None] + (1 - share) * similarity.gather(1, hardest)
    return mixed.masked_fill(found == -torch.inf, -torch.inf)
