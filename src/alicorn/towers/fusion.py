"""How the channels of one side become one embedding: linear with a small network, or attention.

    concat       y = W x + b + V relu(U x + c)      x: the channels, one beside the other (EBR, papers.md 1.1)
    attention    phi_i = W_i x_i + b_i,   w = softmax(A [phi_1; ...; phi_N] + a),   y = sum_i w_i phi_i
                                                    (Que2Search, papers.md 3.1; KDD 2021)

and the embedding is y / |y|. W (or each W_i) starts so that features reading one table (or dense features of one name
and width) are projected alike on both sides, and A and V start at 0: before any training, the cosine already measures
overlap of n-grams and likeness of dense vectors, those of a pretrained text encoder among them.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from alicorn.towers.channel_vectors import ChannelVectors
from alicorn.towers.channels import Batch

_BIAS = 0.01  # deviation: a row without any known feature gets the direction of the bias


class ByChannel(NamedTuple):
    """A batch through one side, with what its channels say.

    embedding: (rows, dim), unit length. channels: name -> (rows, dim), unit length, by this channel alone.
    weights: name -> (rows,), shares that sum to 1 over the channels; None for a fusion that has none.
    """

    embedding: Tensor
    channels: dict[str, Tensor]
    weights: dict[str, Tensor] | None


class Encoder(nn.Module, ABC):
    """One side: channels, then a fusion of them."""

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Of the channels."""

    @abstractmethod
    def forward(self, batch: Batch, tables: Mapping[str, nn.Module], tuned: nn.Module | None) -> Tensor:
        """(rows, dim), unit length. tables: by name. tuned: layers of a pretrained encoder."""

    @abstractmethod
    def by_channel(self, batch: Batch, tables: Mapping[str, nn.Module], tuned: nn.Module | None) -> ByChannel:
        """The embedding of `forward`, and the channels'."""


class ConcatEncoder(Encoder):
    """hidden: width of the small network; 0: there is none, and the fusion is linear."""

    def __init__(self, vectors: ChannelVectors, dim: int, hidden: int, seed: int) -> None:
        super().__init__()
        self.vectors = vectors
        self.linear = _linear(torch.cat(vectors.starts(dim, seed), dim=1))
        width = self.linear.in_features
        self.hidden = nn.Linear(width, hidden) if hidden else None
        self.output = nn.Linear(hidden, dim, bias=False) if hidden else None
        if self.output is not None:
            nn.init.zeros_(self.output.weight)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.vectors.names)

    def forward(self, batch: Batch, tables: Mapping[str, nn.Module], tuned: nn.Module | None) -> Tensor:
        return self._fused(torch.cat(self.vectors(batch, tables, tuned), dim=1))

    def by_channel(self, batch: Batch, tables: Mapping[str, nn.Module], tuned: nn.Module | None) -> ByChannel:
        """A channel alone is the fusion with all others at zero, which is what a null is."""
        vectors = self.vectors(batch, tables, tuned)
        alone = {}
        for own, name in enumerate(self.names):
            rest = [vector if i == own else torch.zeros_like(vector) for i, vector in enumerate(vectors)]
            alone[name] = self._fused(torch.cat(rest, dim=1))
        return ByChannel(self._fused(torch.cat(vectors, dim=1)), alone, None)

    def _fused(self, x: Tensor) -> Tensor:
        """x: (rows, width). (rows, dim), unit length."""
        y = self.linear(x)
        if self.hidden is not None and self.output is not None:
            y = y + self.output(torch.relu(self.hidden(x)))
        return normalize(y, dim=1)


class AttentionEncoder(Encoder):
    """One softmax over the channels of a row: its weights say what the row was encoded by."""

    def __init__(self, vectors: ChannelVectors, dim: int, seed: int) -> None:
        super().__init__()
        self.vectors = vectors
        self.projections = nn.ModuleList([_linear(start) for start in vectors.starts(dim, seed)])
        self.attention = nn.Linear(len(vectors.names) * dim, len(vectors.names))
        nn.init.zeros_(self.attention.weight)
        nn.init.zeros_(self.attention.bias)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.vectors.names)

    def forward(self, batch: Batch, tables: Mapping[str, nn.Module], tuned: nn.Module | None) -> Tensor:
        phi, weights = self._attended(batch, tables, tuned)
        return _weighted(phi, weights)

    def by_channel(self, batch: Batch, tables: Mapping[str, nn.Module], tuned: nn.Module | None) -> ByChannel:
        phi, weights = self._attended(batch, tables, tuned)
        alone = dict(zip(self.names, normalize(phi, dim=2).unbind(dim=1), strict=True))
        return ByChannel(_weighted(phi, weights), alone, dict(zip(self.names, weights.unbind(dim=1), strict=True)))

    def _attended(
        self, batch: Batch, tables: Mapping[str, nn.Module], tuned: nn.Module | None
    ) -> tuple[Tensor, Tensor]:
        """phi: (rows, channels, dim), and the weights, (rows, channels)."""
        vectors = self.vectors(batch, tables, tuned)
        phi = torch.stack([project(vector) for project, vector in zip(self.projections, vectors, strict=True)], dim=1)
        return phi, torch.softmax(self.attention(phi.flatten(start_dim=1)), dim=1)


def _weighted(phi: Tensor, weights: Tensor) -> Tensor:
    return normalize((weights[:, :, None] * phi).sum(dim=1), dim=1)


def _linear(start: Tensor) -> nn.Linear:
    """A layer whose weights are `start`, (out, in)."""
    linear = nn.Linear(start.shape[1], start.shape[0])
    with torch.no_grad():
        linear.weight.copy_(start)
        linear.bias.normal_(0.0, _BIAS)
    return linear
