"""The statistics of terms for BM25: looked up once for a snapshot, then rows of tables that compiled loops read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from alicorn.index import Segment, SegmentView, Snapshot
from alicorn.index.segment.parts.impacts import mean_length, scaled, shape
from alicorn.index.segment.parts.terms import TEXT
from alicorn.index.segment.snapshot import over_all
from alicorn.query.sets import bits, kernels
from alicorn.query.text.lists import FACTOR, RANKED, TERM, count_before, fill_row

_ROWS = 64  # of a table at first; doubled when they are used up
_REMEMBERED = 65_536  # terms: at most some 20 MB for each segment


class Weight(NamedTuple):
    """The weights of one term in BM25: idf, k1 (1 - b), and k1 b / average."""

    idf: float
    saturation: float
    per_length: float


class Statistics:
    """The statistics of a snapshot: the mean length of a live document, and the terms asked for so far."""

    def __init__(self, snapshot: Snapshot) -> None:
        average = average_length(snapshot)
        self._of_words, self._of_others = shape(average), shape(average, b=0.0)
        self.tables = [TermTable(view.segment, average) for view in snapshot.segments]
        self._views = snapshot.segments
        self._num_docs = snapshot.num_docs
        self._whole = snapshot.whole
        self._weights: dict[str, Weight | None] = {}

    @property
    def is_full(self) -> bool:
        return len(self._weights) >= _REMEMBERED

    def weight(self, term: str) -> Weight | None:
        """None: no live document has the term."""
        if term not in self._weights:
            df = over_all(self._whole, ("having", term), num_having(self._views, term))
            idf = math.log(1.0 + (self._num_docs - df + 0.5) / (df + 0.5))
            of_lengths = self._of_words if term.startswith(TEXT) else self._of_others
            self._weights[term] = Weight(idf, *of_lengths) if df else None
        return self._weights[term]

    def rows(self, at: int, terms: Sequence[str]) -> list[int]:
        """The rows of the terms that live documents and segment `at` have."""
        known = self.tables[at].rows
        found = []
        for term in terms:
            row = known.get(term)
            if row is None:
                row = self._row(at, term)
            if row >= 0:
                found.append(row)
        return found

    def _row(self, at: int, term: str) -> int:
        weight = self.weight(term)
        return self.tables[at].add(term, weight)


class TermTable:
    """The terms of one segment that were asked for, under one average length.

    terms: (rows, 4) int64: where the postings start and stop, and the addresses of the bitmap and of the counts before
    its words, 0 for a term of few documents; factors: (rows, 6) float64: idf, k1 (1 - b), k1 b / average, a bound of
    tf / (tf + ...) over the postings, and the numbers that make such bounds of blocks (impacts.py); rows: term -> row,
    -1 for one without postings. The arrays are replaced by larger ones, so read `rows` first.
    """

    def __init__(self, segment: Segment, average: float) -> None:
        arrays = (segment.postings, segment.frequencies, segment.doc_lengths, segment.id_order, segment.impacts)
        self.lists = np.array([*(array.ctypes.data for array in arrays), segment.num_docs, 0], dtype=np.int64)
        self.terms, self.factors = np.zeros((_ROWS, TERM), dtype=np.int64), np.zeros((_ROWS, FACTOR))
        self.rows: dict[str, int] = {}
        self._segment = segment
        self._bounding = scaled(mean_length(segment.doc_lengths), *shape(average))  # of words of a text
        self._size = 0
        self._counts: list[np.ndarray] = []  # known by their addresses
        self._lock = Lock()

    def add(self, term: str, weight: Weight | None) -> int:
        """The row of a term, made here."""
        span = self._segment.span_of(term)
        if weight is None or span.start == span.stop:
            self.rows[term] = -1
            return -1
        places = (span.start, span.stop, *self._bitmap(term))
        bounding = self._bounding if weight.per_length else (weight.saturation, 0.0)
        with self._lock:
            row = self._size
            if row == len(self.terms):
                self.terms, self.factors = np.concatenate([self.terms] * 2), np.concatenate([self.factors] * 2)
            fill_row(self.lists, self.terms, self.factors, row, *places, *weight, *bounding)
            self._size += 1
            self.rows[term] = row
        return row

    def _bitmap(self, term: str) -> tuple[int, int]:
        words = self._segment.frequent.words_of(self._segment.terms.find(term))
        if words is None:
            return 0, 0
        counts = np.empty((len(words) + RANKED - 1) // RANKED, dtype=np.uint32)
        count_before(words, counts)
        self._counts.append(counts)
        return words.ctypes.data, counts.ctypes.data


_statistics: WeakKeyDictionary[Snapshot, Statistics] = WeakKeyDictionary()


def statistics_of(snapshot: Snapshot) -> Statistics:
    """Kept as long as the snapshot."""
    found = _statistics.get(snapshot)
    if found is None or found.is_full:
        found = _statistics[snapshot] = Statistics(snapshot)
    return found


def average_length(snapshot: Snapshot) -> float:
    """Mean number of `text:` terms of a live document; 1 where there are none, so that it can divide."""
    total = over_all(snapshot.whole, ("length", "text"), sum(view.num_words for view in snapshot.segments))
    return total / snapshot.num_docs if total else 1.0


def num_having(views: Sequence[SegmentView], term: str) -> int:
    """How many live documents have a term."""
    return sum([_live_count(view, term) for view in views])


def _live_count(view: SegmentView, term: str) -> int:
    """How many live documents of a segment have a term."""
    segment = view.segment
    span = segment.span_of(term)
    if view.deleted is None or span.start == span.stop:
        return int(span.stop - span.start)
    words = segment.frequent.words_of(segment.terms.find(term))
    if words is not None:
        return int(bits.count_both(words, view.live_words))
    postings = segment.postings[span]
    return int(kernels.filter_by_bits(view.live_words, postings, True, np.empty(len(postings), dtype=np.uint32)))
