"""Each channel of one side as one vector per row: what a fusion fuses.

A bag becomes the sum of its table's rows, a sequence the mean of its elements; dense and numeric channels pass as they
are; tokens go through the tuned layers of the pretrained encoder. What a recipe's `towers.channels` names goes through
a network of its own: networks.py. Where the request has several interests, each row becomes as many, one after
another, which differ in what the capsules made of one sequence.
"""

import zlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from alicorn.features.channel_id import ChannelId
from alicorn.features.kinds.numeric import WIDTH as NUMERIC_WIDTH
from alicorn.towers.channels.capsules import Capsules
from alicorn.towers.channels.networks import width_of
from alicorn.towers.channels.sequences import element_vectors, mean_of
from alicorn.towers.channels.tensors import Batch, ChannelTensors, PaddedBag, SequenceTensors, TokenTensors
from alicorn.towers.layout.layout import Half, Layout
from alicorn.vertical import DenseFeature, SequenceFeature

Tables = Mapping[str | ChannelId, nn.Module]
"""Embedding tables by name, and the networks of channels, each by the channel that says how it is."""


class ChannelVectors(nn.Module):
    """Channels are in the order of the side's features; then transformers', then those of the pretrained encoder, each
    `pretrained` wide."""

    def __init__(self, half: Half, layout: Layout, pretrained: int) -> None:
        super().__init__()
        self.names = [*map(half.own, half.features), *half.ordered, *half.encoded]
        self._owners = dict(half.owners)
        self._tables = dict(half.tables)
        self._spaces = {channel: _spaces(channel, half, layout, pretrained) for channel in self.names}
        self._split = half.own(half.interests.feature) if half.interests else None
        self.capsules = _capsules(half, layout)

    def starts(self, dim: int, seed: int) -> list[Tensor]:
        """The start of each channel's projection, orthogonal (dim, its width); equal for equal spaces."""
        return [
            torch.cat([orthogonal(space, width, dim, seed) for space, width in self._spaces[name]], dim=1)
            for name in self.names
        ]

    def forward(self, batch: Batch, tables: Tables, tuned: nn.Module | None) -> list[Tensor]:
        """(rows, width) of each channel, or (rows x interests, width); zero where a row says nothing of it."""
        vectors = [self._vector(name, batch[name], tables, tuned) for name in self.names]
        if self.capsules is None:
            return vectors
        count = self.capsules.count
        return [
            vector if name == self._split else vector.repeat_interleave(count, dim=0)
            for name, vector in zip(self.names, vectors, strict=True)
        ]

    def bags(self, tables: Tables) -> dict[ChannelId, nn.Module] | None:
        """The table of each channel that is a bag; None where a network or capsules read a channel."""
        if self._owners or self.capsules is not None:
            return None
        return {channel: tables[names[0]] for channel, names in self._tables.items()}

    def _vector(self, name: ChannelId, channel: ChannelTensors, tables: Tables, tuned: nn.Module | None) -> Tensor:
        vector: Tensor
        if name in self._owners:
            network = tables[self._owners[name]]
            if isinstance(channel, SequenceTensors):
                vector = network(element_vectors(channel, [tables[self._tables[name][0]]]), channel.lengths)
            else:
                vector = network(channel)
        elif isinstance(channel, Tensor):
            vector = channel
        elif isinstance(channel, TokenTensors):
            assert tuned is not None
            vector = tuned(channel)
        elif isinstance(channel, SequenceTensors):
            elements = element_vectors(channel, [tables[table] for table in self._tables[name]])
            if self.capsules is not None and name == self._split:
                vector = self.capsules(elements, channel.lengths).flatten(0, 1)
            else:
                vector = mean_of(elements, channel.lengths)
        else:
            table: Any = tables[self._tables[name][0]]
            vector = table.padded(*channel) if isinstance(channel, PaddedBag) else table(*channel)
        return vector


def _capsules(half: Half, layout: Layout) -> Capsules | None:
    if half.interests is None:
        return None
    name = half.interests.feature
    feature = half.features[name]
    assert isinstance(feature, SequenceFeature)
    width = sum(layout.tables[table].dim for table in half.tables[half.own(name)])
    return Capsules(half.interests.count, half.interests.rounds, feature.last, width)


def _spaces(channel: ChannelId, half: Half, layout: Layout, pretrained: int) -> list[tuple[str, int]]:
    """What a channel's vectors are made of: spaces, one beside the other, and their widths."""
    if channel in half.owners:
        owner = half.owners[channel]
        return [(f"network {owner}", width_of(layout.networks[owner][0]))]
    if channel in half.encoded:
        return [("pretrained encoder", pretrained)]
    if channel in half.tables:
        return [(f"table {table}", layout.tables[table].dim) for table in half.tables[channel]]
    feature = half.features[channel.feature]
    if isinstance(feature, DenseFeature):
        return [(f"dense {channel.feature} {feature.dim}", feature.dim)]
    return [(f"numeric {channel.feature}", NUMERIC_WIDTH)]


def orthogonal(space: str, width: int, dim: int, seed: int) -> Tensor:
    """The start of a projection, (dim, width): the same for the same space."""
    generator = torch.Generator().manual_seed(zlib.crc32(space.encode(), seed & 0xFFFFFFFF))
    return nn.init.orthogonal_(torch.empty(dim, width), generator=generator)
