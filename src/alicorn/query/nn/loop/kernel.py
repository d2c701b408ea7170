"""The compiled search of one block: scan codes, exclude by bounds, verify by stored vectors.

Each row takes only as many stages as it must (stages.py):

    scan      an estimate by the first part of its code, off by at most `errors[row] + slack`;
    refine    by the second part too, where there is one: off by `fine_errors[row] + slack`;
    verify    the stored vector: the score itself.

A row takes the next stage if its score may still reach the radius, or a bound on the k-th best score.
Without a second part, a row that its code cannot exclude is verified at once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numba import types

from alicorn.compiled import kernel, subroutine
from alicorn.index import BlockArrays
from alicorn.quantization import ROWS, ROWS_AND_QUERIES
from alicorn.quantization.kernels.intrinsics import (
    address,
    floats_at,
    keep,
    longs_at,
    new_floats,
    new_numbers,
    numbers_at,
    stack_space,
)
from alicorn.quantization.kernels.named import addresses, located_type, type_of
from alicorn.query.nn.loop.allowed import with_allowed
from alicorn.query.nn.loop.arguments import LOOKED, Having, Limits, Query
from alicorn.query.nn.loop.choosing import first_clusters, further_clusters, with_clusters
from alicorn.query.nn.loop.collecting import BUFFER, ScanPosition, collect
from alicorn.query.nn.loop.stages import (
    AHEAD,
    Chunk,
    compare,
    prefetch_first,
    prefetch_rest,
    refine,
    scan,
    verify_undecided,
    without_deleted,
)
from alicorn.query.nn.loop.top_k import BINS, at_least, best_of, bound_from, raised
from alicorn.query.text.in_all import Postings
from alicorn.query.wanted import is_over

_STORED = [type_of(rows) for rows in ROWS.values()]
_ANSWER = types.Tuple((types.uint32[::1], types.float32[::1]))
_CHUNK = 32  # rows that are scanned before those that are kept are refined
_ROOM = 256  # candidates to begin with


class _Buffers(NamedTuple):
    """Addresses. rows, bases: what `collect` writes. chunks: of one chunk, and of the one before it, whose second
    parts are on their way from memory. histogram: of top_k.py."""

    rows: int
    bases: int
    chunks: int
    histogram: int


class _Candidates(NamedTuple):
    """Rows that may be in the answer, their scores, and the errors of these: `room` of each, in one array."""

    array: np.ndarray
    room: int


_COLLECTED = BUFFER + 64 + AHEAD  # rows that may be written or read
_CHUNK_BYTES = 3 * 4 * (_CHUNK + 1)
_space = stack_space(2 * 4 * _COLLECTED + 2 * _CHUNK_BYTES + 8 * BINS)


@subroutine
def _buffers(start, k):
    """Its parts, set to 0 where they may be read before they are written."""
    bases = start + 4 * _COLLECTED
    chunks = bases + 4 * _COLLECTED
    buffers = _Buffers(start, bases, chunks, chunks + 2 * _CHUNK_BYTES)
    for i in range(_COLLECTED):
        numbers_at(start)[i] = np.uint32(0)
    for i in range(2 * _CHUNK_BYTES // 4):
        numbers_at(chunks)[i] = np.uint32(0)
    if k:
        for i in range(BINS):
            longs_at(buffers.histogram)[i] = 0
    return buffers


@subroutine
def _chunk(buffers, turn):
    rows = buffers.chunks + _CHUNK_BYTES * turn
    return Chunk(rows, rows + 4 * (_CHUNK + 1), rows + 8 * (_CHUNK + 1))


@subroutine
def _parts(candidates):
    """Their addresses, as long as their array is kept."""
    rows = address(candidates.array)
    return Chunk(rows, rows + 4 * candidates.room, rows + 8 * candidates.room)


@subroutine
def _still_possible(candidates, found, bound):
    """Keep, in place, the candidates that may reach the bound -> how many."""
    rows, scores, errors = _elements(_parts(candidates))
    kept = 0
    for i in range(found):
        if scores[i] + errors[i] >= bound:
            rows[kept], scores[kept], errors[kept] = rows[i], scores[i], errors[i]
            kept += 1
    return kept


@subroutine
def _elements(chunk):
    return numbers_at(chunk.rows), floats_at(chunk.scores), floats_at(chunk.errors)


@subroutine
def _with_room(candidates, found, bound):
    """Make room for one more chunk: drop candidates that cannot reach the bound, then double the room if needed."""
    found = _still_possible(candidates, found, bound)
    room = candidates.room
    if 2 * (found + _CHUNK) > room:
        old, new = candidates.array, new_numbers(6 * room)
        for part in range(3):
            for i in range(found):
                new[2 * room * part + i] = old[room * part + i]
        candidates = _Candidates(new, 2 * room)
    return candidates, found


@subroutine
def _added(candidates, found, bound, histogram, k, count, chunk):
    """Add the rows of a chunk that may reach the bound -> how many there are, and the bound, which rises for k."""
    rows, scores, errors = _elements(_parts(candidates))
    new_rows, new_scores, new_errors = _elements(chunk)
    for i in range(count):
        if new_scores[i] + new_errors[i] < bound.value:
            continue
        rows[found], scores[found], errors[found] = new_rows[i], new_scores[i], new_errors[i]
        found += 1
        if k:
            bound = raised(bound, histogram, new_scores[i] - new_errors[i], k)
    return found, bound


@subroutine
def _num_verified(candidates, found):
    """How many candidates, those in front, have been compared by their stored vectors in an earlier look."""
    _, _, errors = _elements(_parts(candidates))
    count = 0
    while count < found and errors[count] == 0:
        count += 1
    return count


@subroutine
def _after(chunk, count):
    return Chunk(chunk.rows + 4 * count, chunk.scores + 4 * count, chunk.errors + 4 * count)


@subroutine
def _k_known(candidates, found, limits, docs, bound):
    """Keep the k best of candidates whose scores are exact -> how many, and the bound: the score of the k-th."""
    parts = _parts(candidates)
    rows, scores, errors = _elements(parts)
    best_rows, best_scores = best_of(parts.rows, parts.scores, found, limits.k, docs, limits.id_order)
    found = len(best_rows)
    for i in range(found):
        rows[i], scores[i], errors[i] = best_rows[i], best_scores[i], np.float32(0.0)
    return found, at_least(bound, best_scores[found - 1]) if found == limits.k else bound


@subroutine
def _answer(candidates, found, limits, docs):
    """The candidates that reach `least`; the k best of these, best first."""
    parts = _parts(candidates)
    rows, scores, _ = _elements(parts)
    kept = 0
    for i in range(found):
        if np.float64(scores[i]) >= limits.least:
            rows[kept], scores[kept] = rows[i], scores[i]
            kept += 1
    if limits.k:
        return best_of(parts.rows, parts.scores, kept, limits.k, docs, limits.id_order)
    all_rows, all_scores = new_numbers(kept), new_floats(kept)
    for i in range(kept):
        all_rows[i], all_scores[i] = rows[i], scores[i]
    return all_rows, all_scores


@cache
def loop_for(stored: type, code: type) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """The search for one class of stored rows and one of prepared queries, compiled when first needed.

    It takes a block, located; a Query; Limits; and counters, (6,) int64, to which it adds. The arrays must be of the
    types that the annotations name: nothing checks them, because finding out the types of so many arguments takes as
    long as a small search.
    It returns the k best rows, best first, ties by id_order; with k = 0, all rows whose score is at least `least`, in
    order: rows (uint32) and their scores (float32); with k = 0 a score may be an estimate that was good enough. Where
    the answer is not wanted any more, they are a part of it.
    """
    entry: Callable[..., tuple[np.ndarray, np.ndarray]] = _search_block.compile(argument_types(stored, code))
    return entry


def argument_types(stored: type, code: type) -> tuple[types.Type, ...]:
    """The types of the arguments of the loop."""
    block, query = type_of(BlockArrays, stored=type_of(stored)), type_of(Query, code=type_of(code))
    having = type_of(Having, postings=located_type(type_of(Postings)))
    return located_type(block), query, type_of(Limits, having=having), types.int64[::1]


@kernel(*(_ANSWER(*argument_types(stored, code)) for stored, code in ROWS_AND_QUERIES))
def _search_block(block, query_arrays, limit_arrays, counter_array):
    query, limits = addresses(query_arrays), addresses(limit_arrays)
    counters = address(counter_array)
    bound = bound_from(np.float32(limits.least) if limits.k else np.float32(limits.least - 1e-6))
    candidates, found = _Candidates(new_numbers(3 * _ROOM), _ROOM), 0
    buffers = _buffers(_space(), limits.k)
    limits, allowed = with_allowed(limits)
    clusters, looks = limit_arrays.clusters, limits.choice.looks
    if limits.choice.nearest or limits.choice.holding:
        clusters, count = first_clusters(block, limits, query_arrays.cosines, limit_arrays.choice)
        limits = with_clusters(limits, address(clusters), count)
        longs_at(counters)[LOOKED] = count
        looks = looks if count < block.num_clusters else 1
    further = clusters
    for look in range(looks):
        position = ScanPosition(0, 0, 0, 0)
        turn, waiting = 0, 0
        collected = 1
        while collected and not is_over(limits.flag):
            rows, bases = buffers.rows, buffers.bases
            collected, position = collect(block, query, limits, position, bound.value, rows, bases, counters)
            prefetch_first(block, query, rows, collected)
            for first in range(0, max(collected, 1), _CHUNK):  # at the end once more, for the chunk that waits
                count, chunk = min(_CHUNK, collected - first), _chunk(buffers, turn)
                count = scan(block, query, rows + 4 * first, bases + 4 * first, count, bound.value, counters, chunk)
                if limits.any_deleted:
                    count = without_deleted(block, limits, count, chunk)
                prefetch_rest(block, query, count, chunk)
                count, waiting = waiting, count
                turn = 1 - turn
                if count:
                    chunk = _chunk(buffers, turn)
                    count = refine(block, query, count, chunk, bound.value, counters)
                    if found + count > candidates.room:
                        candidates, found = _with_room(candidates, found, bound.value)
                    found, bound = _added(candidates, found, bound, buffers.histogram, limits.k, count, chunk)
        found = _still_possible(candidates, found, bound.value)
        verified = _num_verified(candidates, found)
        verify_undecided(block, query, limits, found - verified, _after(_parts(candidates), verified), counters)
        if look + 1 < looks:
            found, bound = _k_known(candidates, found, limits, block.docs, bound)
            further = further_clusters(block, query, limits, bound.value)
            longs_at(counters)[LOOKED] = limits.num_clusters + len(further)
            limits = with_clusters(limits, address(further), len(further))
    result = _answer(candidates, found, limits, block.docs)
    keep(candidates.array)
    keep(clusters)
    keep(further)
    keep(allowed)
    return result


@kernel(*(types.void(stored, types.float32[::1], types.uint32[::1], types.float32[::1]) for stored in _STORED))
def exact_cosines(stored_arrays, query, rows, out):
    """out[i]: the cosine of the query to the stored vector of rows[i]. query: as stored rows are compared with it."""
    compare(addresses(stored_arrays), address(query), len(rows), address(rows), address(out))


@kernel("void(uint32[::1], float32[::1], uint32[::1], uint32[::1], uint32[::1], float32[::1])")
def find_best(rows, scores, docs, id_order, best_rows, best_scores):
    """Fill best_rows and best_scores with the best of rows whose scores are known, best first, ties by id_order.

    docs: of rows; id_order: of docs. Each row is inserted into the best so far: made for few of them.
    """
    k = len(best_rows)
    for i in range(len(rows)):
        row, score, at = rows[i], scores[i], i if i < k else k
        while at > 0 and best_scores[at - 1] <= score:
            before = best_rows[at - 1]
            if best_scores[at - 1] == score and id_order[docs[before]] < id_order[docs[row]]:
                break
            if at < k:
                best_rows[at], best_scores[at] = before, best_scores[at - 1]
            at -= 1
        if at < k:
            best_rows[at], best_scores[at] = row, score


@kernel(_ANSWER(types.uint32[::1], types.float32[::1], types.int64, types.uint32[::1], types.uint32[::1]))
def sort_best(rows, scores, k, docs, id_order):
    """The k best of rows whose scores are known, best first, ties by id_order."""
    return best_of(address(rows), address(scores), len(rows), k, address(docs), address(id_order))
