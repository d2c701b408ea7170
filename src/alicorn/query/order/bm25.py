"""The first hits by BM25: of any expression, and of an `and` or `or` of terms, which one compiled loop answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from alicorn.index import Snapshot
from alicorn.index.segment.parts.terms import TEXT
from alicorn.language.prepared import Words
from alicorn.query.sets import docset
from alicorn.query.sets.docset import DocSet
from alicorn.query.sets.ranked import Ranked, best_first
from alicorn.query.text.bm25 import FEW, RARE, best_of, first_of_words, scores_of
from alicorn.query.text.bm25f import scores_by_fields
from alicorn.query.text.field_lists import Fields

MOST = 1024  # hits: more are sorted, not kept in a heap


def by_bm25(
    snapshot: Snapshot, terms: Sequence[str], found: Sequence[DocSet], limit: int, fields: Fields = ()
) -> Ranked:
    """The first of given live documents by terms, sorted, scoring as few of them as their bounds allow.

    fields: for BM25F.
    """
    return (
        by_terms(snapshot, terms, found, limit, fields)
        if limit <= MOST
        else _scored(snapshot, terms, found, limit, fields)
    )


def _scored(snapshot: Snapshot, terms: Sequence[str], found: Sequence[DocSet], limit: int, fields: Fields) -> Ranked:
    """The same by scoring all."""
    numbers = [docset.as_array(documents) for documents in found]
    if fields:
        return merged(snapshot, numbers, scores_by_fields(snapshot, terms, fields, numbers), limit)
    return merged(snapshot, numbers, scores_of(snapshot, terms, numbers), limit)


def by_terms(
    snapshot: Snapshot, terms: Sequence[str], found: Sequence[DocSet], limit: int, fields: Fields = ()
) -> Ranked:
    """The same for any limit, by bounds."""
    if fields and _are_few(snapshot, terms, found, fields):
        return _scored(snapshot, terms, found, limit, fields)
    best = _Best(snapshot, limit)
    for at, documents in enumerate(found):
        best.add(*best_of(snapshot, at, terms, documents, limit, best.floor, fields))
    return best.ranked()


def _are_few(snapshot: Snapshot, terms: Sequence[str], found: Sequence[DocSet], fields: Fields) -> bool:
    """Whether looking the documents up in the posting lists of all fields costs less than joining these."""
    total = sum(map(docset.size, found))
    if total <= FEW:
        return True
    words = [term.removeprefix(TEXT) for term in terms if term.startswith(TEXT)]
    names = [f"{prefix}:{word}" for word in words for prefix, _ in fields]
    num_postings = sum(view.segment.num_with(name) for view in snapshot.segments for name in names)
    return RARE * total < num_postings


def first_by_bm25(snapshot: Snapshot, words: Words, limit: int) -> tuple[Ranked, int]:
    """The first documents of an `and` or `or` of terms, and how many there are in all. limit: 1 to MOST."""
    if len(snapshot.segments) == 1:
        numbers, scores, total = first_of_words(snapshot, 0, words, limit, 0.0)
        return _in_one_segment(numbers, scores), total
    best, total = _Best(snapshot, limit), 0
    for at in range(len(snapshot.segments)):
        numbers, scores, count = first_of_words(snapshot, at, words, limit, best.floor)
        best.add(numbers, scores)
        total += count
    return best.ranked(), total


class _Best:
    """The best of the segments so far. floor: the score that a document of the next one needs to come in."""

    def __init__(self, snapshot: Snapshot, limit: int) -> None:
        self.floor = 0.0
        self._snapshot = snapshot
        self._limit = limit
        self._numbers: list[np.ndarray] = []
        self._scores: list[np.ndarray] = []

    def add(self, numbers: np.ndarray, scores: np.ndarray) -> None:
        self._numbers.append(numbers)
        self._scores.append(scores)
        if len(self._snapshot.segments) > 1:
            together = np.concatenate(self._scores)
            if len(together) >= self._limit > 0:
                self.floor = float(np.partition(together, len(together) - self._limit)[len(together) - self._limit])

    def ranked(self) -> Ranked:
        if len(self._numbers) == 1:  # they are in order
            return _in_one_segment(self._numbers[0], self._scores[0])
        return merged(self._snapshot, self._numbers, self._scores, self._limit)


def _in_one_segment(numbers: np.ndarray, scores: np.ndarray) -> Ranked:
    return Ranked(np.zeros(len(numbers), dtype=np.int64), numbers, scores)


def merged(snapshot: Snapshot, numbers: list[np.ndarray], scores: list[np.ndarray], limit: int) -> Ranked:
    """The best of all segments."""
    if not numbers:
        return Ranked(docset.NO_NUMBERS, docset.NO_NUMBERS, np.empty(0))
    segments = np.repeat(np.arange(len(numbers)), list(map(len, numbers)))
    together = np.concatenate(numbers).astype(np.int64)
    flat = np.concatenate(scores)
    order = best_first(snapshot, flat, segments, together, limit)
    return Ranked(segments[order], together[order], flat[order])
