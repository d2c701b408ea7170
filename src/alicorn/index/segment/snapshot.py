"""A snapshot: the live documents of a collection at one moment, as a reader sees them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from alicorn.index.segment.segment import Segment
from alicorn.quantization import KeyQuantizer


@dataclass(frozen=True, eq=False)
class SegmentView:
    """A segment, and a mask of the documents that are deleted or replaced since: (num_docs,) bool, or None for none."""

    segment: Segment
    deleted: np.ndarray | None = None
    num_live: int = -1

    def __post_init__(self) -> None:
        gone = 0 if self.deleted is None else int(np.count_nonzero(self.deleted))
        object.__setattr__(self, "num_live", self.segment.num_docs - gone)

    @cached_property
    def live_words(self) -> np.ndarray:
        """The live documents as a bitmap: (ceil(num_docs / 64),) uint64."""
        live = np.zeros((self.segment.num_docs + 63) // 64 * 64, dtype=bool)
        live[: self.segment.num_docs] = True if self.deleted is None else ~self.deleted
        return np.packbits(live, bitorder="little").view(np.uint64)

    @cached_property
    def live_numbers(self) -> np.ndarray:
        """The live documents, ascending: uint32."""
        numbers = np.arange(self.segment.num_docs, dtype=np.uint32)
        return numbers if self.deleted is None else numbers[~self.deleted]

    @cached_property
    def num_words(self) -> int:
        """The number of `text:` terms of the live documents, with repetition."""
        lengths = self.segment.doc_lengths
        return int((lengths if self.deleted is None else lengths[~self.deleted]).sum(dtype=np.int64))

    def live(self, doc_ids: pa.StringArray, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The places among `doc_ids` of those that are live here, and their document numbers: (n,) int64 each."""
        numbers = self.segment.ids.find(doc_ids, hashes)
        found = numbers >= 0
        if self.deleted is not None:
            found &= ~self.deleted[numbers]
        return np.flatnonzero(found), numbers[found]

    def with_keys(self, quantizers: Mapping[str, KeyQuantizer]) -> SegmentView:
        """The same view with an empty block for each key that its segment lacks."""
        segment = self.segment.with_keys(quantizers)
        return self if segment is self.segment else SegmentView(segment, self.deleted)

    def without(self, numbers: np.ndarray) -> SegmentView:
        """The view with these documents deleted too. The mask is copied, so older views do not change."""
        deleted = np.zeros(self.segment.num_docs, dtype=bool) if self.deleted is None else self.deleted.copy()
        deleted[numbers] = True
        return SegmentView(self.segment, deleted)


def discard(
    views: Sequence[SegmentView], doc_ids: pa.StringArray, hashes: np.ndarray
) -> tuple[tuple[SegmentView, ...], np.ndarray]:
    """The views without these documents, and which of them were live: (len(doc_ids),) bool."""
    found = np.zeros(len(doc_ids), dtype=bool)
    if not len(doc_ids):
        return tuple(views), found
    kept = []
    for view in views:
        places, numbers = view.live(doc_ids, hashes)
        found[places] = True
        kept.append(view.without(numbers) if len(numbers) else view)
    return tuple(kept), found


CountOf = tuple[str, ...]
"""What is counted over all documents of a collection: ("having", terms...) documents with any of the terms, ("length",
prefix) terms of a prefix, ("spelled", fuzzy term, fields...) documents with any of its spellings; ("known", term) above
0 where a segment has the term."""


@dataclass(frozen=True)
class Spelled:
    """The terms to which a prefix or a fuzzy term expands, and the edits of each. left_out: how many others fit."""

    terms: list[str]
    edits: list[int]
    left_out: int


class Whole(NamedTuple):
    """What is known of a collection by those who have a part of its documents. counts: by what is counted. expansions:
    of prefixes and fuzzy terms, by their text."""

    counts: Mapping[CountOf, int]
    expansions: Mapping[str, Spelled]


@dataclass(frozen=True, eq=False)
class Snapshot:
    """Immutable. num_docs: live documents; embeddings: key -> dimension; columns: stored, without doc_id and terms.

    positions: the prefixes of terms whose positions are kept.
    sequence: grows with every acknowledged operation and every rewriting of segments, also across openings.
    metadata: of the collection.
    whole: None, unless the segments are a part of a collection: then num_docs is the collection's, and so are these
    counts and expansions.
    """

    segments: tuple[SegmentView, ...]
    quantizers: Mapping[str, KeyQuantizer]
    num_docs: int
    embeddings: Mapping[str, int]
    columns: Mapping[str, pa.DataType]
    positions: tuple[str, ...]
    sequence: int
    metadata: Mapping[str, Any] = field(default_factory=dict)
    whole: Whole | None = None

    @cached_property
    def kept(self) -> dict[Hashable, object]:
        """What searches find out about it, and keep as long as it lives."""
        return {}

    def find(self, doc_id: str) -> tuple[SegmentView, int] | None:
        """The view and document number of a live document."""
        for view in self.segments:
            number = view.segment.number_of(doc_id)
            if number >= 0 and (view.deleted is None or not view.deleted[number]):
                return view, number
        return None

    def document(self, view: SegmentView, number: int) -> dict[str, Any]:
        """doc_id, terms, static_rank and every stored column of a document; a column it was written without is null."""
        found = view.segment.document(number)
        return found | {name: None for name in self.columns if name not in found}


def over_all(whole: Whole | None, counted: CountOf, own: int) -> int:
    """A count over the whole collection. whole: of the snapshot; own: the count in its segments."""
    return own if whole is None else whole.counts[counted]
