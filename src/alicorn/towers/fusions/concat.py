"""Channels one beside the other, then a linear path and a small network (EBR, section 3.1).

    y = W x + b + V relu(U x + c)      x: the channels, one beside the other;  the embedding is y / |y|

W starts so that features reading one table (or dense features of one name and width) are projected alike on both sides,
and V starts at 0: before any training, the cosine already measures overlap of n-grams and likeness of dense vectors.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from alicorn.features.channel_id import ChannelId
from alicorn.towers.channels.tensors import Batch
from alicorn.towers.channels.vectors import ChannelVectors, Tables
from alicorn.towers.fusions.encoder import ByChannel, Encoder, linear_from


class ConcatEncoder(Encoder):
    """hidden: width of the small network; 0: there is none, and the fusion is linear."""

    def __init__(self, vectors: ChannelVectors, dim: int, hidden: int, seed: int) -> None:
        super().__init__()
        self.vectors = vectors
        starts = vectors.starts(dim, seed)
        self._widths = [start.shape[1] for start in starts]
        self.linear = linear_from(torch.cat(starts, dim=1))
        width = self.linear.in_features
        self.hidden = nn.Linear(width, hidden) if hidden else None
        self.output = nn.Linear(hidden, dim, bias=False) if hidden else None
        if self.output is not None:
            nn.init.zeros_(self.output.weight)

    @property
    def names(self) -> tuple[ChannelId, ...]:
        return tuple(self.vectors.names)

    def forward(self, batch: Batch, tables: Tables, tuned: nn.Module | None) -> Tensor:
        return self._fused(torch.cat(self.vectors(batch, tables, tuned), dim=1))

    def by_channel(self, batch: Batch, tables: Tables, tuned: nn.Module | None) -> ByChannel:
        """A channel alone is the fusion with all others at zero, which is what a null is."""
        vectors = self.vectors(batch, tables, tuned)
        alone = {}
        for own, name in enumerate(self.names):
            rest = [vector if i == own else torch.zeros_like(vector) for i, vector in enumerate(vectors)]
            alone[name] = self._fused(torch.cat(rest, dim=1))
        return ByChannel(self._fused(torch.cat(vectors, dim=1)), alone, None)

    def projected(self, batch: Batch, tables: Tables, tuned: nn.Module | None) -> Tensor:
        """(channels, rows, dim): what each channel adds to the linear path, W_c x_c."""
        vectors = self.vectors(batch, tables, tuned)
        columns = self.linear.weight.split(self._widths, dim=1)
        return torch.stack([vector @ weight.T for vector, weight in zip(vectors, columns, strict=True)])

    @torch.no_grad()
    def weigh(self, factors: Tensor) -> None:
        """Multiply each channel's columns of W. factors: (channels,)."""
        self.linear.weight.mul_(factors.repeat_interleave(torch.tensor(self._widths, device=factors.device)))

    def _fused(self, x: Tensor) -> Tensor:
        """x: (rows, width). (rows, dim), unit length."""
        y = self.linear(x)
        if self.hidden is not None and self.output is not None:
            y = y + self.output(torch.relu(self.hidden(x)))
        return normalize(y, dim=1)
