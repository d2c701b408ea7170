"""The towers of MGDSPR: a query at several granularities reads behaviour; a light document tower (papers.md 4).

    request    [CLS], Q_mgs, H_realtime, H_short, H_long, a token for each other channel -> Transformer -> the first
    document   e + tanh(W mean(title segments)),    e = b + sum of W_c x_c over the other channels, the id among them

and the embedding is that over its length, as the index is cosine (docs/decisions/023-semantic-towers.md); the paper
takes the inner product. Elements of behaviour are their parts one beside the other, through the tables that documents
read, projected to the width of an embedding. Built by unified.py.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from alicorn.features.ids import id_bucket
from alicorn.towers.attention import TransformerLayer, present_of, read
from alicorn.towers.behaviour import RealTime, ShortTerm, means_by_kind
from alicorn.towers.channel_vectors import ChannelVectors, orthogonal
from alicorn.towers.channels import BagTensors, Batch, ChannelTensors, PaddedBag, SequenceTensors, TokenTensors
from alicorn.towers.fusion import ByChannel, Encoder
from alicorn.towers.semantic_settings import Semantic
from alicorn.towers.semantic_unit import QueryVectors, SemanticUnit
from alicorn.towers.sequences import element_vectors, mean_of
from alicorn.towers.settings import Layout, Side
from alicorn.towers.table_settings import buckets_of
from alicorn.vertical import SequenceFeature

_GROUP = 64  # rows whose behaviour is read at once
_BIAS = 0.01  # deviation: a document of which nothing is known gets the direction of the bias
Tables = Mapping[str, nn.Module]


class SemanticRequest(Encoder):
    """The user tower."""

    def __init__(self, side: Side, layout: Layout, dim: int, settings: Semantic, seed: int, pretrained: int) -> None:
        super().__init__()
        self.query = QueryReader(side, layout, dim, settings, seed)
        self.unit = SemanticUnit(settings.chosen, dim, settings.heads, settings.layers)
        self._windows = [name for name in (settings.realtime, settings.short, settings.long) if name is not None]
        self.behaviour = nn.ModuleList(
            [
                (LongTerm if name == settings.long else Recent)(name, side, layout, dim, settings, seed)
                for name in self._windows
            ]
        )
        self.others = Projected(side, [*self.query.features, *self._windows], layout, dim, seed, pretrained)
        self.first = nn.Parameter(torch.randn(dim) * 0.02)
        layers = settings.layers if settings.pool == "cls" else 0
        self.layers = nn.ModuleList([TransformerLayer(dim, settings.heads) for _ in range(layers)])

    @property
    def names(self) -> tuple[str, ...]:
        return (*self.query.features, *self._windows, *self.others.names)

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

    def __init__(self, side: Side, layout: Layout, dim: int, settings: Semantic, seed: int, pretrained: int) -> None:
        super().__init__()
        self._title = settings.title
        self._table = side.tables[settings.title]
        self.title = _text_projection(self._table, layout, dim, seed)
        self.others = Projected(side, [settings.title], layout, dim, seed, pretrained)
        self.bias = nn.Parameter(torch.randn(dim) * _BIAS)

    @property
    def names(self) -> tuple[str, ...]:
        return (self._title, *self.others.names)

    def forward(self, batch: Batch, tables: Tables, tuned: nn.Module | None) -> Tensor:
        title = torch.tanh(self.title(_bag_mean(batch[f"{self._title}@segments"], tables[self._table])))
        e = self.bias + sum(self.others(batch, tables, tuned))
        return normalize(e + title, dim=1)

    def by_channel(self, batch: Batch, tables: Tables, tuned: nn.Module | None) -> ByChannel:
        return _by_channel(self, batch, tables, tuned)


class QueryReader(nn.Module):
    """The query and its searcher's past ones as vectors, through the table of text and one projection."""

    def __init__(self, side: Side, layout: Layout, dim: int, settings: Semantic, seed: int) -> None:
        super().__init__()
        self._name, self._past = settings.query, settings.past_queries
        self._chosen, self._newest = settings.chosen, settings.newest_queries
        self._tables = {name: side.tables[name] for name in self.features}
        self.projections = nn.ModuleList(
            [_text_projection(table, layout, dim, seed) for table in self._tables.values()]
        )

    @property
    def features(self) -> list[str]:
        return [self._name] if self._past is None else [self._name, self._past]

    def forward(self, batch: Batch, tables: Tables) -> QueryVectors:
        """What is not among the chosen granularities is zero."""
        table, project = tables[self._tables[self._name]], self.projections[0]
        sequence = batch[f"{self._name}@sequence"]
        assert isinstance(sequence, SequenceTensors)
        segments = project(element_vectors(sequence, [table]))
        nothing = torch.zeros_like(segments[:, 0])
        unigrams, bigrams = (
            project(_bag_mean(batch[f"{self._name}@{name}"], table)) if name in self._chosen else nothing
            for name in ("unigrams", "bigrams")
        )
        history, asked = self._history(batch, tables, nothing)
        return QueryVectors(unigrams, bigrams, segments, sequence.lengths, history, asked)

    def _history(self, batch: Batch, tables: Tables, nothing: Tensor) -> tuple[Tensor, Tensor]:
        """(rows, queries, dim) and bool (rows, queries): each past query is the mean of its segments."""
        if self._past is None:
            return nothing[:, None, :], torch.zeros_like(nothing[:, :1], dtype=torch.bool)
        lists = batch[f"{self._past}@lists"]
        assert isinstance(lists, SequenceTensors)
        words = SequenceTensors(lists.ids[:, :, :1], lists.lengths)
        segments = element_vectors(words, [tables[self._tables[self._past]]])
        numbers = torch.arange(1, self._newest + 1, dtype=lists.ids.dtype, device=lists.ids.device)
        means, asked = means_by_kind(segments, lists.ids[:, :, 1], numbers)
        return self.projections[1](means), asked


class Recent(nn.Module):
    """Real-time behaviour, or short: elements, what happened between them, and what the query reads of it."""

    def __init__(self, name: str, side: Side, layout: Layout, dim: int, settings: Semantic, seed: int) -> None:
        super().__init__()
        feature = side.features[name]
        assert isinstance(feature, SequenceFeature)
        self._tables = [side.tables[f"{name}.{part}"] for part in feature.parts]
        starts = [_start(table, layout, dim, seed) for table in self._tables]
        self.project = _linear(torch.cat(starts, dim=1))
        realtime = name == settings.realtime
        self.path = RealTime(dim, settings.heads, settings.dropout) if realtime else ShortTerm(dim, settings.heads)
        self._zero_vector = settings.zero_vector

    def forward(self, queries: Tensor, channel: ChannelTensors, tables: Tables) -> Tensor:
        """What each query finds, of the shape of `queries`, (rows, queries, dim)."""
        return self.reads(queries, channel, tables)[0]

    def reads(self, queries: Tensor, channel: ChannelTensors, tables: Tables) -> tuple[Tensor, Tensor]:
        """As attention.read: what each query finds, and its weights over the zero vector and the elements."""
        assert isinstance(channel, SequenceTensors)
        elements = self.project(element_vectors(channel, [tables[table] for table in self._tables]))
        present = present_of(channel.lengths, elements.shape[1])
        return read(queries, self.path(elements, channel.lengths), present, self._zero_vector)


class LongTerm(nn.Module):
    """For each attribute a list of means, one for each kind of behaviour; the query reads each list."""

    def __init__(self, name: str, side: Side, layout: Layout, dim: int, settings: Semantic, seed: int) -> None:
        super().__init__()
        feature = side.features[name]
        assert isinstance(feature, SequenceFeature)
        parts = list(feature.parts)
        self._kind = parts.index("kind") if settings.kinds else None
        self._tables = {place: side.tables[f"{name}.{part}"] for place, part in enumerate(parts) if place != self._kind}
        starts = {table: _start(table, layout, dim, seed) for table in self._tables.values()}
        self.project = nn.ModuleList([_linear(starts[table]) for table in self._tables.values()])
        buckets = buckets_of(layout.tables[side.tables[f"{name}.kind"]]) if settings.kinds else 0
        wanted = torch.tensor([id_bucket(kind, buckets) for kind in settings.kinds], dtype=torch.int32)
        self.wanted: Tensor
        self.register_buffer("wanted", wanted, persistent=False)
        self._zero_vector = settings.zero_vector

    def forward(self, queries: Tensor, channel: ChannelTensors, tables: Tables) -> Tensor:
        """The sum over attributes, (rows, queries, dim)."""
        assert isinstance(channel, SequenceTensors)
        found = torch.zeros_like(queries)
        for (place, table), project in zip(self._tables.items(), self.project, strict=True):
            of_part = SequenceTensors(channel.ids[:, :, place : place + 1], channel.lengths)
            means, present = self._means(element_vectors(of_part, [tables[table]]), channel)
            found = found + read(queries, project(means), present, self._zero_vector)[0]
        return found

    def _means(self, elements: Tensor, channel: SequenceTensors) -> tuple[Tensor, Tensor]:
        if self._kind is None:
            return mean_of(elements, channel.lengths)[:, None, :], (channel.lengths > 0)[:, None]
        return means_by_kind(elements, channel.ids[:, :, self._kind], self.wanted)


def _by_length(window: nn.Module, queries: Tensor, channel: ChannelTensors, tables: Tables) -> Tensor:
    """window(queries, channel, tables), a group of rows of like length at a time: one long list pads few rows."""
    assert isinstance(channel, SequenceTensors)
    if torch.compiler.is_exporting() or len(queries) <= _GROUP:
        return window(queries, channel, tables)
    order = torch.argsort(channel.lengths, stable=True)
    groups = order.split(_GROUP)
    return torch.cat([window(queries[rows], channel.take(rows), tables) for rows in groups])[torch.argsort(order)]


class Projected(nn.Module):
    """Every channel of a side that is not `taken`, each projected to the width of an embedding."""

    def __init__(self, side: Side, taken: list[str], layout: Layout, dim: int, seed: int, pretrained: int) -> None:
        super().__init__()
        rest = {name: feature for name, feature in side.features.items() if name not in taken}
        self.vectors = ChannelVectors(replace(side, features=rest), layout, pretrained)
        self.project = nn.ModuleList([_linear(start) for start in self.vectors.starts(dim, seed)])

    @property
    def names(self) -> list[str]:
        return self.vectors.names

    def forward(self, batch: Batch, tables: Tables, tuned: nn.Module | None) -> list[Tensor]:
        """(rows, dim) of each channel."""
        vectors = self.vectors(batch, tables, tuned)
        return [project(vector) for project, vector in zip(self.project, vectors, strict=True)]


def _bag_mean(channel: ChannelTensors, table: nn.Module) -> Tensor:
    """(rows, width): the mean of each bag's rows; a bag comes as their sum over the root of their number."""
    if isinstance(channel, PaddedBag):
        exported: Any = table
        return exported.padded(*channel) / (channel.weights > 0).sum(dim=1).clamp(min=1).sqrt()[:, None]
    assert isinstance(channel, BagTensors)
    ends = torch.cat([channel.offsets[1:], channel.offsets.new_full((1,), len(channel.indices))])
    return table(*channel) / (ends - channel.offsets).clamp(min=1).sqrt()[:, None]


def _text_projection(table: str, layout: Layout, dim: int, seed: int) -> nn.Linear:
    return _linear(_start(table, layout, dim, seed))


def _start(table: str, layout: Layout, dim: int, seed: int) -> Tensor:
    return orthogonal(f"table {table}", layout.tables[table].dim, dim, seed)


def _linear(start: Tensor) -> nn.Linear:
    """Without a bias, so that nothing stays nothing. start: (out, in)."""
    linear = nn.Linear(start.shape[1], start.shape[0], bias=False)
    with torch.no_grad():
        linear.weight.copy_(start)
    return linear


def _by_channel(encoder: Encoder, batch: Batch, tables: Tables, tuned: nn.Module | None) -> ByChannel:
    """A channel alone is the encoder of rows in which all other channels are empty."""
    empty = {name: _emptied(channel) for name, channel in batch.items()}
    alone = {
        name: encoder({**empty, **{key: batch[key] for key in batch if _feature(key) == _feature(name)}}, tables, tuned)
        for name in encoder.names
    }
    return ByChannel(encoder(batch, tables, tuned), alone, None)


def _feature(channel: str) -> str:
    """Of `text@bigrams` text; a channel of the pretrained encoder, or of a transformer, is one of its own."""
    name, _, how = channel.partition("@")
    return channel if how in ("encoder", "transformer") else name


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
