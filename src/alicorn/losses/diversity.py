"""How alike are the interests of one request? Three regularisers of DRIM, to be added to the loss.

Several capsules of a request often become the same vector. Each function falls as the interests of a
request move apart; none looks at documents. `v` is an interest of unit length, K their number.

    max_entropy        -H,  H = -ln(sum_kl (v_k . v_l)^2 / K^2)         between -ln K (orthogonal) and 0 (all alike)
    centre_distance    -sum_k |v_k - c|^2,  c = mean_k v_k              between -K and 0
    pair_difference    -sum_{k<l} |v_k - v_l|^2                         between -K^2 and 0: K times the one before

H is the entropy (of Renyi, order 2) of the eigenvalues of `mean_k v_k v_k^T`: how many directions the interests fill.
It asks for right angles and no more; the other two ask for opposite vectors, and only unit length bounds them.
Source: DRIM (arXiv 2103.12404). The formulas are ours: our notes on the paper have the names alone (decision 021).
"""

import torch
from torch import Tensor


def max_entropy(interests: Tensor) -> Tensor:
    """interests: (rows, interests, dim), unit length. The mean over rows, a scalar in nats."""
    count = interests.shape[1]
    cosines = interests @ interests.transpose(1, 2)  # (rows, interests, interests)
    return torch.log(cosines.square().sum(dim=(1, 2)) / count**2).mean()


def centre_distance(interests: Tensor) -> Tensor:
    """interests: (rows, interests, dim), unit length. The mean over rows, a scalar."""
    centre = interests.mean(dim=1, keepdim=True)
    return -(interests - centre).square().sum(dim=(1, 2)).mean()


def pair_difference(interests: Tensor) -> Tensor:
    """interests: (rows, interests, dim), unit length. The mean over rows, a scalar."""
    squared = (interests[:, :, None] - interests[:, None]).square().sum(dim=3)  # every pair twice
    return -squared.sum(dim=(1, 2)).mean() / 2
