"""A request with its candidates, segment by segment, and the words that several features share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa

from alicorn.index import SegmentView, Snapshot
from alicorn.language.scored import scored_terms
from alicorn.language.tree import Or
from alicorn.query.text.bm25 import scores_of
from alicorn.ranking.features.click_history import ClickHistory
from alicorn.retrieval.asked import Asked
from alicorn.tables import python_values
from alicorn.vertical import Vertical
from alicorn.vertical.analysis import operands

NO_CHANNELS: Mapping[str, np.ndarray] = MappingProxyType({})


def by_channel(channels: Sequence[str], found_by: np.ndarray | None) -> Mapping[str, np.ndarray]:
    """Name -> bool (documents,), from bool (documents, channels); empty where that is not known."""
    return (
        NO_CHANNELS if found_by is None or not channels else dict(zip(channels, found_by.T, strict=bool(len(found_by))))
    )


class Candidates:
    """Documents of a snapshot, by segment and number.

    The features are computed in the order of (segment, number), and `restored` to the order that was given.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        segments: np.ndarray,
        numbers: np.ndarray,
        asked: Asked,
        vertical: Vertical,
        history: ClickHistory | None = None,
        channels: Mapping[str, np.ndarray] = NO_CHANNELS,
    ) -> None:
        """segments, numbers: (candidates,) integers, as of a Result. history: for the features that need one.

        channels: name -> (candidates,), which of them the channel found: bool, or float64 with NaN where that is not
        known of some; empty where it is known of none.
        """
        self.channels = channels
        self.snapshot, self.asked, self.vertical, self.history = snapshot, asked, vertical, history
        self._order = np.lexsort((numbers, segments))
        bounds = np.searchsorted(segments[self._order], np.arange(len(snapshot.segments) + 1))
        ascending = numbers[self._order].astype(np.uint32)
        self._numbers = [ascending[bounds[at] : bounds[at + 1]] for at in range(len(snapshot.segments))]
        self._words: dict[str, np.ndarray] = {}

    def __len__(self) -> int:
        return len(self._order)

    def parts(self) -> Iterator[tuple[SegmentView, np.ndarray]]:
        """The segments with candidates, and their document numbers there, ascending: uint32."""
        for view, numbers in zip(self.snapshot.segments, self._numbers, strict=True):
            if len(numbers):
                yield view, numbers

    def gathered(self, values: Callable[[SegmentView, np.ndarray], np.ndarray], width: int | None = None) -> np.ndarray:
        """(candidates,) float64 from the values of each segment's documents; with a width, (candidates, width)."""
        nothing = np.empty(0) if width is None else np.empty((0, width))
        return np.concatenate([nothing, *(values(view, numbers) for view, numbers in self.parts())])

    def found_by(self, channel: str) -> np.ndarray:
        """(candidates,) float64: 1 where a channel found it, else 0; NaN where that is not known."""
        found = self.channels.get(channel)
        return np.full(len(self), np.nan) if found is None else found[self._order].astype(np.float64)

    def restored(self, matrix: np.ndarray) -> np.ndarray:
        """Rows of (segment, number) in the order in which the candidates were given."""
        given = np.empty_like(matrix)
        given[self._order] = matrix
        return given

    def word_scores(self, prefix: str) -> np.ndarray:
        """BM25 of each term of the text: (terms, candidates) float64, 0 where a document has not the term."""
        if prefix not in self._words:
            nodes = operands(self.vertical.analyzer(prefix), prefix, self.asked.text)
            terms = scored_terms(Or(tuple(nodes))) if nodes else []
            scores = (scores_of(self.snapshot, [term], self._numbers) for term in terms)
            rows = [np.concatenate([np.empty(0), *of_term]) for of_term in scores]
            self._words[prefix] = np.array(rows).reshape(len(terms), len(self))
        return self._words[prefix]

    def having(self, term: str) -> np.ndarray:
        """(candidates,) float64, 1 where a document has the term, else 0."""

        def has(view: SegmentView, numbers: np.ndarray) -> np.ndarray:
            postings = view.segment.postings[view.segment.span_of(term)]
            if not len(postings):
                return np.zeros(len(numbers))
            places = np.minimum(np.searchsorted(postings, numbers), len(postings) - 1)
            return np.asarray(postings[places] == numbers, dtype=np.float64)

        return self.gathered(has)

    @cached_property
    def doc_ids(self) -> list[str]:
        return [doc_id for view, numbers in self.parts() for doc_id in view.segment.ids.of(numbers)]

    def given_ids(self) -> list[str]:
        """The doc_ids in the order that was given."""
        return [self.doc_ids[place] for place in np.argsort(self._order)]

    @cached_property
    def shown_before(self) -> np.ndarray:
        """(candidates,) int64: the last row of the click history before the request, -1 where there is none."""
        return self.gathered(self._last_shown).astype(np.int64)

    def _last_shown(self, view: SegmentView, numbers: np.ndarray) -> np.ndarray:
        assert self.history is not None
        return self.history.last_before(view.segment, numbers, self.asked.time_us)

    def vectors(self, key: str) -> np.ndarray:
        """(candidates, dim) float32 as they are stored; NaN without the embedding."""
        dim = self.snapshot.embeddings[key]

        def stored(view: SegmentView, numbers: np.ndarray) -> np.ndarray:
            found = np.full((len(numbers), dim), np.nan, dtype=np.float32)
            block = view.segment.embeddings.get(key)
            if block is not None:
                rows = block.rows_of[numbers]
                found[rows >= 0] = block.stored(rows[rows >= 0])
            return found

        return self.gathered(stored, dim).astype(np.float32)

    def given_values(self, column: str) -> list[Any]:
        """The values of a stored column in the order that was given."""
        found: list[Any] = []
        for view, numbers in self.parts():
            fields = view.segment.fields
            known = column in fields.schema.names  # an older segment may lack it
            found += python_values(fields[column].take(pa.array(numbers))) if known else [None] * len(numbers)
        return [found[place] for place in np.argsort(self._order)]
