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

from alicorn.features.numeric import WIDTH as NUMERIC_WIDTH
from alicorn.towers.channels.capsules import Capsules
from alicorn.towers.channels.networks import width_of
from alicorn.towers.channels.sequences import element_vectors, mean_of
from alicorn.towers.channels.tensors import Batch, ChannelTensors, PaddedBag, SequenceTensors, TokenTensors
from alicorn.towers.layout.layout import Layout, Side, readers
from alicorn.vertical import DenseFeature, SequenceFeature


class ChannelVectors(nn.Module):
    """Channels are in the order of the side's features; then transformers', then those of the pretrained encoder, each
    `pretrained` wide."""

    def __init__(self, side: Side, layout: Layout, pretrained: int) -> None:
        super().__init__()
        self.names = [*side.features, *side.ordered, *side.encoded]
        self._owners = dict(side.owners)
        self._tables = dict(side.tables)
        self._parts = {
            name: [side.tables[reader] for reader in readers(name, feature)]
            for name, feature in side.features.items()
            if isinstance(feature, SequenceFeature)
        }
        self._spaces = {name: _spaces(name, side, layout, pretrained) for name in self.names}
        self._split = side.interests.feature if side.interests else None
        self.capsules = _capsules(side, layout)

    def starts(self, dim: int, seed: int) -> list[Tensor]:
        """The start of each channel's projection, orthogonal (dim, its width); equal for equal spaces."""
        return [
            torch.cat([orthogonal(space, width, dim, seed) for space, width in self._spaces[name]], dim=1)
            for name in self.names
        ]

    def forward(self, batch: Batch, tables: Mapping[str, nn.Module], tuned: nn.Module | None) -> list[Tensor]:
        """(rows, width) of each channel, or (rows x interests, width); zero where a row says nothing of it. tables:
        networks are among them, each as `network_name`."""
        vectors = [self._vector(name, batch[name], tables, tuned) for name in self.names]
        if self.capsules is None:
            return vectors
        count = self.capsules.count
        return [
            vector if name == self._split else vector.repeat_interleave(count, dim=0)
            for name, vector in zip(self.names, vectors, strict=True)
        ]

    def _vector(
        self, name: str, channel: ChannelTensors, tables: Mapping[str, nn.Module], tuned: nn.Module | None
    ) -> Tensor:
        if name in self._owners:
            network = tables[network_name(self._owners[name])]
            if not isinstance(channel, SequenceTensors):
                return network(channel)
            return network(element_vectors(channel, [tables[self._tables[name]]]), channel.lengths)
        if isinstance(channel, Tensor):
            return channel
        if isinstance(channel, TokenTensors):
            assert tuned is not None
            return tuned(channel)
        if isinstance(channel, SequenceTensors):
            elements = element_vectors(channel, [tables[table] for table in self._parts[name]])
            if self.capsules is not None and name == self._split:
                return self.capsules(elements, channel.lengths).flatten(0, 1)
            return mean_of(elements, channel.lengths)
        table: Any = tables[self._tables[name]]
        return table.padded(*channel) if isinstance(channel, PaddedBag) else table(*channel)


def _capsules(side: Side, layout: Layout) -> Capsules | None:
    if side.interests is None:
        return None
    name = side.interests.feature
    feature = side.features[name]
    assert isinstance(feature, SequenceFeature)
    width = sum(layout.tables[side.tables[reader]].dim for reader in readers(name, feature))
    return Capsules(side.interests.count, side.interests.rounds, feature.last, width)


def network_name(owner: str) -> str:
    """Of a channel's network among the tables; no table is called so."""
    return f"{owner}@network"


def _spaces(name: str, side: Side, layout: Layout, pretrained: int) -> list[tuple[str, int]]:
    """What a channel's vectors are made of: spaces, one beside the other, and their widths."""
    feature = side.features.get(name)
    if name in side.owners:
        owner = side.owners[name]
        return [(f"network {owner}", width_of(layout.networks[owner][0]))]
    if isinstance(feature, SequenceFeature):
        parts = [side.tables[reader] for reader in readers(name, feature)]
        return [(f"table {table}", layout.tables[table].dim) for table in parts]
    if feature is None:
        return [("pretrained encoder", pretrained)]
    if name in side.tables:
        return [(f"table {side.tables[name]}", layout.tables[side.tables[name]].dim)]
    if isinstance(feature, DenseFeature):
        return [(f"dense {name} {feature.dim}", feature.dim)]
    return [(f"numeric {name}", NUMERIC_WIDTH)]


def orthogonal(space: str, width: int, dim: int, seed: int) -> Tensor:
    """The start of a projection, (dim, width): the same for the same space."""
    generator = torch.Generator().manual_seed(zlib.crc32(space.encode(), seed & 0xFFFFFFFF))
    return nn.init.orthogonal_(torch.empty(dim, width), generator=generator)
