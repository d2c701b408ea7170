"""Vectors in no order, such as those of a product's images, as one.

    rho(mean over the set of phi(x))        phi, rho: networks with one hidden layer (Deep Sets, Zaheer et al., 2017)

Que2Search reads image vectors so. The order of a set changes nothing; an empty one is zero.
"""

import torch
from torch import Tensor, nn

from alicorn.towers.channels.tensors import TokenTensors


class DeepSet(nn.Module):
    """dim: of the vectors. width: of the hidden layers, and of the result."""

    def __init__(self, dim: int, width: int) -> None:
        super().__init__()
        self.width = width
        self.each = nn.Sequential(nn.Linear(dim, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        self.whole = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))

    def forward(self, channel: TokenTensors) -> Tensor:
        """(rows, width)."""
        vectors, lengths = channel
        present = torch.arange(vectors.shape[1], device=vectors.device) < lengths[:, None]
        total = (self.each(vectors) * present[:, :, None]).sum(dim=1)
        known = (lengths > 0)[:, None]
        result: Tensor = self.whole(total / lengths.clamp(min=1)[:, None]) * known
        return result
