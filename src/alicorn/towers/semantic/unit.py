"""A query at several granularities: the multi-granular semantic unit of MGDSPR.

unigrams   mean of the query's characters             bigrams   mean of its neighbouring characters
segments   mean of its segments (words)               sequence  Transformer over them, mean of the last layer
history    softmax(q_seg q_his^T) q_his: past queries, each the mean of its segments
mix        the sum of those chosen; not there for one alone
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from alicorn.towers.channels.attention import TransformerLayer, present_of, read
from alicorn.towers.channels.sequences import mean_of
from alicorn.towers.settings.semantic import Granularity

_PLACES = 32  # places that segments are told apart by; later segments share the last


class QueryVectors(NamedTuple):
    """unigrams, bigrams: (rows, dim), means. segments: (rows, longest, dim), zero behind a row's end. lengths: int64
    (rows,), of the segments. history: (rows, queries, dim); asked: bool (rows, queries): where there is one."""

    unigrams: Tensor
    bigrams: Tensor
    segments: Tensor
    lengths: Tensor
    history: Tensor
    asked: Tensor


class SemanticUnit(nn.Module):
    """chosen: granularities in their order. heads, layers: of the Transformer over segments, where it is chosen."""

    def __init__(self, chosen: Sequence[Granularity], dim: int, heads: int, layers: int) -> None:
        super().__init__()
        self._chosen = tuple(chosen)
        with_sequence = "sequence" in self._chosen
        self.places = nn.Parameter(torch.randn(_PLACES, dim) * 0.02) if with_sequence else None
        self.layers = nn.ModuleList([TransformerLayer(dim, heads) for _ in range(layers if with_sequence else 0)])

    def forward(self, query: QueryVectors) -> Tensor:
        """Q_mgs, (rows, granularities, dim); of several, their sum comes last."""
        segments = mean_of(query.segments, query.lengths)
        of_all = {
            "unigrams": lambda: query.unigrams,
            "bigrams": lambda: query.bigrams,
            "segments": lambda: segments,
            "sequence": lambda: self._sequence(query.segments, query.lengths),
            "history": lambda: read(segments[:, None, :], query.history, query.asked)[0].squeeze(1),
        }
        tokens = torch.stack([of_all[name]() for name in self._chosen], dim=1)
        if len(self._chosen) == 1:
            return tokens
        return torch.cat([tokens, tokens.sum(dim=1, keepdim=True)], dim=1)

    def _sequence(self, segments: Tensor, lengths: Tensor) -> Tensor:
        assert self.places is not None
        longest = segments.shape[1]
        present = present_of(lengths, longest)
        places = torch.arange(longest, device=segments.device).clamp(max=_PLACES - 1)
        elements = segments + self.places[places]
        for layer in self.layers:
            elements = layer(elements, present)
        return mean_of(elements * present[:, :, None], lengths)
