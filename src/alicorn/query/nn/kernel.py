"""The compiled search of one block: scan codes, exclude by bounds, verify by stored vectors.

Each row takes only as many stages as it must (stages.py):

    scan      an estimate by the first part of its code, off by at most `errors[row] + slack`;
    refine    by the second part too, where there is one: off by `fine_errors[row] + slack`;
    verify    the stored vector: the score itself.

What a row may still reach decides whether it takes the next stage: the radius, or a bound on the k-th best score.
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
from alicorn.quantization import CODECS, ROWS
from alicorn.quantization.kernels.intrinsics import address, floats_at, numbers_at
from alicorn.quantization.kernels.named import addresses, type_of
from alicorn.query.nn.arguments import Limits, Query
from alicorn.query.nn.collecting import BUFFER, Cursor, collect
from alicorn.query.nn.stages import (
    AHEAD,
    NEXT,
    Chunk,
    compare,
    prefetch_rest,
    refine,
    scan,
    verify_undecided,
    without_deleted,
)
from alicorn.query.nn.top_k import BINS, best_of, bound_from, doubled, raised

_STORED = [type_of(rows) for rows in ROWS.values()]
_PREPARED = tuple(dict.fromkeys(codec.Query for codec in CODECS.values()))
_ANSWER = types.Tuple((types.uint32[::1], types.float32[::1]))
_CHUNK = 32  # rows that are scanned before those that are kept are refined
_ROOM = 256  # candidates to begin with


class _Buffers(NamedTuple):
    """rows, bases: what `collect` writes. kept_rows, scores, errors: of one chunk, and of the one before it, whose
    second parts are on their way from memory. histogram: of top_k.py."""

    rows: np.ndarray
    bases: np.ndarray
    kept_rows: np.ndarray
    scores: np.ndarray
    errors: np.ndarray
    histogram: np.ndarray


class _Candidates(NamedTuple):
    """Rows that may be in the answer, their scores, and how far these may be off."""

    rows: np.ndarray
    scores: np.ndarray
    errors: np.ndarray


@subroutine
def _buffers(k):
    size = BUFFER + 64 + AHEAD
    two = 2 * (_CHUNK + 1)
    return _Buffers(
        np.zeros(size, dtype=np.uint32),
        np.empty(size, dtype=np.float32),
        np.empty(two, dtype=np.uint32),
        np.empty(two, dtype=np.float32),
        np.zeros(two, dtype=np.float32),
        np.zeros(BINS if k else 1, dtype=np.int64),
    )


@subroutine
def _chunk(buffers, turn):
    start = 4 * (_CHUNK + 1) * turn
    return Chunk(buffers.kept_rows + start, buffers.scores + start, buffers.errors + start)


@subroutine
def _room():
    return _Candidates(
        np.empty(_ROOM, dtype=np.uint32), np.empty(_ROOM, dtype=np.float32), np.empty(_ROOM, dtype=np.float32)
    )


@subroutine
def _still_possible(candidates, found, bound):
    """Keep, in place, the candidates that may reach the bound -> how many."""
    rows, scores, errors = candidates
    kept = 0
    for i in range(found):
        if scores[i] + errors[i] >= bound:
            rows[kept], scores[kept], errors[kept] = rows[i], scores[i], errors[i]
            kept += 1
    return kept


@subroutine
def _with_room(candidates, found, bound):
    """Room for one more chunk: what cannot reach the bound leaves; what is left gets twice as much if it needs it."""
    found = _still_possible(candidates, found, bound)
    if 2 * (found + _CHUNK) > len(candidates.rows):
        candidates = _Candidates(doubled(candidates.rows), doubled(candidates.scores), doubled(candidates.errors))
    return candidates, found


@subroutine
def _added(known, found, bound, histogram, k, count, chunk):
    """Add the rows of a chunk that may reach the bound -> how many there are, and the bound, which rises for k."""
    rows, scores, errors = numbers_at(known.rows), floats_at(known.scores), floats_at(known.errors)
    new_rows, new_scores, new_errors = numbers_at(chunk.rows), floats_at(chunk.scores), floats_at(chunk.errors)
    for i in range(count):
        if new_scores[i] + new_errors[i] < bound.value:
            continue
        rows[found], scores[found], errors[found] = new_rows[i], new_scores[i], new_errors[i]
        found += 1
        if k:
            bound = raised(bound, histogram, new_scores[i] - new_errors[i], k)
    return found, bound


@subroutine
def _answer(candidates, found, limits, docs, id_order):
    """Those that reach `least`; of these the k best, best first."""
    rows, scores, _ = candidates
    kept = 0
    for i in range(found):
        if np.float64(scores[i]) >= limits.least:
            rows[kept], scores[kept] = rows[i], scores[i]
            kept += 1
    if limits.k:
        return best_of(rows, scores, kept, limits.k, docs, id_order)
    return rows[:kept], scores[:kept]


def search_block(
    block: BlockArrays, query: Query, limits: Limits, counters: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The k best rows, best first, ties by id_order; with k = 0, all rows whose score is at least `least`, in order.

    counters: (5,) int64, added to. The arrays must be of the types that the annotations name: nothing checks them here,
    because finding out the types of so many arguments takes as long as a small search.
    Returns rows (uint32) and their scores (float32); with k = 0 a score may be an estimate that was good enough.
    """
    found: tuple[np.ndarray, np.ndarray] = _compiled_for(block.stored.__class__, query.code.__class__)(
        block, query, limits, counters
    )
    return found


@cache
def _compiled_for(stored: type, code: type) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    """The search for one class of stored rows and one of prepared queries, compiled when first needed."""
    entry: Callable[..., tuple[np.ndarray, np.ndarray]] = _search_block.compile(argument_types(stored, code))
    return entry


def argument_types(stored: type, code: type) -> tuple[types.Type, ...]:
    """What search_block takes."""
    block, query = type_of(BlockArrays, stored=type_of(stored)), type_of(Query, code=type_of(code))
    return block, query, type_of(Limits), types.int64[::1]


@kernel(*(_ANSWER(*argument_types(stored, code)) for stored in ROWS.values() for code in _PREPARED))
def _search_block(block_arrays, query_arrays, limit_arrays, counter_array):
    block, query, limits = addresses(block_arrays), addresses(query_arrays), addresses(limit_arrays)
    counters = address(counter_array)
    bound = bound_from(np.float32(limits.least) if limits.k else np.float32(limits.least - 1e-6))
    candidates, found = _room(), 0
    buffers = _buffers(limits.k)
    cursor = Cursor(0, 0, 0, 0)
    turn, waiting = 0, 0
    collected = 1
    while collected:
        at = addresses(buffers)
        collected, cursor = collect(block, query, limits, cursor, bound.value, at.rows, at.bases, counters)
        for first in range(0, max(collected, 1), _CHUNK):  # at the end once more, for the chunk that waits
            count, chunk = min(_CHUNK, collected - first), _chunk(at, turn)
            count = scan(block, query, at.rows + 4 * first, at.bases + 4 * first, count, bound.value, counters, chunk)
            if limits.any_deleted:
                count = without_deleted(block, limits, count, chunk)
            prefetch_rest(block, query, count, chunk)
            count, waiting = waiting, count
            turn = 1 - turn
            if count:
                chunk = _chunk(at, turn)
                count = refine(block, query, count, chunk, bound.value, counters)
                if found + count > len(candidates.rows):
                    candidates, found = _with_room(candidates, found, bound.value)
                known = addresses(candidates)
                found, bound = _added(known, found, bound, at.histogram, limits.k, count, chunk)
    found = _still_possible(candidates, found, bound.value)
    known = Chunk(address(candidates.rows), address(candidates.scores), address(candidates.errors))
    verify_undecided(block, query, limits, found, known, counters)
    return _answer(candidates, found, limits, block_arrays.docs, limit_arrays.id_order)


@kernel(
    *(
        types.Tuple((types.uint32[:, ::1], types.float32[:, ::1], types.int64[::1]))(
            *(stored, types.uint32[::1], types.float32[:, ::1], types.uint32[::1], types.int64[::1]),
            *(types.boolean[::1], types.int64, types.uint32[::1]),
        )
        for stored in _STORED
    )
)
def search_each(stored_arrays, docs, queries, allowed, stops, deleted, k, id_order):
    """For each query the k best of its own list of rows by their stored vectors.

    stored: rows of quantization/; queries: (n, dim), as these are compared with them; the rows of query i are
    allowed[stops[i - 1]:stops[i]].
    Returns rows and scores (n, k), best first, and how many there are of each query (n,).
    """
    longest = 0
    start = 0
    for stop in stops:
        longest = max(longest, stop - start)
        start = stop
    k = min(k, longest)
    best_rows = np.zeros((len(queries), k), dtype=np.uint32)
    best_scores = np.zeros((len(queries), k), dtype=np.float32)
    counts = np.zeros(len(queries), dtype=np.int64)
    rows = np.empty(longest, dtype=np.uint32)
    scores = np.empty(longest, dtype=np.float32)
    stored = addresses(stored_arrays)
    start = 0
    for i in range(len(queries)):
        query = address(queries[i])
        found = 0
        for at in range(start, stops[i]):
            if at + NEXT < len(allowed):
                stored.prefetch(np.int64(allowed[at + NEXT]))
            row = np.int64(allowed[at])
            if len(deleted) > 0 and deleted[docs[row]]:
                continue
            rows[found] = np.uint32(row)
            scores[found] = stored.cosine(query, row)
            found += 1
        start = stops[i]
        first_rows, first_scores = best_of(rows, scores, found, k, docs, id_order)
        counts[i] = len(first_rows)
        best_rows[i, : counts[i]] = first_rows
        best_scores[i, : counts[i]] = first_scores
    return best_rows, best_scores, counts


@kernel(*(types.void(stored, types.float32[::1], types.uint32[::1], types.float32[::1]) for stored in _STORED))
def exact_cosines(stored_arrays, query, rows, out):
    """out[i]: the cosine of the query to the stored vector of rows[i]. query: as stored rows are compared with it."""
    compare(addresses(stored_arrays), address(query), len(rows), address(rows), address(out))
