"""The lengths of fields and the statistics of words over several fields, for BM25F. A field is a prefix of terms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from weakref import WeakKeyDictionary

import numpy as np

from alicorn.index import Segment, SegmentView, Snapshot
from alicorn.index.segment.parts.terms import TEXT
from alicorn.index.segment.snapshot import CountOf, over_all
from alicorn.query.sets import kernels
from alicorn.query.sets.per_segment import Sets, live, size
from alicorn.query.sets.postings import having_any

_MOST_FIELDS = 32  # whose lengths a segment keeps: 4 bytes a document each
_MOST_WORDS = 65_536  # of a snapshot

_lengths: WeakKeyDictionary[Segment, dict[str, np.ndarray]] = WeakKeyDictionary()


def field_lengths(segment: Segment, prefix: str) -> np.ndarray:
    """How many terms of a field each document has, with repetition: uint32 (num_docs,). Made when first needed."""
    if f"{prefix}:" == TEXT:
        return segment.doc_lengths
    known = _lengths.setdefault(segment, {})
    lengths = known.get(prefix)
    if lengths is None:
        lengths = np.empty(segment.num_docs, dtype=np.uint32)
        low, high = segment.terms.prefix(f"{prefix}:")
        kernels.count_between(segment.term_lists.codes, segment.term_lists.starts, low, high, lengths)
        if len(known) >= _MOST_FIELDS:
            known.clear()
        known[prefix] = lengths
    return lengths


class FieldStatistics:
    """Of the live documents of a snapshot: mean lengths of fields, and idf of words."""

    def __init__(self) -> None:
        self._averages: dict[str, float] = {}
        self._idfs: dict[tuple[str, ...], float] = {}

    def average(self, snapshot: Snapshot, prefix: str) -> float:
        """Mean number of terms of a field in a document; 1 where there are none, so that it can divide."""
        average = self._averages.get(prefix)
        if average is None:
            total = over_all(snapshot.whole, ("length", prefix), num_terms(snapshot.segments, prefix))
            average = total / snapshot.num_docs if total else 1.0
            if len(self._averages) >= _MOST_WORDS:
                self._averages.clear()
            self._averages[prefix] = average
        return average

    def idf(self, snapshot: Snapshot, terms: tuple[str, ...]) -> float:
        """Of a word, from the number of live documents that have any of its terms."""
        idf = self._idfs.get(terms)
        if idf is None:
            idf = idf_of(snapshot, ("having", *terms), holders_of(snapshot.segments, terms))
            if len(self._idfs) >= _MOST_WORDS:
                self._idfs.clear()
            self._idfs[terms] = idf
        return idf


def num_terms(views: Sequence[SegmentView], prefix: str) -> int:
    """How many terms of a field the live documents have, with repetition."""
    total = 0
    for view in views:
        low, high = view.segment.terms.prefix(f"{prefix}:")
        if low < high:
            lengths = field_lengths(view.segment, prefix)
            total += int((lengths if view.deleted is None else lengths[~view.deleted]).sum(dtype=np.int64))
    return total


def holders_of(views: Sequence[SegmentView], terms: Sequence[str]) -> Sets:
    """The documents that have any of the terms, deleted ones among them."""
    holders: Sets = []
    for view in views:
        found = np.array([view.segment.terms.find(term) for term in terms], dtype=np.int64)
        holders.append(having_any(view.segment, found[found >= 0]))
    return holders


def idf_of(snapshot: Snapshot, counted: CountOf, holders: Sets) -> float:
    """Of a word, from the documents that have it, deleted ones among them. counted: these, as `over_all` takes it."""
    df = over_all(snapshot.whole, counted, size(live(snapshot, holders)))
    return math.log(1.0 + (snapshot.num_docs - df + 0.5) / (df + 0.5))


_statistics: WeakKeyDictionary[Snapshot, FieldStatistics] = WeakKeyDictionary()


def field_statistics_of(snapshot: Snapshot) -> FieldStatistics:
    """Kept as long as the snapshot."""
    return _statistics.setdefault(snapshot, FieldStatistics())
