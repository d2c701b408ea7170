"""One side of the towers: its channels, then a fusion of them to one embedding of unit length."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn

from alicorn.features.channel_id import ChannelId
from alicorn.towers.channels.tensors import Batch
from alicorn.towers.channels.vectors import Tables

_BIAS = 0.01  # deviation: a row without any known feature gets the direction of the bias


class ByChannel(NamedTuple):
    """A batch through one side, with what its channels say.

    embedding: (rows, dim), unit length. channels: (rows, dim) of each, unit length, by this channel alone.
    weights: (rows,) of each, shares that sum to 1 over the channels; None for a fusion that has none.
    """

    embedding: Tensor
    channels: dict[ChannelId, Tensor]
    weights: dict[ChannelId, Tensor] | None


class Encoder(nn.Module, ABC):
    """One side: channels, then a fusion of them."""

    @property
    @abstractmethod
    def names(self) -> tuple[ChannelId, ...]:
        """Of the channels."""

    @abstractmethod
    def forward(self, batch: Batch, tables: Tables, tuned: nn.Module | None) -> Tensor:
        """(rows, dim), unit length. tuned: layers of a pretrained encoder."""

    @abstractmethod
    def by_channel(self, batch: Batch, tables: Tables, tuned: nn.Module | None) -> ByChannel:
        """The embedding of `forward`, and the channels'."""


def linear_from(start: Tensor) -> nn.Linear:
    """A layer whose weights are `start`, (out, in)."""
    linear = nn.Linear(start.shape[1], start.shape[0])
    with torch.no_grad():
        linear.weight.copy_(start)
        linear.bias.normal_(0.0, _BIAS)
    return linear
