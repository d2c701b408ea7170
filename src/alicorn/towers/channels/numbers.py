"""A number as a vector: a soft mixture of a few learned ones (AutoDis), or that of its bin.

    AutoDis    h = LeakyReLU(w x),   p = softmax((W h + alpha h) / tau),   e = sum_i p_i M_i
               (Guo et al., KDD 2021), x the standardised number

Similar numbers get similar vectors, and where one begins and another ends is learned; a bin has edges that are not.
Both take a numeric channel, (rows, 2): value and presence (as in features/), and give zero for an unknown number.
"""

from statistics import NormalDist

import torch
from torch import Tensor, nn

_LENGTH = 0.1  # of a vector at first, as that of ids: two_tower.py


class AutoDisNumber(nn.Module):
    """count: H. dim: width of the vector. temperature, skip: tau and alpha."""

    def __init__(self, count: int, dim: int, temperature: float, skip: float) -> None:
        super().__init__()
        self.width = dim
        self._temperature, self._skip = temperature, skip
        self.scale = nn.Parameter(torch.randn(count) * (2 / (1 + count)) ** 0.5)
        self.mixing = nn.Parameter(torch.randn(count, count) * count**-0.5)
        self.meta = nn.Parameter(torch.randn(count, dim) * _LENGTH * dim**-0.5)

    def forward(self, channel: Tensor) -> Tensor:
        """(rows, dim)."""
        return (self.shares(channel) @ self.meta) * channel[:, 1:]

    def shares(self, channel: Tensor) -> Tensor:
        """p: (rows, count), of the meta-embeddings in each number."""
        hidden = nn.functional.leaky_relu(channel[:, :1] * self.scale)
        mixed = hidden @ self.mixing.T + self._skip * hidden
        return torch.softmax(mixed / self._temperature, dim=1)


class BinnedNumber(nn.Module):
    """Bins with edges at the quantiles of the normal distribution."""

    edges: Tensor

    def __init__(self, count: int, dim: int) -> None:
        super().__init__()
        self.width = dim
        quantiles = [NormalDist().inv_cdf(i / count) for i in range(1, count)]
        self.register_buffer("edges", torch.tensor(quantiles), persistent=False)
        self.vectors = nn.Parameter(torch.randn(count, dim) * _LENGTH * dim**-0.5)

    def forward(self, channel: Tensor) -> Tensor:
        """(rows, dim)."""
        bins = (channel[:, :1] >= self.edges).sum(dim=1)
        return self.vectors[bins] * channel[:, 1:]
