"""Posting lists as the loops of BM25 read them: where a document is in one, its factor, and bounds of blocks.

lists: (7,) int64, of a segment: the addresses of postings uint32, frequencies uint8, lengths uint32, id_order uint32
and impacts uint64, the number of documents, and the address of the factors of the postings, float64: 0 where they
follow from frequency and length. Impacts beside factors have a bound of them in their lower half, float32. terms,
factors: a row for each term of the segment that was ever asked for; a row is called a slot (scored.py).
"""

from __future__ import annotations

import numpy as np

from alicorn.compiled import kernel, subroutine
from alicorn.index.segment.parts.impacts import BLOCK, K1
from alicorn.quantization.kernels.intrinsics import (
    bytes_at,
    doubles_at,
    floats_at,
    numbers_at,
    popcount,
    words_at,
)
from alicorn.query.sets.kernels import gallop

POSTINGS, FREQUENCIES, LENGTHS, ID_ORDER, IMPACTS, NUM_DOCS, FACTORS = range(7)  # of `lists`
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


@subroutine
def factor_at(lists, place, length, saturation, per_length):
    """The factor of a posting, of a document of this length."""
    if lists[FACTORS]:
        return doubles_at(lists[FACTORS])[place]
    return factor(bytes_at(lists[FREQUENCIES])[place], length, saturation, per_length)


@subroutine
def bound_at(lists, block, saturation, per_length):
    """A bound of the factors of a block."""
    if lists[FACTORS]:
        return np.float64(floats_at(lists[IMPACTS])[2 * block])
    return bound_of(words_at(lists[IMPACTS])[block], saturation, per_length)


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
    return gallop(postings, at, stop, document)


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


@kernel(
    "int64(uint32[::1], uint8[::1], int64[::1], int64[::1], int64[::1], float64[:, ::1], uint32[::1], float64[::1])"
)
def join_fields(postings, frequencies, starts, stops, lengths, shape, documents, factors):
    """The documents of several posting lists, ascending, and their factors -> how many they are.

    starts, stops: where the lists of the fields are; lengths: addresses of the lengths of the documents in each field;
    shape: of each field, its weight, 1 - b, and b / average.
    """
    at, count = starts.copy(), 0
    while True:
        document = np.int64(0xFFFFFFFF)
        for i in range(len(at)):
            if at[i] < stops[i]:
                document = min(document, np.int64(postings[at[i]]))
        if document == 0xFFFFFFFF:
            return count
        frequency = 0.0
        for i in range(len(at)):
            if at[i] < stops[i] and np.int64(postings[at[i]]) == document:
                length = np.float64(numbers_at(lengths[i])[document])
                frequency += shape[i, 0] * np.float64(frequencies[at[i]]) / (shape[i, 1] + shape[i, 2] * length)
                at[i] += 1
        documents[count], factors[count] = document, frequency / (frequency + K1)
        count += 1


@kernel("void(uint32[::1], float64[::1], uint32[::1], uint64[::1])")
def bound_blocks(documents, factors, id_order, impacts):
    """The impacts of postings that have factors and begin with a block."""
    bits = np.empty(1, dtype=np.float32)
    for block in range(len(impacts)):
        largest, first_id = 0.0, np.uint64(0xFFFFFFFF)
        for at in range(block * BLOCK, min((block + 1) * BLOCK, len(documents))):
            largest = max(largest, factors[at])
            first_id = min(first_id, np.uint64(id_order[documents[at]]))
        bits[0] = np.float32(largest * (1.0 + 2.0**-22))  # the nearest float32 may be below
        impacts[block] = np.uint64(bits.view(np.uint32)[0]) | first_id << np.uint64(32)
