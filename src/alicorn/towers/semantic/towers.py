"""The towers of MGDSPR: a query at several granularities reads behaviour; a light document tower.

    request    [CLS], Q_mgs, H_realtime, H_short, H_long, a token for each other channel -> Transformer -> the first
    document   e + tanh(W mean(title segments)),    e = b + sum of W_c x_c over the other channels, the id among them

and the embedding is that over its length, as the index is cosine (docs/decisions/023-semantic-towers.md); the paper
takes the inner product. The parts are in reading.py, unit.py and behaviour.py.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from alicorn.features.channel_id import ChannelId
from alicorn.towers.channels.attention import TransformerLayer
from alicorn.towers.channels.tensors import BagTensors, Batch, ChannelTensors, PaddedBag, SequenceTensors, TokenTensors
from alicorn.towers.channels.vectors import Tables
from alicorn.towers.fusions.encoder import ByChannel, Encoder
from alicorn.towers.layout.layout import Half, Layout
from alicorn.towers.semantic.reading import (
    LongTerm,
    Projected,
    QueryReader,
    Recent,
    bag_mean,
    text_projection,
)
from alicorn.towers.semantic.unit import SemanticUnit
from alicorn.towers.settings.semantic import Semantic

_GROUP = 64  # rows whose behaviour is read at once
_BIAS = 0.01  # deviation: a document of which nothing is known gets the direction of the bias


class SemanticRequest(Encoder):
    """The user tower."""

    def __init__(self, half: Half, layout: Layout, dim: int, settings: Semantic, seed: int, pretrained: int) -> None:
        super().__init__()
        self.query = QueryReader(half, layout, dim, settings, seed)
        self.unit = SemanticUnit(settings.chosen, dim, settings.heads, settings.layers)
        windows = [name for name in (settings.realtime, settings.short, settings.long) if name is not None]
        self._windows = [half.own(name) for name in windows]
        self.behaviour = nn.ModuleList(
            [
                (LongTerm if name == settings.long else Recent)(name, half, layout, dim, settings, seed)
                for name in windows
            ]
        )
        self.others = Projected(half, [*self.query.channels, *self._windows], layout, dim, seed, pretrained)
        self.first = nn.Parameter(torch.randn(dim) * 0.02)
        layers = settings.layers if settings.pool == "cls" else 0
        self.layers = nn.ModuleList([TransformerLayer(dim, settings.heads) for _ in range(layers)])

    @property
    def names(self) -> tuple[ChannelId, ...]:
        return (*self.query.channels, *self._windows, *self.others.names)

    def forward(self, batch: Batch, tables: Tables, tuned: nn.Module | None) -> Tensor:
        queries = self.unit(self.query(batch, tables))  # (rows, granularities, dim)
        tokens = [self.first.expand(len(queries), 1, -1), queries]
        windows = zip(self._windows, self.behaviour, strict=True)
        tokens += [_by_length(window, queries, batch[name], tables) for name, window in windows]
        tokens += [token[:, None, :] for token in self.others(batch, tables, tuned)]
        return normalize(self._pooled(torch.cat(tokens, dim=1)), dim=1)

    def _pooled(self, tokens: Tensor) -> Tensor:
        """(rows, dim) of (rows, tokens, dim)."""
        if not len(self.layers):
            return tokens.mean(dim=1)
        present = torch.ones_like(tokens[:, :, 0], dtype=torch.bool)
        for layer in self.layers:
            tokens = layer(tokens, present)
        return tokens[:, 0]

    def by_channel(self, batch: Batch, tables: Tables, tuned: nn.Module | None) -> ByChannel:
        return _by_channel(self, batch, tables, tuned)


class SemanticDocument(Encoder):
    """The item tower."""

    def __init__(self, half: Half, layout: Layout, dim: int, settings: Semantic, seed: int, pretrained: int) -> None:
        super().__init__()
        self._title = half.own(settings.title)
        self._table = half.tables[self._title][0]
        self.title = text_projection(self._table, layout, dim, seed)
        self.others = Projected(half, [self._title], layout, dim, seed, pretrained)
        self.bias = nn.Parameter(torch.randn(dim) * _BIAS)

    @property
    def names(self) -> tuple[ChannelId, ...]:
        return (self._title, *self.others.names)

    def forward(self, batch: Batch, tables: Tables, tuned: nn.Module | None) -> Tensor:
        title = torch.tanh(self.title(bag_mean(batch[replace(self._title, reader="segments")], tables[self._table])))
        e = self.bias + sum(self.others(batch, tables, tuned))
        return normalize(e + title, dim=1)

    def by_channel(self, batch: Batch, tables: Tables, tuned: nn.Module | None) -> ByChannel:
        return _by_channel(self, batch, tables, tuned)


def _by_length(window: nn.Module, queries: Tensor, channel: ChannelTensors, tables: Tables) -> Tensor:
    """window(queries, channel, tables), a group of rows of like length at a time: one long list pads few rows."""
    assert isinstance(channel, SequenceTensors)
    if torch.compiler.is_exporting() or len(queries) <= _GROUP:
        result: Tensor = window(queries, channel, tables)
        return result
    order = torch.argsort(channel.lengths, stable=True)
    groups = order.split(_GROUP)
    return torch.cat([window(queries[rows], channel.take(rows), tables) for rows in groups])[torch.argsort(order)]


def _by_channel(encoder: Encoder, batch: Batch, tables: Tables, tuned: nn.Module | None) -> ByChannel:
    """A channel alone is the encoder of rows in which all other channels are empty."""
    empty = {name: _emptied(channel) for name, channel in batch.items()}
    alone = {
        name: encoder({**empty, **{key: batch[key] for key in batch if _whole(key) == _whole(name)}}, tables, tuned)
        for name in encoder.names
    }
    return ByChannel(encoder(batch, tables, tuned), alone, None)


def _whole(channel: ChannelId) -> ChannelId:
    """All granules of a text are one channel; that of the encoder, or of a transformer, is a channel of its own."""
    return channel if channel.reader in ("encoder", "transformer") else channel.own


def _emptied(channel: ChannelTensors) -> ChannelTensors:
    match channel:
        case BagTensors() | PaddedBag():
            return channel._replace(weights=torch.zeros_like(channel.weights))
        case TokenTensors():
            return TokenTensors(torch.zeros_like(channel.hidden), torch.zeros_like(channel.lengths))
        case SequenceTensors():
            return SequenceTensors(torch.zeros_like(channel.ids), torch.zeros_like(channel.lengths))
        case _:
            return torch.zeros_like(channel)
