"""One softmax over the channels of a row (Que2Search, section 3.1).

    phi_i = W_i x_i + b_i,   w = softmax(A [phi_1; ...; phi_N] + a),   y = sum_i w_i phi_i;  the embedding is y / |y|

Each W_i starts so that features reading one table (or dense features of one name and width) are projected alike on both
sides, and A starts at 0: before any training, the cosine already measures overlap of n-grams and likeness of dense
vectors.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from alicorn.features.channel_id import ChannelId
from alicorn.towers.channels.tensors import Batch
from alicorn.towers.channels.vectors import ChannelVectors, Tables
from alicorn.towers.fusions.encoder import ByChannel, Encoder, linear_from


class AttentionEncoder(Encoder):
    """One softmax over the channels of a row: its weights say what the row was encoded by."""

    def __init__(self, vectors: ChannelVectors, dim: int, seed: int) -> None:
        super().__init__()
        self.vectors = vectors
        self.projections = nn.ModuleList([linear_from(start) for start in vectors.starts(dim, seed)])
        self.attention = nn.Linear(len(vectors.names) * dim, len(vectors.names))
        nn.init.zeros_(self.attention.weight)
        nn.init.zeros_(self.attention.bias)

    @property
    def names(self) -> tuple[ChannelId, ...]:
        return tuple(self.vectors.names)

    def forward(self, batch: Batch, tables: Tables, tuned: nn.Module | None) -> Tensor:
        phi, weights = self._attended(batch, tables, tuned)
        return _weighted(phi, weights)

    def by_channel(self, batch: Batch, tables: Tables, tuned: nn.Module | None) -> ByChannel:
        phi, weights = self._attended(batch, tables, tuned)
        alone = dict(zip(self.names, normalize(phi, dim=2).unbind(dim=1), strict=True))
        return ByChannel(_weighted(phi, weights), alone, dict(zip(self.names, weights.unbind(dim=1), strict=True)))

    def _attended(self, batch: Batch, tables: Tables, tuned: nn.Module | None) -> tuple[Tensor, Tensor]:
        """phi: (rows, channels, dim), and the weights, (rows, channels)."""
        vectors = self.vectors(batch, tables, tuned)
        phi = torch.stack([project(vector) for project, vector in zip(self.projections, vectors, strict=True)], dim=1)
        return phi, torch.softmax(self.attention(phi.flatten(start_dim=1)), dim=1)


def _weighted(phi: Tensor, weights: Tensor) -> Tensor:
    return normalize((weights[:, :, None] * phi).sum(dim=1), dim=1)
