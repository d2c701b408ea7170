"""Bitmaps of frequent terms: terms in more than one document of 32.

The bitmap of a frequent term is smaller than its posting list, and tells without a search whether a document, or which
documents of a cluster, have the term. All bitmaps of a segment together are no larger than its posting lists.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from alicorn.compiled import kernel

_BITMAP_FROM = 32  # a set of more than num_docs / 32 members is smaller as a bitmap than as an array of uint32


def is_dense(count: int, num_docs: int) -> bool:
    """Whether a set of `count` documents is smaller as a bitmap than as an array."""
    return count * _BITMAP_FROM > num_docs


def are_dense(counts: np.ndarray, num_docs: int) -> np.ndarray:
    """is_dense for many sets: bool, in the shape of counts."""
    dense: np.ndarray = counts * _BITMAP_FROM > num_docs
    return dense


@dataclass(frozen=True, eq=False)
class FrequentTerms:
    """numbers: (f,) int64, of the terms, ascending; words: (f, ceil(num_docs / 64)) uint64, the bitmaps."""

    numbers: np.ndarray
    words: np.ndarray

    @classmethod
    def of(cls, posting_starts: np.ndarray, postings: np.ndarray, num_docs: int) -> FrequentTerms:
        numbers = frequent_numbers(posting_starts, num_docs)
        words = np.zeros((len(numbers), (num_docs + 63) // 64), dtype=np.uint64)
        _fill(posting_starts, postings, numbers, words)
        return cls(numbers, words)

    def words_of(self, number: int) -> np.ndarray | None:
        """The bitmap of a term; None if the term is not frequent."""
        row = self._rows.get(number)
        return None if row is None else self.words[row]

    @cached_property
    def _rows(self) -> dict[int, int]:
        return {number: row for row, number in enumerate(self.numbers.tolist())}


def frequent_numbers(posting_starts: np.ndarray, num_docs: int) -> np.ndarray:
    """The numbers of the frequent terms, ascending."""
    return np.flatnonzero(are_dense(np.diff(posting_starts), num_docs))


@kernel("void(int64[::1], uint32[::1], int64[::1], uint64[:, ::1])")
def _fill(posting_starts, postings, numbers, words):
    for row in range(len(numbers)):
        for at in range(posting_starts[numbers[row]], posting_starts[numbers[row] + 1]):
            document = postings[at]
            words[row, document >> np.uint32(6)] |= np.uint64(1) << np.uint64(document & np.uint32(63))
