"""The documents that have all of some terms: posting lists and bitmaps, intersected in one compiled loop.

A list is four int64: the address of its documents, ascending uint32; how many they are; the address of its bitmap, 0
for none; and a place before which no document is looked for. A bitmap without a list has the address 0 of documents.
A term is given by its number, -1 for one that is in no document; -2 - i is the set i of others, such as a filter's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numba.cpython.unsafe.numbers import trailing_zeros

from alicorn.compiled import kernel, subroutine
from alicorn.index import Segment
from alicorn.quantization.kernels.intrinsics import (
    address,
    keep,
    longs_at,
    new_words,
    numbers_at,
    popcount,
    words_at,
)
from alicorn.quantization.kernels.named import Longs, Numbers
from alicorn.query.sets.docset import EMPTY, Bitmap, DocSet
from alicorn.query.text.lists import has, seek

DOCUMENTS, SIZE, BITS, PLACE, LIST = range(5)  # of a list, and how many these are
CHUNK = 1_024  # documents that are found at a time
ROOM = CHUNK + 64  # so many may be written
_ALL_BITMAPS = -1


class Postings(NamedTuple):
    """postings, starts: of Segment. frequent, bits: the numbers and the bitmaps of its frequent terms. num_words: of a
    bitmap."""

    postings: Numbers
    starts: Longs
    frequent: Longs
    bits: Annotated[np.ndarray, "uint64[:, ::1]"]
    num_frequent: int
    num_words: int


_made: WeakKeyDictionary[Segment, Postings] = WeakKeyDictionary()


def postings_of(segment: Segment) -> Postings:
    """Kept as long as the segment."""
    made = _made.get(segment)
    if made is None:
        frequent, bits = segment.frequent.numbers, segment.frequent.words
        num_words = (segment.num_docs + 63) // 64
        made = Postings(segment.postings, segment.posting_starts, frequent, bits, len(frequent), num_words)
        _made[segment] = made
    return made


def as_lists(sets: Sequence[np.ndarray | Bitmap]) -> np.ndarray:
    """Sets as lists, (n, LIST) int64. The caller keeps the sets."""
    lists = np.zeros((len(sets), LIST), dtype=np.int64)
    for one, documents in zip(lists, sets, strict=True):
        if isinstance(documents, Bitmap):
            one[BITS], one[SIZE] = documents.words.ctypes.data, documents.count
        else:
            one[DOCUMENTS], one[SIZE] = documents.ctypes.data, len(documents)
    return lists


NO_SETS = as_lists(())


def having_all(segment: Segment, terms: Sequence[str]) -> DocSet | None:
    """The documents of a segment that have all of some terms; None where every term is frequent, and has a bitmap."""
    wanted = np.array(list(map(segment.terms.find, terms)), dtype=np.int64)
    if wanted.min() < 0:
        return EMPTY
    postings = postings_of(segment)
    fewest = int((postings.starts[wanted + 1] - postings.starts[wanted]).min())
    found = np.empty(fewest + ROOM, dtype=np.uint32)
    count = list_having_all(postings.postings, postings.starts, postings.frequent, postings.bits, wanted, found)
    return None if count < 0 else found[:count]


@subroutine
def _bitmap_of(postings, term):
    """The address of the bitmap of a term; 0 if it is not frequent."""
    numbers, low, high = longs_at(postings.frequent), 0, postings.num_frequent
    while low < high:
        middle = (low + high) // 2
        if numbers[middle] < term:
            low = middle + 1
        else:
            high = middle
    is_frequent = low < postings.num_frequent and numbers[low] == term
    return postings.bits + 8 * postings.num_words * low if is_frequent else 0


@subroutine
def read_lists(postings, sets, terms, num_terms, lists):
    """Write the lists of terms -> how many documents the shortest has; 0 if a term is in none.

    postings: addresses of Postings; sets: of `as_lists`; terms: of their numbers; lists: of LIST int64 for each.
    """
    shortest = np.int64(0)
    for i in range(num_terms):
        term, one = longs_at(terms)[i], longs_at(lists + 8 * LIST * i)
        if term == -1:
            return np.int64(0)
        if term < 0:
            other = longs_at(sets + 8 * LIST * (-2 - term))
            one[DOCUMENTS], one[SIZE], one[BITS] = other[DOCUMENTS], other[SIZE], other[BITS]
        else:
            start = longs_at(postings.starts)[term]
            one[DOCUMENTS], one[SIZE] = postings.postings + 4 * start, longs_at(postings.starts)[term + 1] - start
            one[BITS] = _bitmap_of(postings, term)
        one[PLACE] = 0
        shortest = one[SIZE] if i == 0 else min(shortest, one[SIZE])
    return shortest


@subroutine
def leading(lists, num_lists):
    """The list whose documents are looked up in the others: the shortest; _ALL_BITMAPS if all have bitmaps."""
    found, all_bitmaps = np.int64(_ALL_BITMAPS), True
    for i in range(num_lists):
        one = longs_at(lists + 8 * LIST * i)
        all_bitmaps = all_bitmaps and one[BITS] != 0
        if one[DOCUMENTS] and (found < 0 or one[SIZE] < longs_at(lists + 8 * LIST * found)[SIZE]):
            found = np.int64(i)
    return np.int64(_ALL_BITMAPS) if all_bitmaps else found


@subroutine
def word_of_all(lists, num_lists, at):
    """A word of the intersection of bitmaps."""
    word = words_at(longs_at(lists)[BITS])[at]
    for i in range(1, num_lists):
        word &= words_at(longs_at(lists)[LIST * i + BITS])[at]
    return word


@subroutine
def are_more(lists, num_lists, leader, num_words, most):
    """Whether it is quickly seen that more than `most` documents are in all lists: of bitmaps, and of one list."""
    if num_lists == 1:
        return longs_at(lists)[SIZE] > most
    total = np.int64(0)
    for at in range(num_words if leader < 0 else 0):
        total += np.int64(popcount(word_of_all(lists, num_lists, at)))
    return total > most


@subroutine
def next_documents(lists, num_lists, leader, num_words, position, documents):
    """Write the next documents that are in all lists, about CHUNK -> how many, and where to go on; 0 at the end.

    leader: of `leading`. position: 0 at first. documents: address of ROOM uint32.
    """
    out, count = numbers_at(documents), np.int64(0)
    if leader < 0:
        while position < num_words and count < CHUNK:
            word = word_of_all(lists, num_lists, position)
            while word != np.uint64(0):
                out[count] = np.uint32(64 * position + np.int64(trailing_zeros(word)))
                count += 1
                word &= word - np.uint64(1)
            position += 1
        return count, position
    first = longs_at(lists + 8 * LIST * leader)
    start, size = first[DOCUMENTS], first[SIZE]
    while position < size and not count:
        count = min(np.int64(CHUNK), size - position)
        for i in range(count):
            out[i] = numbers_at(start)[position + i]
        position += count
        for i in range(num_lists):
            if i != leader:
                count = _keep_those_in(longs_at(lists + 8 * LIST * i), out, count)
    return count, position


@subroutine
def _keep_those_in(other, documents, count):
    """Keep, in place, the documents that are in a list -> how many."""
    kept = np.int64(0)
    if other[BITS]:
        bits = words_at(other[BITS])
        for i in range(count):  # without branches: whether a document is in the list cannot be predicted
            document = documents[i]
            documents[kept] = document
            kept += np.int64(has(bits, document))
        return kept
    postings, at, size = numbers_at(other[DOCUMENTS]), other[PLACE], other[SIZE]
    for i in range(count):
        document = documents[i]
        at = seek(postings, at, size, document)
        if at == size:
            break
        documents[kept] = document
        kept += np.int64(postings[at] == document)
    other[PLACE] = at
    return kept


@kernel("int64(uint32[::1], int64[::1], int64[::1], uint64[:, ::1], int64[::1], uint32[::1])")
def list_having_all(documents, starts, frequent, bits, terms, found):
    """List the documents that have all terms -> how many; -1 where every term has a bitmap.

    documents, starts, frequent, bits: as in Postings. found: ROOM more than the shortest list has.
    """
    postings = Postings(
        address(documents), address(starts), address(frequent), address(bits), len(frequent), bits.shape[1]
    )
    space = new_words(LIST * len(terms))
    lists, num_lists = address(space), len(terms)
    read_lists(postings, 0, address(terms), num_lists, lists)
    leader = leading(lists, num_lists)
    count, position = np.int64(0), np.int64(0)
    while leader >= 0:
        more, position = next_documents(lists, num_lists, leader, 0, position, address(found) + 4 * count)
        if not more:
            break
        count += more
    keep(space)
    return count if leader >= 0 else np.int64(-1)
