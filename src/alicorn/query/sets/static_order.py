"""Documents in static-rank order over all segments of a snapshot: the first ones of a set, and those of a `weak-and`.

Within a segment the order is stored (`Segment.by_static_rank`); the segments' orders are merged as they are walked, by
static rank, descending, then by the bytes of doc_id. Documents are read off bitmaps, so a document that is not in the
set costs the test of one bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import types

from alicorn.compiled import kernel, subroutine
from alicorn.index import Snapshot
from alicorn.quantization.kernels.intrinsics import (
    address,
    bytes_at,
    doubles_at,
    longs_at,
    numbers_at,
    popcount,
    words_at,
)
from alicorn.quantization.kernels.named import Longs, addresses, type_of
from alicorn.query.sets import docset
from alicorn.query.sets.docset import DocSet


class Orders(NamedTuple):
    """The order of each segment: addresses of arrays that the snapshot owns, (segments,) int64 each.

    numbers: document numbers in the order (uint32); sizes: how many; ranks: static ranks by document number (float64);
    offsets, ids: where the id of each document starts (uint32, one more), and the bytes of all ids.
    places, heads: room of a merge: the place in each order, and the segments by the document at their place.
    """

    numbers: Longs
    sizes: Longs
    ranks: Longs
    offsets: Longs
    ids: Longs
    places: Longs
    heads: Longs

    @classmethod
    def of(cls, snapshot: Snapshot) -> Orders:
        segments = [view.segment for view in snapshot.segments]
        return cls(
            _addresses([segment.by_static_rank for segment in segments]),
            np.array([segment.num_docs for segment in segments], dtype=np.int64),
            _addresses([segment.static_rank for segment in segments]),
            _addresses([segment.ids.buffers[0] for segment in segments]),
            _addresses([segment.ids.buffers[1] for segment in segments]),
            np.empty(len(segments), dtype=np.int64),
            np.empty(len(segments), dtype=np.int64),
        )


def first_documents(snapshot: Snapshot, sets: Sequence[DocSet], limit: int) -> tuple[np.ndarray, np.ndarray]:
    """The first `limit` documents of the sets, one set a segment: segments (n,) int64 and numbers (n,) int64."""
    words = _words_of(snapshot, sets)
    count = min(limit, sum(map(docset.size, sets)))
    segments, numbers = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    _first(Orders.of(snapshot), _addresses(words), segments, numbers)
    return segments, numbers


def with_optional_hits(
    snapshot: Snapshot, sets: Sequence[DocSet], operands: Sequence[Sequence[DocSet]], hits: Sequence[int]
) -> list[DocSet]:
    """The documents of the sets, one a segment, that a `weak-and` accepts although they lack operands.

    operands: the sets of each marked operand; hits: how many documents may lack it. In static-rank order, a document is
    taken when every operand that it lacks has hits left, and uses up one of each.
    """
    words = [part.copy() for part in _words_of(snapshot, sets)]
    taken = [np.zeros_like(part) for part in words]
    has = [_words_of(snapshot, operand) for operand in operands]
    _take_with_optional_hits(
        Orders.of(snapshot),
        _addresses(words),
        np.array([len(part) for part in words], dtype=np.int64),
        np.array([_addresses(parts) for parts in has], dtype=np.int64).reshape(len(hits), len(words)),
        np.array(hits, dtype=np.int64),
        _addresses(taken),
    )
    return [docset.from_words(part, view.segment.num_docs) for part, view in zip(taken, snapshot.segments, strict=True)]


def _words_of(snapshot: Snapshot, sets: Sequence[DocSet]) -> list[np.ndarray]:
    return [docset.as_words(part, view.segment.num_docs) for part, view in zip(sets, snapshot.segments, strict=True)]


def _addresses(arrays: Sequence[np.ndarray]) -> np.ndarray:
    return np.array([array.ctypes.data for array in arrays], dtype=np.int64)


# In compiled code all arrays are addresses (kernels/intrinsics.py says why), and so are `orders` and `words`: of the
# bitmap words of each segment.


@subroutine
def _has(words, segment, number):
    return (_words(words, segment)[number >> 6] >> np.uint64(number & 63)) & np.uint64(1) != np.uint64(0)


@subroutine
def _words(words, segment):
    return words_at(longs_at(words)[segment])


@subroutine
def _numbers(orders, segment):
    return numbers_at(longs_at(orders.numbers)[segment])


@subroutine
def _next_place(orders, words, segment, place):
    """The first place from `place` on whose document is in the set; the size of the segment when there is none."""
    numbers, size = _numbers(orders, segment), longs_at(orders.sizes)[segment]
    while place < size and not _has(words, segment, np.int64(numbers[place])):
        place += 1
    return place


@subroutine
def _precedes(orders, first, a, second, b):
    """Whether document a of one segment comes before document b of another."""
    first_rank = doubles_at(longs_at(orders.ranks)[first])[a]
    second_rank = doubles_at(longs_at(orders.ranks)[second])[b]
    if first_rank != second_rank:
        return first_rank > second_rank
    starts, other_starts = numbers_at(longs_at(orders.offsets)[first]), numbers_at(longs_at(orders.offsets)[second])
    size, other_size = np.int64(starts[a + 1] - starts[a]), np.int64(other_starts[b + 1] - other_starts[b])
    one = bytes_at(longs_at(orders.ids)[first] + np.int64(starts[a]))
    other = bytes_at(longs_at(orders.ids)[second] + np.int64(other_starts[b]))
    for i in range(min(size, other_size)):
        if one[i] != other[i]:
            return one[i] < other[i]
    return size < other_size


@subroutine
def _placed(orders, count, segment):
    """Insert a segment into the first `count` heads, which ascend, from the front -> how many there are now."""
    places, heads = longs_at(orders.places), longs_at(orders.heads)
    number = np.int64(_numbers(orders, segment)[places[segment]])
    at = 0
    while at < count:
        other = heads[at]
        if not _precedes(orders, other, np.int64(_numbers(orders, other)[places[other]]), segment, number):
            break
        at += 1
    for i in range(count, at, -1):
        heads[i] = heads[i - 1]
    heads[at] = segment
    return count + 1


@subroutine
def _started(orders, words, num_segments):
    """Go to the first document of the set in every segment -> how many segments have one."""
    places, count = longs_at(orders.places), 0
    for segment in range(num_segments):
        places[segment] = _next_place(orders, words, segment, 0)
        if places[segment] < longs_at(orders.sizes)[segment]:
            count = _placed(orders, count, segment)
    return count


@subroutine
def _current(orders):
    """Segment and number of the document that the merge has come to."""
    segment = longs_at(orders.heads)[0]
    return segment, np.int64(_numbers(orders, segment)[longs_at(orders.places)[segment]])


@subroutine
def _advanced(orders, words, count):
    """Go on to the next document -> how many of the `count` segments have one."""
    places, heads = longs_at(orders.places), longs_at(orders.heads)
    segment = heads[0]
    places[segment] = _next_place(orders, words, segment, places[segment] + 1)
    for i in range(1, count):
        heads[i - 1] = heads[i]
    if places[segment] == longs_at(orders.sizes)[segment]:
        return count - 1
    return _placed(orders, count - 1, segment)


_ORDERS = type_of(Orders)


@kernel(types.void(_ORDERS, types.int64[::1], types.int64[::1], types.int64[::1]))
def _first(order_arrays, word_addresses, segments, numbers):
    """Fill segments and numbers with the first documents of the set; there are as many."""
    orders, words = addresses(order_arrays), address(word_addresses)
    count = _started(orders, words, len(word_addresses))
    for i in range(len(numbers)):
        segments[i], numbers[i] = _current(orders)
        count = _advanced(orders, words, count)


@subroutine
def _keep_those_with(words, num_words, has):
    """Drop the documents that lack an operand, in every segment."""
    for segment in range(len(num_words)):
        kept, wanted = _words(words, segment), _words(has, segment)
        for at in range(num_words[segment]):
            kept[at] &= wanted[at]


@subroutine
def _take_all_that_fit(words, num_words, has, hits, taken):
    """Accept all remaining documents if every operand has hits for all that lack it -> whether it did."""
    step = 8 * len(num_words)
    for operand in range(len(hits)):
        lacking = np.int64(0)
        for segment in range(len(num_words)):
            left, wanted = _words(words, segment), _words(has + step * operand, segment)
            for at in range(num_words[segment]):
                lacking += np.int64(popcount(left[at] & ~wanted[at]))
        if lacking > hits[operand]:
            return False
    for segment in range(len(num_words)):
        left, out = _words(words, segment), _words(taken, segment)
        for at in range(num_words[segment]):
            out[at] |= left[at]
    return True


@kernel(
    types.void(_ORDERS, types.int64[::1], types.int64[::1], types.int64[:, ::1], types.int64[::1], types.int64[::1])
)
def _take_with_optional_hits(order_arrays, word_addresses, num_words, has_addresses, hits, taken_addresses):
    """words: of the documents that may still be taken; those that lack an operand leave when its hits are used up."""
    orders, words, taken = addresses(order_arrays), address(word_addresses), address(taken_addresses)
    has, step = address(has_addresses), 8 * len(num_words)
    for operand in range(len(hits)):
        if hits[operand] == 0:
            _keep_those_with(words, num_words, has + step * operand)
    if _take_all_that_fit(words, num_words, has, hits, taken):
        return
    count = _started(orders, words, len(num_words))
    while count:
        segment, number = _current(orders)
        if _has(words, segment, number):
            bit = np.uint64(1) << np.uint64(number & 63)
            _words(taken, segment)[number >> 6] |= bit
            _words(words, segment)[number >> 6] &= ~bit
            used_up = False
            for operand in range(len(hits)):
                if not _has(has + step * operand, segment, number):
                    hits[operand] -= 1
                    if hits[operand] == 0:
                        _keep_those_with(words, num_words, has + step * operand)
                        used_up = True
            if used_up and _take_all_that_fit(words, num_words, has, hits, taken):
                return
        count = _advanced(orders, words, count)
