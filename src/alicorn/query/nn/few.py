"""The documents that have all of some terms, where these are few, by their distance: one compiled loop for all of it.

It intersects the postings, compares the stored vectors and orders the best. The answer is that of evaluating the terms
as a set and searching that (recall.py, scan.py, plan.py), which costs several times as much for few documents.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, Self
from weakref import WeakKeyDictionary

import numpy as np
from numba import types

from alicorn.compiled import kernel, subroutine
from alicorn.index import SegmentView, Snapshot
from alicorn.language import tree
from alicorn.quantization import ROWS
from alicorn.quantization.kernels.intrinsics import (
    address,
    bytes_at,
    floats_at,
    keep,
    new_floats,
    new_numbers,
    new_words,
    numbers_at,
)
from alicorn.quantization.kernels.named import Flags, Floats, Longs, Numbers, located, located_type, type_of
from alicorn.query.nn.loop.arguments import NONE_DELETED
from alicorn.query.nn.loop.stages import compare
from alicorn.query.nn.loop.top_k import best_of
from alicorn.query.text.in_all import (
    LIST,
    ROOM,
    Postings,
    are_more,
    leading,
    next_documents,
    postings_of,
    read_lists,
)

NO_BOUND = -2.0  # below every cosine
FEW = 1_500  # allowed documents: comparing all of them costs less than choosing clusters by a `:recall`
MOST = 4_000  # allowed documents that one loop compares


class Arrays(NamedTuple):
    """A segment and its vectors of one key. stored, docs: of BlockArrays. rows_of: of EmbeddingBlock, 0xFFFFFFFF for
    none. deleted: of documents, empty when none is.

    identity: whether a document's number is its row; then documents without the embedding count as allowed, too, as
    they do in scan.py. num_missing: at most how many documents do not count.
    """

    stored: Any
    postings: Postings
    docs: Numbers
    rows_of: Numbers
    deleted: Flags
    id_order: Numbers
    num_rows: int
    any_deleted: int
    num_missing: int
    identity: int

    @classmethod
    def of(cls, view: SegmentView, key: str) -> Arrays:
        segment, block = view.segment, view.segment.embeddings[key]
        return cls(
            block.arrays.stored,
            postings_of(segment),
            block.docs,
            block.rows_of.view(np.uint32),
            NONE_DELETED if view.deleted is None else view.deleted,
            segment.id_order,
            len(block.docs),
            int(view.deleted is not None),
            segment.num_docs - view.num_live + (0 if block.identity else segment.num_docs - len(block.docs)),
            int(block.identity),
        )


class _Made(NamedTuple):
    """The addresses of arrays, which are kept with them."""

    located: Arrays
    arrays: Arrays


_made: WeakKeyDictionary[SegmentView, dict[str, _Made]] = WeakKeyDictionary()


class Wanted(NamedTuple):
    """What an `nn` wants of its documents: the k nearest, 0 for as many as are shown, whose cosine is at least `least`,
    unless more than `most` are allowed. vector: its name."""

    key: str
    vector: str
    k: int
    most: int
    least: float

    @classmethod
    def of(cls, snapshot: Snapshot, nn: tree.Nn) -> Self | None:
        """None for an `nn` that is not complete even of few documents, or that has neither k nor all clusters."""
        if nn.nprobe is not None:
            return None
        if nn.k is not None:
            most = FEW if nn.recall is not None else MOST if nn.scan is None else min(MOST, nn.scan)
            return cls(nn.key, nn.vector or nn.key, min(nn.k, snapshot.num_docs), most, NO_BOUND)
        if nn.radius is None or nn.scan is not None:
            return None
        return cls(nn.key, nn.vector or nn.key, 0, MOST, 1.0 - nn.radius)

    def total(self, count: int) -> int:
        """How many documents match. count: how many reach `least`."""
        return min(self.k, count) if self.least == NO_BOUND else count


def arrays_of(view: SegmentView, key: str) -> Arrays:
    """Located. Kept as long as the view."""
    made = _made.get(view)
    if made is None:
        made = _made[view] = {}
    known = made.get(key)
    if known is None:
        arrays = Arrays.of(view, key)
        known = made[key] = _Made(located(arrays), arrays)
    return known.located


class NearestEach(NamedTuple):
    """documents, scores: (n * k,) uint32 and float32, the first k of each query, best first, ties by doc_id. counts:
    (n,) int64, how many documents reach `least`; -1 if more than `most` may be allowed."""

    documents: Numbers
    scores: Floats
    counts: Longs

    @classmethod
    def of(cls, num_queries: int, k: int) -> Self:
        """Not filled yet."""
        size = num_queries * k
        return cls(np.empty(size, np.uint32), np.empty(size, np.float32), np.empty(num_queries, np.int64))


@cache
def loop_for(stored: type) -> Callable[..., None]:
    """The loop for one class of stored rows. Nothing checks the types of its arguments, as in loop/kernel.py."""
    entry: Callable[..., None] = _nearest_each.compile(argument_types(stored))
    return entry


def argument_types(stored: type) -> tuple[types.Type, ...]:
    """The types of the arguments of the loop."""
    arrays, numbers = located_type(type_of(Arrays, stored=type_of(stored))), types.int64[::1]
    last = types.int64, types.int64, types.float64, type_of(NearestEach)
    return arrays, types.float32[::1], numbers, numbers, types.int64[:, ::1], *last


@subroutine
def _allowed_rows(segment, lists, num_lists, most, rows):
    """The rows of the live documents that are in all lists -> how many; -1 if more than `most` are allowed."""
    postings, out = segment.postings, numbers_at(rows)
    leader = leading(lists, num_lists)
    if are_more(lists, num_lists, leader, postings.num_words, most + segment.num_missing):
        return np.int64(-1)
    allowed, count, position = np.int64(0), np.int64(0), np.int64(0)
    while True:
        found, position = next_documents(lists, num_lists, leader, postings.num_words, position, rows + 4 * count)
        if found == 0:
            return count
        for i in range(count, count + found):
            document = np.int64(out[i])
            if segment.any_deleted and bytes_at(segment.deleted)[document]:
                continue
            row = np.int64(numbers_at(segment.rows_of)[document])
            out[count] = np.uint32(row)
            count += np.int64(row < segment.num_rows)
            allowed += np.int64(segment.identity or row < segment.num_rows)
        if allowed > most:
            return np.int64(-1)


@subroutine
def _reaching(rows, scores, count, least):
    """Keep, in place, the rows whose score is at least `least` -> how many."""
    kept = np.int64(0)
    for i in range(count):
        numbers_at(rows)[kept], floats_at(scores)[kept] = numbers_at(rows)[i], floats_at(scores)[i]
        kept += np.int64(np.float64(floats_at(scores)[kept]) >= least)
    return kept


@kernel(*(types.void(*argument_types(stored)) for stored in ROWS.values()))
def _nearest_each(segment, queries, all_terms, stops, sets, most, k, least, result):
    """What each query, (n * dim,) float32, prepared for comparing stored rows, wants of the documents of its own terms.

    terms, sets: see in_all.py; of query i: terms[stops[i - 1]:stops[i]].
    """
    counts = result.counts
    dim, longest, start = len(queries) // len(stops), 1, 0
    for stop in stops:
        longest, start = max(longest, stop - start), stop
    space, row_array, score_array = new_words(LIST * longest), new_numbers(most + ROOM), new_floats(most)
    lists, rows, row_scores = address(space), address(row_array), address(score_array)
    start = 0
    for i in range(len(stops)):
        terms, num_terms = address(all_terms) + 8 * start, stops[i] - start
        start, counts[i] = stops[i], 0
        if not read_lists(segment.postings, address(sets), terms, num_terms, lists):
            continue
        count = _allowed_rows(segment, lists, num_terms, most, rows)
        if count <= 0:
            counts[i] = count
            continue
        compare(segment.stored, address(queries) + 4 * dim * i, count, rows, row_scores)
        count = counts[i] = _reaching(rows, row_scores, count, least)
        best_rows, best_scores = best_of(rows, row_scores, count, k, segment.docs, segment.id_order)
        for at in range(len(best_rows)):
            result.documents[k * i + at] = numbers_at(segment.docs)[best_rows[at]]
            result.scores[k * i + at] = best_scores[at]
    keep(space)
    keep(row_array)
    keep(score_array)
