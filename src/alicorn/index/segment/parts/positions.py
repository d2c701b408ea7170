"""The positions of terms in documents, for the terms of one prefix.

For each posting of the prefix, in the order of `postings`, there are the positions of its occurrences, ascending. A
posting of frequency 255 may have more occurrences, so their number precedes them. The index of the first position is
kept for one posting in BLOCK; for the others, the frequencies since are summed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from alicorn.compiled import kernel
from alicorn.index.segment.parts.terms import TermDictionary, TermLists

BLOCK = 64  # postings
MANY = 255  # a frequency that means so many occurrences, or more
MAX_POSITION = (1 << 31) - 1


class PrefixPostings(NamedTuple):
    """The part of a segment's postings that belongs to one prefix: the terms [low, high), the postings from `first`.

    starts: (high - low + 1,) int64, where the postings of each term begin, counted from the first; postings: uint32;
    frequencies: uint8.
    """

    low: int
    high: int
    first: int
    starts: np.ndarray
    postings: np.ndarray
    frequencies: np.ndarray

    @classmethod
    def of(
        cls,
        dictionary: TermDictionary,
        prefix: str,
        posting_starts: np.ndarray,
        postings: np.ndarray,
        frequencies: np.ndarray,
    ) -> PrefixPostings:
        low, high = dictionary.prefix(f"{prefix}:")
        first, last = int(posting_starts[low]), int(posting_starts[high])
        starts = posting_starts[low : high + 1] - first
        return cls(low, high, first, starts, postings[first:last], frequencies[first:last])


@dataclass(frozen=True, eq=False)
class PositionLists:
    """first: the number of the prefix's first posting; numbers: uint8, uint16 or uint32: the positions, after their
    count for a posting of MANY or more occurrences; blocks: (ceil(postings / BLOCK),) int64, the index in numbers of
    every BLOCK-th posting."""

    first: int
    blocks: np.ndarray
    numbers: np.ndarray

    @classmethod
    def of(cls, terms: TermLists, postings: PrefixPostings) -> PositionLists:
        """terms: with positions, over the sorted dictionary of the segment."""
        assert terms.positions is not None
        layout = _Layout.of(terms, postings)
        own = terms.positions[layout.occurrences]
        largest = max(int(own.max(initial=0)), int(layout.counts.max(initial=0)))
        numbers = np.empty(len(own) + len(layout.counts), dtype=np.min_scalar_type(largest))
        numbers[layout.slots] = own
        numbers[layout.count_slots] = layout.counts
        blocks = np.empty((len(postings.frequencies) + BLOCK - 1) // BLOCK, dtype=np.int64)
        _find_blocks(postings.frequencies, numbers, blocks)
        return cls(postings.first, blocks, numbers)

    def restore(self, terms: TermLists, postings: PrefixPostings, positions: np.ndarray) -> None:
        """The inverse of `of`: write the position of each occurrence of the prefix into `positions`, uint32."""
        layout = _Layout.of(terms, postings)
        positions[layout.occurrences] = self.numbers[layout.slots]

    def restore_some(self, terms: TermLists, docs: np.ndarray, postings: PrefixPostings, positions: np.ndarray) -> None:
        """The same for some documents, found by search in the postings. docs: (rows of terms,) integers."""
        _find_positions(
            terms.codes.astype(np.int32, copy=False),
            terms.starts,
            docs.astype(np.uint32),
            np.argsort(docs, kind="stable"),
            postings.low,
            postings.starts,
            postings.postings,
            postings.frequencies,
            self.blocks,
            self.numbers,
            positions,
        )

    @property
    def nbytes(self) -> int:
        return int(self.blocks.nbytes + self.numbers.nbytes)


class _Layout(NamedTuple):
    """The index in `numbers` of the position of each occurrence.

    occurrences: (all occurrences,) bool, True for the prefix; slots: (occurrences of the prefix,) uint32; counts,
    count_slots: (postings of MANY or more occurrences,) uint32, their numbers of occurrences, and the indices of these.
    """

    occurrences: np.ndarray
    slots: np.ndarray
    counts: np.ndarray
    count_slots: np.ndarray

    @classmethod
    def of(cls, terms: TermLists, postings: PrefixPostings) -> _Layout:
        codes = terms.codes.astype(np.int32, copy=False)
        occurrences = (codes >= postings.low) & (codes < postings.high)
        slots = np.empty(np.count_nonzero(occurrences), dtype=np.uint32)
        counts = np.zeros(np.count_nonzero(postings.frequencies == MANY), dtype=np.uint32)
        count_slots = np.empty_like(counts)
        _lay_out(codes, terms.starts, postings.low, postings.starts, postings.frequencies, slots, counts, count_slots)
        return cls(occurrences, slots, counts, count_slots)


@kernel(
    "void(int32[::1], int32[::1], int64, int64[::1], uint8[::1], uint32[::1], uint32[::1], uint32[::1])",
)
def _lay_out(codes, starts, low, posting_starts, frequencies, slots, counts, count_slots):
    """Fill slots, counts and count_slots of _Layout. posting_starts, frequencies: of PrefixPostings."""
    num_terms = len(posting_starts) - 1
    free = np.zeros(num_terms + 1, dtype=np.int64)  # the next slot of each term
    for code in codes:
        if low <= code < low + num_terms:
            free[code - low + 1] += 1
    for term in range(num_terms):
        free[term + 1] += free[term]
        for posting in range(posting_starts[term], posting_starts[term + 1]):
            free[term + 1] += frequencies[posting] == MANY
    last = np.full(num_terms, -1, dtype=np.int64)
    posting_of = posting_starts[:-1] - 1
    count_of = np.empty(num_terms, dtype=np.int64)
    num_slots = num_counts = 0
    for doc in range(len(starts) - 1):
        for at in range(starts[doc], starts[doc + 1]):
            term = codes[at] - low
            if term < 0 or term >= num_terms:
                continue
            if last[term] != doc:
                last[term] = doc
                posting_of[term] += 1
                count_of[term] = -1
                if frequencies[posting_of[term]] == MANY:
                    count_of[term] = num_counts
                    count_slots[num_counts] = free[term]
                    num_counts += 1
                    free[term] += 1
            if count_of[term] >= 0:
                counts[count_of[term]] += 1
            slots[num_slots] = free[term]
            num_slots += 1
            free[term] += 1


_KINDS = ("uint8", "uint16", "uint32")


@kernel(
    *[
        "void(int32[::1], int32[::1], uint32[::1], int64[::1], int64, int64[::1], uint32[::1], uint8[::1], int64[::1],"
        f" {kind}[::1], uint32[::1])"
        for kind in _KINDS
    ]
)
def _find_positions(codes, starts, docs, order, low, posting_starts, postings, frequencies, blocks, numbers, positions):
    """Fill the positions of PositionLists.restore_some. order: of the rows, by document number."""
    num_terms = len(posting_starts) - 1
    posting_of = posting_starts[:-1].copy()  # of each term: where the search goes on
    last = np.full(num_terms, -1, dtype=np.int64)
    taken = np.empty(num_terms, dtype=np.int64)
    for row in order:
        for at in range(starts[row], starts[row + 1]):
            term = codes[at] - low
            if term < 0 or term >= num_terms:
                continue
            if last[term] != row:
                last[term] = row
                rest = postings[posting_of[term] : posting_starts[term + 1]]
                posting = posting_of[term] + np.searchsorted(rest, docs[row])
                begin = blocks[posting // BLOCK]
                for before in range(posting // BLOCK * BLOCK, posting):
                    begin += frequencies[before] if frequencies[before] < MANY else 1 + numbers[begin]
                posting_of[term] = posting
                taken[term] = begin + (frequencies[posting] == MANY)
            positions[at] = numbers[taken[term]]
            taken[term] += 1


@kernel(*[f"void(uint8[::1], {kind}[::1], int64[::1])" for kind in _KINDS])
def _find_blocks(frequencies, numbers, blocks):
    """The index in `numbers` of every BLOCK-th posting."""
    at = 0
    for posting in range(len(frequencies)):
        if posting % BLOCK == 0:
            blocks[posting // BLOCK] = at
        at += frequencies[posting] if frequencies[posting] < MANY else 1 + numbers[at]
