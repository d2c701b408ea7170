"""The first documents of a set in an order of its segment that is kept as a permutation, without listing the set.

For a dense set, a walk along the order tests one bit for each document: the first 10 of a set that holds half of the
documents take some twenty tests. A sparse set, or one whose members come late in the order, is read once and its best
places are kept. For many places of a set that is not small, a bitmap by place is filled and read off: nothing is
sorted.

The order by static rank is stored with the segment. An order by columns is made when first asked for, by one stable
counting sort for each column; the last few of a segment are kept, at eight bytes a document.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa
from numba.cpython.unsafe.numbers import trailing_zeros

from alicorn.compiled import kernel, subroutine
from alicorn.index import Segment
from alicorn.language.order import ByColumn
from alicorn.query.order.ordinals import ordinals_of
from alicorn.query.sets import docset
from alicorn.query.sets.docset import Bitmap, DocSet

_TESTS = 8  # steps of a walk for each that a set spread evenly would need; beyond, its members come late
_FEW = 256  # above, the best places are not kept one by one
_SORTED = 1024  # a set of so small a share of the documents is sorted: to read a bitmap of all places takes longer
_KEPT = 8  # orders of a segment


class Permutation(NamedTuple):
    """numbers: document numbers in the order; places: the place of each document in it. (num_docs,) uint32 each."""

    numbers: np.ndarray
    places: np.ndarray


_made: WeakKeyDictionary[Segment, OrderedDict[tuple[ByColumn, ...], Permutation]] = WeakKeyDictionary()


def permutation_of(segment: Segment, columns: tuple[ByColumn, ...], kinds: Mapping[str, pa.DataType]) -> Permutation:
    """The order by columns, then by static rank, falling, and doc_id. kinds: the types of the collection's columns."""
    if not columns:
        return Permutation(segment.by_static_rank, segment.static_order)
    made = _made.setdefault(segment, OrderedDict())
    permutation = made.get(columns)
    if permutation is None:
        numbers = segment.by_static_rank
        for column in reversed(columns):
            ordinals = ordinals_of(segment, column.name, kinds[column.name])
            numbers = _sorted_by(ordinals.key(column.falling), len(ordinals.values), numbers)
        places = np.empty_like(numbers)
        places[numbers] = np.arange(len(numbers), dtype=np.uint32)
        permutation = made[columns] = Permutation(numbers, places)
        if len(made) > _KEPT:
            made.popitem(last=False)
    return permutation


def first_of(permutation: Permutation, documents: DocSet, limit: int, start: int = 0) -> np.ndarray:
    """The first `limit` documents of a set from the place `start` of the order on -> uint32 numbers, in the order."""
    limit = min(limit, docset.size(documents))
    num_docs = len(permutation.numbers)
    if limit == 0 or start == num_docs:
        return docset.EMPTY
    out = np.empty(limit, dtype=np.uint32)
    if isinstance(documents, Bitmap):
        num_tests = min(num_docs, start + _TESTS * limit * num_docs // documents.count)
        if limit > _FEW and limit * num_docs > 2 * documents.count**2:
            return out[: _read_marks(_marked(documents, permutation.places), permutation.numbers, start, out)]
        found = _walk(permutation.numbers, documents.words, start, num_tests, out)
        if found == limit or num_tests == num_docs:
            return out[:found]
    if limit > _FEW and docset.size(documents) > num_docs // _SORTED:
        return out[: _read_marks(_marked(documents, permutation.places), permutation.numbers, start, out)]
    if limit > _FEW:
        return _partitioned(permutation.places, docset.as_array(documents), limit, start)
    if isinstance(documents, Bitmap):
        found = _best_of_bits(documents.words, permutation.places, start, out)
    else:
        found = _best_of_array(docset.as_array(documents), permutation.places, start, out)
    return out[:found]


def _marked(documents: DocSet, places: np.ndarray) -> np.ndarray:
    """The places of a set as a bitmap: (ceil(num_docs / 64),) uint64."""
    marks = np.zeros((len(places) + 63) // 64, dtype=np.uint64)
    if isinstance(documents, Bitmap):
        _mark_bits(documents.words, places, marks)
    else:
        _mark_array(docset.as_array(documents), places, marks)
    return marks


def _partitioned(places: np.ndarray, numbers: np.ndarray, limit: int, start: int) -> np.ndarray:
    own = places[numbers]
    if start:
        numbers, own = numbers[own >= start], own[own >= start]
    if limit < len(numbers):
        kept = np.argpartition(own, limit)[:limit]
        numbers, own = numbers[kept], own[kept]
    return numbers[np.argsort(own)]


def _sorted_by(keys: np.ndarray, num_values: int, numbers: np.ndarray) -> np.ndarray:
    """The numbers sorted stably by their keys. keys: see Ordinals.key."""
    out = np.empty_like(numbers)
    _counting_sort(keys, num_values, numbers, out)
    return out


@kernel("void(uint32[::1], int64, uint32[::1], uint32[::1])")
def _counting_sort(keys, num_values, numbers, out):
    """keys: by document number; one of num_values and above is that of null."""
    starts = np.zeros(num_values + 2, dtype=np.int64)
    for key in keys:
        starts[min(np.int64(key), num_values) + 1] += 1
    for i in range(num_values):
        starts[i + 1] += starts[i]
    for number in numbers:
        key = min(np.int64(keys[number]), num_values)
        out[starts[key]] = number
        starts[key] += 1


@kernel("int64(uint32[::1], uint64[::1], int64, int64, uint32[::1])")
def _walk(best_first, words, start, stop, out):
    """Fill `out` with the first of best_first[start:stop] whose bit is set -> how many."""
    found = np.int64(0)
    for i in range(start, stop):
        document = best_first[i]
        out[found] = document  # without a branch: whether it is in the set cannot be predicted
        found += np.int64(words[document >> np.uint32(6)] >> np.uint64(document & np.uint32(63))) & 1
        if found == len(out):
            break
    return found


@kernel("void(uint64[::1], uint32[::1], uint64[::1])")
def _mark_bits(words, places, marks):
    for i in range(len(words)):
        word = words[i]
        while word:
            place = places[64 * i + np.int64(trailing_zeros(word))]
            marks[place >> np.uint32(6)] |= np.uint64(1) << np.uint64(place & np.uint32(63))
            word &= word - np.uint64(1)


@kernel("void(uint32[::1], uint32[::1], uint64[::1])")
def _mark_array(documents, places, marks):
    for document in documents:
        place = places[document]
        marks[place >> np.uint32(6)] |= np.uint64(1) << np.uint64(place & np.uint32(63))


@kernel("int64(uint64[::1], uint32[::1], int64, uint32[::1])")
def _read_marks(marks, numbers, start, out):
    """Fill `out` with the documents whose places are marked, from `start` on, in the order -> how many."""
    found = 0
    for i in range(start // 64, len(marks)):
        word = marks[i]
        if i == start // 64:
            word &= ~np.uint64(0) << np.uint64(start % 64)
        while word:
            out[found] = numbers[64 * i + np.int64(trailing_zeros(word))]
            found += 1
            if found == len(out):
                return found
            word &= word - np.uint64(1)
    return found


@subroutine
def _keep(document, place, found, places, out):
    """Put a document among the `found` best, which are in order of their places -> how many are kept now."""
    at = min(found, len(out) - 1)
    while at > 0 and places[at - 1] > place:
        out[at], places[at] = out[at - 1], places[at - 1]
        at -= 1
    out[at], places[at] = document, place
    return min(found + 1, len(out))


@kernel("int64(uint32[::1], uint32[::1], int64, uint32[::1])")
def _best_of_array(documents, order, start, out):
    """Fill `out` with the documents of the smallest places in `order` from `start` on, in their order -> how many."""
    places = np.empty(len(out), dtype=np.uint32)
    found = 0
    for document in documents:
        place = order[document]
        if place >= start and (found < len(out) or place < places[found - 1]):
            found = _keep(document, place, found, places, out)
    return found


@kernel("int64(uint64[::1], uint32[::1], int64, uint32[::1])")
def _best_of_bits(words, order, start, out):
    """The same of the documents whose bit is set."""
    places = np.empty(len(out), dtype=np.uint32)
    found = 0
    for i in range(len(words)):
        word = words[i]
        document = np.uint32(64 * i)
        while word != np.uint64(0):
            if word & np.uint64(1):
                place = order[document]
                if place >= start and (found < len(out) or place < places[found - 1]):
                    found = _keep(document, place, found, places, out)
            word >>= np.uint64(1)
            document += np.uint32(1)
    return found
