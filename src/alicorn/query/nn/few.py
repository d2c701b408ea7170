"""The k nearest of the documents that have all of some terms, where these are few: one compiled loop for all of it.

It intersects the postings, compares the stored vectors and orders the best. The answer is that of evaluating the filter
as a set and searching that (recall.py, scan.py, plan.py), which costs several times as much for few documents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Annotated, Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numba import types
from numba.cpython.unsafe.numbers import trailing_zeros

from alicorn.compiled import kernel, subroutine
from alicorn.index import SegmentView, Snapshot
from alicorn.language.prepared import Nearest
from alicorn.quantization import ROWS
from alicorn.quantization.kernels.intrinsics import (
    address,
    bytes_at,
    keep,
    longs_at,
    new_floats,
    new_numbers,
    new_words,
    numbers_at,
    words_at,
)
from alicorn.quantization.kernels.named import Flags, Longs, Numbers, addresses, type_of
from alicorn.query.nn.arguments import NONE_DELETED
from alicorn.query.nn.stages import compare
from alicorn.query.nn.top_k import best_of
from alicorn.query.sets.ranked import Ranked
from alicorn.query.text.lists import has, seek

FEW = 4_000  # allowed documents: comparing all of them costs less than choosing among clusters

_FIRST, _STOP, _BITS, _LIST = range(4)  # of a posting list, and how many these are


class Arrays(NamedTuple):
    """A segment and its vectors of one key. stored, docs: of BlockArrays. postings, starts: of Segment. frequent, bits:
    the numbers and the bitmaps of frequent terms. rows_of: of EmbeddingBlock, 0xFFFFFFFF for none. deleted: of
    documents, empty when none is.

    identity: whether a document's number is its row; then documents without the embedding count as allowed, too, as
    they do in scan.py.
    """

    stored: Any
    postings: Numbers
    starts: Longs
    frequent: Longs
    bits: Annotated[np.ndarray, "uint64[:, ::1]"]
    docs: Numbers
    rows_of: Numbers
    deleted: Flags
    id_order: Numbers
    num_frequent: int
    num_words: int
    num_rows: int
    any_deleted: int
    identity: int

    @classmethod
    def of(cls, view: SegmentView, key: str) -> Arrays:
        segment, block = view.segment, view.segment.embeddings[key]
        return cls(
            block.arrays.stored,
            segment.postings,
            segment.posting_starts,
            segment.frequent.numbers,
            segment.frequent.words,
            block.docs,
            block.rows_of.view(np.uint32),
            NONE_DELETED if view.deleted is None else view.deleted,
            segment.id_order,
            len(segment.frequent.numbers),
            (segment.num_docs + 63) // 64,
            len(block.docs),
            int(view.deleted is not None),
            int(block.identity),
        )


_made: WeakKeyDictionary[SegmentView, dict[str, Arrays]] = WeakKeyDictionary()


def nearest_of_terms(snapshot: Snapshot, nearest: Nearest, vectors: Mapping[str, np.ndarray]) -> Ranked | None:
    """The documents of an `nn` of words, nearest first; None where it is not certain that few documents have them all.

    vectors: of unit length.
    """
    nn, words = nearest
    if len(snapshot.segments) != 1 or nn.nprobe is not None or not (words.all or len(words.terms) == 1):
        return None
    assert nn.k is not None
    view = snapshot.segments[0]
    find = view.segment.terms.find
    terms = np.array([find(term) for term in words.terms])
    arrays = arrays_of(view, nn.key)
    query = snapshot.quantizers[nn.key].exact_query(vectors[nn.vector or nn.key])
    k, most = min(nn.k, snapshot.num_docs), FEW if nn.scan is None else min(FEW, nn.scan)
    found, scores, counts = np.empty(k, np.uint32), np.empty(k, np.float32), np.empty(1, np.int64)
    nearest_each(arrays, query, terms, np.array([len(terms)]), most, k, found, scores, counts)
    count = counts[0]
    if count < 0:
        return None
    return Ranked(np.zeros(count, np.int64), found[:count], scores[:count])


def arrays_of(view: SegmentView, key: str) -> Arrays:
    """Kept as long as the view."""
    made = _made.get(view)
    if made is None:
        made = _made[view] = {}
    arrays = made.get(key)
    if arrays is None:
        arrays = made[key] = Arrays.of(view, key)
    return arrays


def nearest_each(
    arrays: Arrays,
    queries: np.ndarray,
    terms: np.ndarray,
    stops: np.ndarray,
    most: int,
    k: int,
    documents: np.ndarray,
    scores: np.ndarray,
    counts: np.ndarray,
) -> None:
    """For each query the k nearest of the documents that have all of its own terms, as far as these are at most `most`.

    queries: (n * dim,) float32, prepared for comparing stored rows. terms: int64 numbers, -1 for one that is missing;
    those of query i are terms[stops[i - 1]:stops[i]]. Fills documents and scores, (n * k,) uint32 and float32, best
    first, ties by id_order, and counts, (n,) int64: how many; -1 if the documents may be more. Nothing checks the
    types of the arrays, as in kernel.search_block.
    """
    _compiled_for(arrays.stored.__class__)(arrays, queries, terms, stops, most, k, documents, scores, counts)


@cache
def _compiled_for(stored: type) -> Callable[..., None]:
    """The loop for one class of stored rows."""
    entry: Callable[..., None] = _nearest_each.compile(argument_types(stored))
    return entry


def argument_types(stored: type) -> tuple[types.Type, ...]:
    """The types of the arguments of nearest_each."""
    return (
        type_of(Arrays, stored=type_of(stored)),
        types.float32[::1],
        types.int64[::1],
        types.int64[::1],
        types.int64,
        types.int64,
        types.uint32[::1],
        types.float32[::1],
        types.int64[::1],
    )


@subroutine
def _bitmap_of(segment, term):
    """The address of the bitmap of a term; 0 if it is not frequent."""
    numbers, low, high = longs_at(segment.frequent), 0, segment.num_frequent
    while low < high:
        middle = (low + high) // 2
        if numbers[middle] < term:
            low = middle + 1
        else:
            high = middle
    is_frequent = low < segment.num_frequent and numbers[low] == term
    return segment.bits + 8 * segment.num_words * low if is_frequent else 0


@subroutine
def _read_lists(segment, terms, num_terms, space):
    """Write where the posting list of each term is, the shortest first -> whether every term has one."""
    for i in range(num_terms):
        term = longs_at(terms)[i]
        if term < 0:
            return False
        one, first = longs_at(space + 8 * _LIST * i), longs_at(space)
        one[_FIRST], one[_STOP] = longs_at(segment.starts)[term], longs_at(segment.starts)[term + 1]
        one[_BITS] = _bitmap_of(segment, term)
        if one[_STOP] - one[_FIRST] < first[_STOP] - first[_FIRST]:
            for at in range(_LIST):
                one[at], first[at] = first[at], one[at]
    return True


@subroutine
def _allow(segment, document, allowed, count, rows):
    """Add a document -> how many are allowed, and how many rows they have."""
    if segment.any_deleted and bytes_at(segment.deleted)[document]:
        return allowed, count
    row = np.int64(numbers_at(segment.rows_of)[document])
    has_row = row < segment.num_rows
    if has_row:
        numbers_at(rows)[count] = np.uint32(row)
    return allowed + (has_row or segment.identity), count + has_row


@subroutine
def _rows_in_bitmaps(segment, lists, num_lists, most, rows):
    """The rows of the documents that are in all bitmaps -> how many; -1 if more than `most` are allowed."""
    allowed, count = 0, 0
    for at in range(segment.num_words):
        word = words_at(longs_at(lists)[_BITS])[at]
        for i in range(1, num_lists):
            word &= words_at(longs_at(lists)[_LIST * i + _BITS])[at]
        while word != np.uint64(0):
            if allowed == most:
                return -1
            allowed, count = _allow(segment, 64 * at + np.int64(trailing_zeros(word)), allowed, count, rows)
            word &= word - np.uint64(1)
    return count


@subroutine
def _rows_in_lists(segment, lists, num_lists, most, rows):
    """The same of the documents of the first list that are in all others."""
    first, postings = longs_at(lists), numbers_at(segment.postings)
    allowed, count = 0, 0
    for place in range(first[_FIRST], first[_STOP]):
        document = np.int64(postings[place])
        in_all = True
        for i in range(1, num_lists):
            other = longs_at(lists + 8 * _LIST * i)
            if other[_BITS]:
                in_all = has(words_at(other[_BITS]), document)
            else:
                at = seek(postings, other[_FIRST], other[_STOP], document)
                other[_FIRST] = at
                in_all = at < other[_STOP] and np.int64(postings[at]) == document
            if not in_all:
                break
        if in_all:
            if allowed == most:
                return -1
            allowed, count = _allow(segment, document, allowed, count, rows)
    return count


@kernel(*(types.void(*argument_types(stored)) for stored in ROWS.values()))
def _nearest_each(arrays, queries, all_terms, stops, most, k, documents, scores, counts):
    segment = addresses(arrays)
    dim, longest, start = len(queries) // len(stops), 1, 0
    for stop in stops:
        longest, start = max(longest, stop - start), stop
    space, row_array, score_array = new_words(_LIST * longest), new_numbers(most), new_floats(most)
    lists, rows, row_scores = address(space), address(row_array), address(score_array)
    start = 0
    for i in range(len(stops)):
        terms, num_terms = address(all_terms) + 8 * start, stops[i] - start
        start = stops[i]
        counts[i] = 0
        if not _read_lists(segment, terms, num_terms, lists):
            continue
        if longs_at(lists)[_BITS]:  # frequent, and so are all others
            count = _rows_in_bitmaps(segment, lists, num_terms, most, rows)
        else:
            count = _rows_in_lists(segment, lists, num_terms, most, rows)
        if count <= 0:
            counts[i] = count
            continue
        compare(segment.stored, address(queries) + 4 * dim * i, count, rows, row_scores)
        best_rows, best_scores = best_of(rows, row_scores, count, k, segment.docs, segment.id_order)
        counts[i] = len(best_rows)
        for at in range(len(best_rows)):
            documents[k * i + at] = arrays.docs[best_rows[at]]
            scores[k * i + at] = best_scores[at]
    keep(space)
    keep(row_array)
    keep(score_array)
