"""The documents of some words, and those of a list, by static rank over one segment: one compiled loop.

It is the answer of `(or (and a b) (nn x :radius r))`: the `nn` gives the list, and this loop does what is left. It
combines the posting lists, drops deleted documents, marks the place of each document in the order, and reads the marks
off. A few documents are sorted by their places instead.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple

import numpy as np
from numba import types
from numba.cpython.unsafe.numbers import trailing_zeros

from alicorn.compiled import kernel, subroutine
from alicorn.index import SegmentView, Snapshot
from alicorn.language.prepared import Words
from alicorn.quantization.kernels.intrinsics import (
    address,
    bytes_at,
    doubles_at,
    keep,
    longs_at,
    new_numbers,
    new_words,
    numbers_at,
    popcount,
    words_at,
)
from alicorn.quantization.kernels.named import Flags, Numbers, located, located_type, type_of
from alicorn.query.nn.loop.arguments import NONE_DELETED
from alicorn.query.nn.loop.top_k import sorted_by_upper_half
from alicorn.query.text.in_all import (
    DOCUMENTS,
    LIST,
    ROOM,
    SIZE,
    Postings,
    leading,
    next_documents,
    postings_of,
    read_lists,
)

_WORDS_READ = 32  # words of marks: to read so many takes as long as to sort a document
_DOCUMENT = np.uint64(0xFFFFFFFF)


class StaticOrder(NamedTuple):
    """A segment by static rank. places: of each document in the order; best_first: the order; ranks: of each document.

    deleted: of documents, empty when none is.
    """

    postings: Postings
    places: Numbers
    best_first: Numbers
    ranks: Annotated[np.ndarray, "float64[::1]"]
    deleted: Flags
    any_deleted: int

    @classmethod
    def of(cls, view: SegmentView) -> StaticOrder:
        segment, deleted = view.segment, NONE_DELETED if view.deleted is None else view.deleted
        ranked = segment.static_order, segment.by_static_rank, segment.static_rank
        return cls(postings_of(segment), *ranked, deleted, int(view.deleted is not None))


def first_united(
    snapshot: Snapshot, words: Words, documents: np.ndarray, limit: int
) -> tuple[np.ndarray, np.ndarray, int]:
    """The first `limit` of the documents that have some words, or are listed: uint32 numbers, float64 static ranks; and
    how many there are in all. snapshot: of one segment. documents: (n,) uint32, live, in any order."""
    (view,) = snapshot.segments
    known = snapshot.kept.get(StaticOrder)
    if known is None:
        arrays = StaticOrder.of(view)
        known = snapshot.kept[StaticOrder] = located(arrays), arrays  # the arrays are kept with their addresses
    terms = list(map(view.segment.terms.find, words.terms))
    if min(terms) < 0:
        terms = [] if words.all else [term for term in terms if term >= 0]
    asked = known[0], np.array(terms, dtype=np.int64), int(not words.all), documents, min(limit, snapshot.num_docs)  # type: ignore[index]
    numbers, scores, total = _first_united.entry(*asked)
    return numbers, scores, total


@subroutine
def _put(order, out, is_short, count, document):
    """Write a document that is not deleted, by its place: to a short list, or as a mark -> how many are listed."""
    if order.any_deleted and bytes_at(order.deleted)[document]:
        return count
    place = np.int64(numbers_at(order.places)[document])
    if is_short:
        words_at(out)[count] = np.uint64(place) << np.uint64(32) | np.uint64(document)
        return count + 1
    words_at(out)[place >> 6] |= np.uint64(1) << np.uint64(place & 63)
    return count


@subroutine
def _put_words(order, lists, num_lists, is_any, out, is_short, count):
    """Write the documents that have all words, or any."""
    if is_any:
        for i in range(num_lists):
            one = longs_at(lists + 8 * LIST * i)
            for at in range(one[SIZE]):
                count = _put(order, out, is_short, count, np.int64(numbers_at(one[DOCUMENTS])[at]))
        return count
    room = new_numbers(ROOM)
    leader, position = leading(lists, num_lists), np.int64(0)
    while True:
        found, position = next_documents(lists, num_lists, leader, order.postings.num_words, position, address(room))
        if not found:
            break
        for i in range(found):
            count = _put(order, out, is_short, count, np.int64(room[i]))
    keep(room)
    return count


@subroutine
def _each_once(keys, count):
    """Keep, in place, each of some sorted keys once -> how many."""
    words, kept = words_at(keys), np.int64(0)
    for i in range(count):
        if i == 0 or words[i] != words[kept - 1]:
            words[kept] = words[i]
            kept += 1
    return kept


@subroutine
def _num_marked(marks, num_words):
    total = np.int64(0)
    for at in range(num_words):
        total += np.int64(popcount(words_at(marks)[at]))
    return total


@kernel(
    types.Tuple((types.uint32[::1], types.float64[::1], types.int64))(
        located_type(type_of(StaticOrder)), types.int64[::1], types.int64, types.uint32[::1], types.int64
    )
)
def _first_united(order, terms, is_any, documents, limit):
    """The first `limit` of the documents that have all of some terms, or any, or are listed: numbers and static ranks;
    and how many there are."""
    num_terms, num_words = len(terms), order.postings.num_words
    list_space = new_words(LIST * num_terms)
    lists, most = address(list_space), np.int64(len(documents))
    shortest = read_lists(order.postings, 0, address(terms), num_terms, lists)
    for i in range(num_terms if is_any else 0):
        most += longs_at(lists + 8 * LIST * i)[SIZE]
    if not is_any:
        most += shortest
    is_short = most * _WORDS_READ < num_words
    space = new_words(2 * most if is_short else num_words)
    out, count = address(space), np.int64(0)
    for i in range(0 if is_short else num_words):
        words_at(out)[i] = np.uint64(0)
    for i in range(len(documents)):
        count = _put(order, out, is_short, count, np.int64(documents[i]))
    if num_terms:
        count = _put_words(order, lists, num_terms, is_any, out, is_short, count)
    if is_short:
        out = sorted_by_upper_half(out, out + 8 * most, count)
        count = _each_once(out, count)
    else:
        count = _num_marked(out, num_words)
    numbers = np.empty(min(count, limit), dtype=np.uint32)
    scores = np.empty(len(numbers), dtype=np.float64)
    found, at = np.int64(0), np.int64(0)
    while found < len(numbers):
        word = words_at(out)[at]
        if is_short:
            numbers[found] = np.uint32(word & _DOCUMENT)
            found += 1
        while not is_short and word != np.uint64(0) and found < len(numbers):
            numbers[found] = numbers_at(order.best_first)[64 * at + np.int64(trailing_zeros(word))]
            found += 1
            word &= word - np.uint64(1)
        at += 1
    for i in range(len(numbers)):
        scores[i] = doubles_at(order.ranks)[numbers[i]]
    keep(space)
    keep(list_space)
    return numbers, scores, count
