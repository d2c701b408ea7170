"""The k nearest of the documents that have all of some terms, where these are few: one compiled loop for all of it.

It intersects the postings, compares the stored vectors and orders the best. The answer is that of evaluating the filter
as a set and searching that (recall.py, scan.py, plan.py), which costs several times as much for few documents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numba import types

from alicorn.compiled import kernel, subroutine
from alicorn.index import SegmentView, Snapshot
from alicorn.language.prepared import Nearest
from alicorn.quantization import ROWS
from alicorn.quantization.kernels.intrinsics import (
    address,
    bytes_at,
    keep,
    new_floats,
    new_numbers,
    new_words,
    numbers_at,
)
from alicorn.quantization.kernels.named import Flags, Numbers, addresses, type_of
from alicorn.query.nn.arguments import NONE_DELETED
from alicorn.query.nn.stages import compare
from alicorn.query.nn.top_k import best_of
from alicorn.query.sets.ranked import Ranked
from alicorn.query.text.in_all import LIST, ROOM, Postings, are_more, leading, next_documents, postings_of, read_lists

FEW = 4_000  # allowed documents: comparing all of them costs less than choosing among clusters


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


@kernel(*(types.void(*argument_types(stored)) for stored in ROWS.values()))
def _nearest_each(arrays, queries, all_terms, stops, most, k, documents, scores, counts):
    segment = addresses(arrays)
    dim, longest, start = len(queries) // len(stops), 1, 0
    for stop in stops:
        longest, start = max(longest, stop - start), stop
    space, row_array, score_array = new_words(LIST * longest), new_numbers(most + ROOM), new_floats(most)
    lists, rows, row_scores = address(space), address(row_array), address(score_array)
    start = 0
    for i in range(len(stops)):
        terms, num_terms = address(all_terms) + 8 * start, stops[i] - start
        start, counts[i] = stops[i], 0
        if not read_lists(segment.postings, terms, num_terms, lists):
            continue
        count = _allowed_rows(segment, lists, num_terms, most, rows)
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
