"""Posting lists as the loops of BM25 read them: where a document is in one, its factor, and bounds of blocks.

lists: (6,) int64, of a segment: the addresses of postings uint32, frequencies uint8, lengths uint32, id_order uint32
and impacts uint64, and the number of documents. terms, factors: a row for each term of the segment that was ever asked
for; a row is called a slot (scored.py).
"""

from __future__ import annotations

import numpy as np

from alicorn.compiled import kernel, subroutine
from alicorn.index.segment.parts.impacts import BLOCK
from alicorn.quantization.kernels.intrinsics import numbers_at, popcount, words_at

POSTINGS, FREQUENCIES, LENGTHS, ID_ORDER, IMPACTS, NUM_DOCS = range(6)  # of `lists`
START, STOP, WORDS, RANKS, TERM = range(5)  # columns of `terms`, and how many these are
IDF, SATURATION, PER_LENGTH, LARGEST, BOUND_SATURATION, BOUND_PER_LENGTH, FACTOR = range(7)  # the same of `factors`
RANKED = 8  # words of a bitmap that share one count of the bits before them
_NEAR = 8  # postings
_FEW = 512  # postings


@subroutine
def factor(frequency, length, saturation, per_length):
    """BM25 without idf: tf / (tf + k1 (1 - b) + (k1 b / average) * length)."""
    tf = np.float64(frequency)
    return tf / (tf + saturation + per_length * np.float64(length))


@kernel("float64(uint64, float64, float64)")
def bound_of(word, saturation, per_length):
    """A bound of the factors of a block with this impact.

    saturation, per_length: as `scaled` gives them; k1 and 0 for a term whose documents' lengths do not count.
    """
    if per_length == 0.0:
        return factor(np.int64(word >> np.uint64(24)) & 255, 0, saturation, 0.0)
    return factor(np.int64(word) & 255, np.int64(word >> np.uint64(8)) & 65_535, saturation, per_length)


@subroutine
def _largest_factor(lists, start, stop, saturation, per_length):
    """A bound of the factors of the postings from start to stop."""
    impacts = words_at(lists[IMPACTS])
    largest = 0.0
    for block in range(start // BLOCK, (stop + BLOCK - 1) // BLOCK):
        largest = max(largest, bound_of(impacts[block], saturation, per_length))
    return largest


@kernel(
    "void(int64[::1], int64[:, ::1], float64[:, ::1], int64, int64, int64, int64, int64, float64, float64, float64,"
    " float64, float64)"
)
def fill_row(
    lists,
    terms,
    factors,
    row,
    start,
    stop,
    words,
    ranks,
    idf,
    saturation,
    per_length,
    bound_saturation,
    bound_per_length,
):
    """Fill a row of `terms` and of `factors`."""
    largest = 1.0  # more than any factor; few postings are not worth a closer bound
    if stop - start > _FEW:
        largest = _largest_factor(lists, start, stop, bound_saturation, bound_per_length)
    terms[row, START], terms[row, STOP], terms[row, WORDS], terms[row, RANKS] = start, stop, words, ranks
    factors[row, IDF], factors[row, SATURATION], factors[row, PER_LENGTH] = idf, saturation, per_length
    factors[row, LARGEST] = largest
    factors[row, BOUND_SATURATION], factors[row, BOUND_PER_LENGTH] = bound_saturation, bound_per_length


@kernel("void(uint64[::1], uint32[::1])")
def count_before(words, ranks):
    """ranks[i] = how many bits are set before word RANKED * i."""
    count = np.uint32(0)
    for at in range(len(words)):
        if at % RANKED == 0:
            ranks[at // RANKED] = count
        count += np.uint32(popcount(words[at]))


@subroutine
def rank(words, ranks, document):
    """How many bits of a bitmap are set before a document's. words, ranks: addresses."""
    word = np.int64(document) >> 6
    count = np.int64(numbers_at(ranks)[word // RANKED])
    for at in range(word - word % RANKED, word):
        count += np.int64(popcount(words_at(words)[at]))
    below = (np.uint64(1) << np.uint64(document & 63)) - np.uint64(1)
    return count + np.int64(popcount(words_at(words)[word] & below))


@subroutine
def has(words, document):
    return words[np.int64(document) >> 6] >> np.uint64(document & 63) & np.uint64(1) != np.uint64(0)


@subroutine
def seek(postings, at, stop, document):
    """The first place from `at` on whose document is not below `document`: some steps, doubling ones, then halves."""
    near = min(at + _NEAR, stop)
    while at < near:
        if postings[at] >= document:
            return at
        at += 1
    step, low, high = 1, at, at
    while high < stop and postings[high] < document:
        low = high + 1
        high += step
        step *= 2
    high = min(high, stop)
    while low < high:
        middle = (low + high) // 2
        if postings[middle] < document:
            low = middle + 1
        else:
            high = middle
    return low


@subroutine
def find(postings, start, stop, words, ranks, at, document):
    """The place of a document in a posting list, or its place if it were in a sparse one, and whether it is there.

    start, stop, words, ranks: of a row of `terms`. at: no place before it is looked at.
    """
    if words:
        there = has(words_at(words), document)
        return start + rank(words, ranks, document) if there else at, there
    at = seek(postings, at, stop, document)
    return at, at < stop and np.int64(postings[at]) == document
