"""Posting lists of words over several fields, for the loops of BM25: made when a word is first asked for.

A posting is a document that has the word in any of the fields, with the factor F / (F + k1) of BM25F (bm25f.py), where
F is the sum of the weighted, normalised frequencies. A term that is no word of a text is a list of its own, as by BM25.
"""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from weakref import WeakKeyDictionary

import numpy as np

from alicorn.index import Snapshot
from alicorn.index.segment.parts.frequent import is_dense
from alicorn.index.segment.parts.impacts import BLOCK, B
from alicorn.index.segment.parts.terms import TEXT
from alicorn.query.sets import kernels
from alicorn.query.text.fields import field_lengths, field_statistics_of
from alicorn.query.text.lists import (
    FACTOR,
    IDF,
    LARGEST,
    RANKED,
    START,
    STOP,
    TERM,
    bound_blocks,
    count_before,
    join_fields,
)
from alicorn.query.text.scored import statistics_of

Fields = tuple[tuple[str, float], ...]
"""Prefixes of terms without their colon, and weights."""

_ROWS = 64  # of a table at first, and as many blocks; doubled when they are used up
_MOST_POSTINGS = 4 << 20  # of a table, 12 bytes each; with more it is begun anew
_MOST_TABLES = 4  # of a segment: fields and their weights


class FieldTable:
    """The words of one segment that were asked for, in these fields. lists, terms, factors, rows: as of TermTable.

    The arrays are replaced by larger ones, so read `rows` first.
    """

    def __init__(self, snapshot: Snapshot, at: int, fields: Fields) -> None:
        segment, statistics = snapshot.segments[at].segment, field_statistics_of(snapshot)
        averages = [statistics.average(snapshot, prefix) for prefix, _ in fields]
        kept = [(weight, 1.0 - B, B / average) for (_, weight), average in zip(fields, averages, strict=True)]
        self._shape = np.array([(1.0, 1.0, 0.0), *kept])  # of other terms, and of the fields
        self._lengths = [segment.doc_lengths, *(field_lengths(segment, prefix) for prefix, _ in fields)]
        self._prefixes = [prefix for prefix, _ in fields]
        self._segment = segment
        self.terms, self.factors = np.zeros((_ROWS, TERM), dtype=np.int64), np.zeros((_ROWS, FACTOR))
        self.rows: dict[str, int] = {}
        self._num_rows = self._num_blocks = 0
        self._kept: list[np.ndarray] = []  # known by their addresses
        self._lock = Lock()
        self._grow(np.empty(0, np.uint32), np.empty(0), np.empty(0, np.uint64), _ROWS)

    @property
    def is_full(self) -> bool:
        return self._num_blocks * BLOCK > _MOST_POSTINGS

    def rows_of(self, snapshot: Snapshot, terms: Sequence[str]) -> list[int]:
        """The rows of the terms that the segment has, in the order in which scores_by_fields sums them.

        snapshot: that of the table.
        """
        ordered = sorted(terms, key=lambda term: term.startswith(TEXT))  # stable: words last
        rows = [self.rows[term] if term in self.rows else self._add(snapshot, term) for term in ordered]
        return [row for row in rows if row >= 0]

    def _add(self, snapshot: Snapshot, term: str) -> int:
        if term.startswith(TEXT):
            names = [f"{prefix}:{term.removeprefix(TEXT)}" for prefix in self._prefixes]
            idf, first = field_statistics_of(snapshot).idf(snapshot, tuple(names)), 1
        else:
            weight = statistics_of(snapshot).weight(term)
            names, idf, first = [term], 0.0 if weight is None else weight.idf, 0
        spans = [(place, self._segment.span_of(name)) for place, name in enumerate(names, first)]
        spans = [(place, span) for place, span in spans if span.start < span.stop]
        with self._lock:
            row = self._fill(idf, spans) if spans and idf else -1
            self.rows[term] = row
        return row

    def _fill(self, idf: float, spans: Sequence[tuple[int, slice]]) -> int:
        most = sum(span.stop - span.start for _, span in spans)
        start, stop_block = self._num_blocks * BLOCK, self._num_blocks + -(-most // BLOCK)
        if stop_block > len(self._impacts):
            self._grow(self._postings, self._factors, self._impacts, max(2 * len(self._impacts), stop_block))
        places = [place for place, _ in spans]
        documents, factors = self._postings[start : start + most], self._factors[start : start + most]
        count = join_fields(
            self._segment.postings,
            self._segment.frequencies,
            np.array([span.start for _, span in spans], dtype=np.int64),
            np.array([span.stop for _, span in spans], dtype=np.int64),
            np.array([self._lengths[place].ctypes.data for place in places], dtype=np.int64),
            self._shape[places],
            documents,
            factors,
        )
        documents, factors = documents[:count], factors[:count]
        bound_blocks(documents, factors, self._segment.id_order, self._impacts[self._num_blocks : stop_block])
        row = self._num_rows
        if row == len(self.terms):
            self.terms, self.factors = np.concatenate([self.terms] * 2), np.concatenate([self.factors] * 2)
        self.terms[row, START], self.terms[row, STOP] = start, start + count
        self.terms[row, STOP + 1 :] = self._bitmap(documents)
        self.factors[row, IDF], self.factors[row, LARGEST] = idf, factors.max()
        self._num_rows, self._num_blocks = row + 1, stop_block
        return row

    def _bitmap(self, documents: np.ndarray) -> tuple[int, int]:
        if not is_dense(len(documents), self._segment.num_docs):
            return 0, 0
        words = np.zeros((self._segment.num_docs + 63) // 64, dtype=np.uint64)
        counts = np.empty((len(words) + RANKED - 1) // RANKED, dtype=np.uint32)
        kernels.set_bits(words, documents)
        count_before(words, counts)
        self._kept += [words, counts]
        return words.ctypes.data, counts.ctypes.data

    def _grow(self, postings: np.ndarray, factors: np.ndarray, impacts: np.ndarray, num_blocks: int) -> None:
        """Room for so many blocks, with what there is. Those who read the arrays before keep them."""
        self._postings, self._factors = np.zeros(num_blocks * BLOCK, dtype=np.uint32), np.zeros(num_blocks * BLOCK)
        self._impacts = np.zeros(num_blocks, dtype=np.uint64)
        self._postings[: len(postings)], self._factors[: len(factors)] = postings, factors
        self._impacts[: len(impacts)] = impacts
        self._kept += [self._postings, self._factors, self._impacts]
        segment = self._segment
        read = (self._postings, segment.frequencies, segment.doc_lengths, segment.id_order, self._impacts)
        addresses = (array.ctypes.data for array in read)
        self.lists = np.array([*addresses, segment.num_docs, self._factors.ctypes.data], dtype=np.int64)


_tables: WeakKeyDictionary[Snapshot, dict[tuple[int, Fields], FieldTable]] = WeakKeyDictionary()


def field_table(snapshot: Snapshot, at: int, fields: Fields) -> FieldTable:
    """The table of segment `at`, kept as long as the snapshot."""
    tables = _tables.setdefault(snapshot, {})
    table = tables.get((at, fields))
    if table is None or table.is_full:
        if len(tables) >= _MOST_TABLES * len(snapshot.segments):
            tables.clear()
        table = tables[at, fields] = FieldTable(snapshot, at, fields)
    return table
