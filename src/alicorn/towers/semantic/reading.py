"""The inputs of the towers of MGDSPR as vectors of one width: a query, recent and long behaviour, other channels.

Elements of behaviour are their parts one beside the other, through the tables that documents read. A projection brings
every table's rows to the width of an embedding, and starts alike wherever the table is the same.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import torch
from torch import Tensor, nn

from alicorn.features.channel_id import ChannelId, Reader
from alicorn.features.kinds.ids import hashed_ids
from alicorn.towers.channels.attention import present_of, read
from alicorn.towers.channels.sequences import element_vectors, mean_of
from alicorn.towers.channels.tensors import BagTensors, Batch, ChannelTensors, PaddedBag, SequenceTensors
from alicorn.towers.channels.vectors import ChannelVectors, Tables, orthogonal
from alicorn.towers.layout.layout import Half, Layout
from alicorn.towers.semantic.behaviour import RealTime, ShortTerm, means_by_kind
from alicorn.towers.semantic.unit import QueryVectors
from alicorn.towers.settings.semantic import Semantic
from alicorn.towers.settings.tables import buckets_of
from alicorn.vertical import SequenceFeature

_CHARACTERS: tuple[Reader, ...] = ("unigrams", "bigrams")


class QueryReader(nn.Module):
    """The query and its searcher's past ones as vectors, through the table of text and one projection."""

    def __init__(self, half: Half, layout: Layout, dim: int, settings: Semantic, seed: int) -> None:
        super().__init__()
        self._query = half.own(settings.query)
        self._past = half.own(settings.past_queries) if settings.past_queries is not None else None
        self._chosen, self._newest = settings.chosen, settings.newest_queries
        self._tables = {channel: half.tables[channel][0] for channel in self.channels}
        self.projections = nn.ModuleList([text_projection(table, layout, dim, seed) for table in self._tables.values()])

    @property
    def channels(self) -> list[ChannelId]:
        return [self._query] if self._past is None else [self._query, self._past]

    def forward(self, batch: Batch, tables: Tables) -> QueryVectors:
        """What is not among the chosen granularities is zero."""
        table, project = tables[self._tables[self._query]], self.projections[0]
        sequence = batch[replace(self._query, reader="sequence")]
        assert isinstance(sequence, SequenceTensors)
        segments = project(element_vectors(sequence, [table]))
        nothing = torch.zeros_like(segments[:, 0])
        unigrams, bigrams = (
            project(bag_mean(batch[replace(self._query, reader=granule)], table))
            if granule in self._chosen
            else nothing
            for granule in _CHARACTERS
        )
        history, asked = self._history(batch, tables, nothing)
        return QueryVectors(unigrams, bigrams, segments, sequence.lengths, history, asked)

    def _history(self, batch: Batch, tables: Tables, nothing: Tensor) -> tuple[Tensor, Tensor]:
        """(rows, queries, dim) and bool (rows, queries): each past query is the mean of its segments."""
        if self._past is None:
            return nothing[:, None, :], torch.zeros_like(nothing[:, :1], dtype=torch.bool)
        lists = batch[replace(self._past, reader="lists")]
        assert isinstance(lists, SequenceTensors)
        words = SequenceTensors(lists.ids[:, :, :1], lists.lengths)
        segments = element_vectors(words, [tables[self._tables[self._past]]])
        numbers = torch.arange(1, self._newest + 1, dtype=lists.ids.dtype, device=lists.ids.device)
        means, asked = means_by_kind(segments, lists.ids[:, :, 1], numbers)
        return self.projections[1](means), asked


class Recent(nn.Module):
    """Real-time behaviour, or short: elements, what happened between them, and what the query reads of it."""

    def __init__(self, name: str, half: Half, layout: Layout, dim: int, settings: Semantic, seed: int) -> None:
        super().__init__()
        self._tables = half.tables[half.own(name)]
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

    def __init__(self, name: str, half: Half, layout: Layout, dim: int, settings: Semantic, seed: int) -> None:
        super().__init__()
        feature, of_parts = half.features[name], half.tables[half.own(name)]
        assert isinstance(feature, SequenceFeature)
        self._kind = list(feature.parts).index("kind") if settings.kinds else None
        self._tables = {place: table for place, table in enumerate(of_parts) if place != self._kind}
        starts = {table: _start(table, layout, dim, seed) for table in self._tables.values()}
        self.project = nn.ModuleList([_linear(starts[table]) for table in self._tables.values()])
        buckets = 0 if self._kind is None else buckets_of(layout.tables[of_parts[self._kind]])
        kinds = hashed_ids(pa.array(settings.kinds, pa.large_string()), buckets)
        self.wanted: Tensor
        self.register_buffer("wanted", torch.from_numpy(kinds), persistent=False)
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


class Projected(nn.Module):
    """Every channel of a side that is not `taken`, each projected to the width of an embedding."""

    def __init__(
        self, half: Half, taken: Sequence[ChannelId], layout: Layout, dim: int, seed: int, pretrained: int
    ) -> None:
        super().__init__()
        rest = {name: feature for name, feature in half.features.items() if half.own(name) not in taken}
        self.vectors = ChannelVectors(replace(half, features=rest), layout, pretrained)
        self.project = nn.ModuleList([_linear(start) for start in self.vectors.starts(dim, seed)])

    @property
    def names(self) -> list[ChannelId]:
        return self.vectors.names

    def forward(self, batch: Batch, tables: Tables, tuned: nn.Module | None) -> list[Tensor]:
        """(rows, dim) of each channel."""
        vectors = self.vectors(batch, tables, tuned)
        return [project(vector) for project, vector in zip(self.project, vectors, strict=True)]


def bag_mean(channel: ChannelTensors, table: nn.Module) -> Tensor:
    """(rows, width): the mean of each bag's rows; a bag comes as their sum over the root of their number."""
    sums: Tensor
    if isinstance(channel, PaddedBag):
        exported: Any = table
        sums, counts = exported.padded(*channel), (channel.weights > 0).sum(dim=1)
    else:
        assert isinstance(channel, BagTensors)
        ends = torch.cat([channel.offsets[1:], channel.offsets.new_full((1,), len(channel.indices))])
        sums, counts = table(*channel), ends - channel.offsets
    return sums / counts.clamp(min=1).sqrt()[:, None]


def text_projection(table: str, layout: Layout, dim: int, seed: int) -> nn.Linear:
    return _linear(_start(table, layout, dim, seed))


def _start(table: str, layout: Layout, dim: int, seed: int) -> Tensor:
    return orthogonal(f"table {table}", layout.tables[table].dim, dim, seed)


def _linear(start: Tensor) -> nn.Linear:
    """Without a bias, so that nothing stays nothing. start: (out, in)."""
    linear = nn.Linear(start.shape[1], start.shape[0], bias=False)
    with torch.no_grad():
        linear.weight.copy_(start)
    return linear
