"""The stages that a chunk of rows passes: scanned by codes, refined by their second parts, compared by stored vectors.

A stage writes every row to the front of its input, and advances only past rows that it keeps: a branch would be
mispredicted for most rows. The methods of a codec decide at compile time which stages there are.

Everything is taken by address.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba.extending import overload

from alicorn.compiled import subroutine
from alicorn.quantization.kernels.intrinsics import (
    bytes_at,
    floats_at,
    load_float,
    load_number,
    longs_at,
    numbers_at,
    prefetch,
    prefetch_row,
)
from alicorn.quantization.kernels.named import has_method
from alicorn.query.nn.loop.arguments import REFINED, SCANNED, VERIFIED

AHEAD = 32  # rows: scanning so many takes longer than memory does to answer; the buffer has so many more to read
NEXT = 8  # stored vectors: so many are on their way from memory


class Chunk(NamedTuple):
    """Addresses of some rows (uint32), what is known of their scores, and how far that may be off (float32)."""

    rows: int
    scores: int
    errors: int


def _has_code(query: Any, method: str) -> bool:
    """Whether the codec of a query has a method. query: the type of a Query."""
    return has_method(query.types[query.fields.index("code")], method)


def scan(block, query, rows, bases, count, bound, counters, out):
    """Write those of `count` rows that may reach the bound to a chunk -> how many."""
    raise NotImplementedError


@overload(scan)
def _scan(block, query, rows, bases, count, bound, counters, out):
    return _scan_codes if _has_code(query, "estimate") else _take


def _scan_codes(block, query, rows, bases, count, bound, counters, out):
    """By the first parts of their codes. AHEAD more of the rows may be read."""
    longs_at(counters)[SCANNED] += count
    out_rows, scores, size = numbers_at(out.rows), floats_at(out.scores), block.code_size
    kept: Any = 0
    for i in range(count):
        row = load_number(rows + 4 * i)
        _prefetch_code(block, load_number(rows + 4 * (i + AHEAD)))
        score, rest = query.code.estimate(load_float(bases + 4 * i), block.codes + size * row, size)
        out_rows[kept], scores[kept] = np.uint32(row), score
        kept += np.int64(score + (rest + query.slack) + load_float(block.errors + 4 * row) >= bound)
    return kept


@subroutine
def _prefetch_code(block, row):
    prefetch_row(block.codes + block.code_size * row, block.code_size)
    prefetch(block.errors + 4 * row)


def prefetch_first(block, query, rows, count):
    """Ask for what `scan` reads first of `count` rows."""
    raise NotImplementedError


@overload(prefetch_first)
def _prefetch_first(block, query, rows, count):
    return _prefetch_first_codes if _has_code(query, "estimate") else _prefetch_none


def _prefetch_first_codes(block, query, rows, count):
    for i in range(min(AHEAD, count)):
        _prefetch_code(block, load_number(rows + 4 * i))


def _prefetch_none(block, query, rows, count):
    return


def _take(block, query, rows, bases, count, bound, counters, out):
    """All of them: there is no code."""
    taken, out_rows = numbers_at(rows), numbers_at(out.rows)
    for i in range(count):
        out_rows[i] = taken[i]
    return count


@subroutine
def without_deleted(block, limits, count, chunk):
    """Keep the rows whose documents are not deleted -> how many."""
    rows, scores, is_deleted = numbers_at(chunk.rows), floats_at(chunk.scores), bytes_at(limits.deleted)
    kept: Any = 0
    for i in range(count):
        row = load_number(chunk.rows + 4 * i)
        rows[kept], scores[kept] = np.uint32(row), scores[i]
        kept += np.int64(is_deleted[load_number(block.docs + 4 * row)] == 0)
    return kept


def prefetch_rest(block, query, count, chunk):
    """Ask for the second parts of codes, which `refine` reads a chunk later."""
    raise NotImplementedError


@overload(prefetch_rest)
def _prefetch_rest(block, query, count, chunk):
    return _prefetch_fine if _has_code(query, "rest") else _prefetch_nothing


def _prefetch_fine(block, query, count, chunk):
    for i in range(count):
        row = load_number(chunk.rows + 4 * i)
        prefetch_row(block.fine + block.fine_size * row, block.fine_size)
        if block.fine_error_size:
            prefetch(block.fine_errors + 4 * row)


def _prefetch_nothing(block, query, count, chunk):
    return


def refine(block, query, count, chunk, bound, counters):
    """Refine the scores of a chunk and their errors, and keep the rows that may reach the bound -> how many."""
    raise NotImplementedError


@overload(refine)
def _refine(block, query, count, chunk, bound, counters):
    return _refine_codes if _has_code(query, "rest") else _refine_exactly


def _refine_codes(block, query, count, chunk, bound, counters):
    """By the second parts of their codes."""
    longs_at(counters)[REFINED] += count
    rows, scores, errors = numbers_at(chunk.rows), floats_at(chunk.scores), floats_at(chunk.errors)
    size = block.fine_size
    kept: Any = 0
    for i in range(count):
        row = load_number(chunk.rows + 4 * i)
        score = scores[i] + query.code.rest(block.codes + block.code_size * row, block.fine + size * row, size)
        error = query.slack
        if block.fine_error_size:
            error += load_float(block.fine_errors + 4 * row)
        rows[kept], scores[kept], errors[kept] = np.uint32(row), score, error
        kept += np.int64(score + error >= bound)
    return kept


def _refine_exactly(block, query, count, chunk, bound, counters):
    verify(block, query, count, chunk, counters)
    return count


@subroutine
def verify(block, query, count, chunk, counters):
    """The scores of the rows of a chunk by their stored vectors."""
    longs_at(counters)[VERIFIED] += count
    compare(block.stored, query.vector, count, chunk.rows, chunk.scores)


@subroutine
def compare(stored, query, count, rows, scores):
    """The cosines of a query to the stored vectors of some rows."""
    out = floats_at(scores)
    for i in range(min(NEXT, count)):
        stored.prefetch(load_number(rows + 4 * i))
    for i in range(count):
        if i + NEXT < count:
            stored.prefetch(load_number(rows + 4 * (i + NEXT)))
        out[i] = stored.cosine(query, load_number(rows + 4 * i))


def verify_undecided(block, query, limits, count, chunk, counters):
    """Compare the candidates that their estimates cannot decide by stored vectors, or all candidates for k."""
    raise NotImplementedError


@overload(verify_undecided)
def _verify_undecided(block, query, limits, count, chunk, counters):
    return _verify_estimates if _has_code(query, "rest") else _verify_none


def _verify_estimates(block, query, limits, count, chunk, counters):
    if limits.k:
        verify(block, query, count, chunk, counters)
        return
    scores, errors = floats_at(chunk.scores), floats_at(chunk.errors)
    for i in range(count):
        if np.float64(scores[i] - errors[i]) < limits.least:
            verify(block, query, 1, Chunk(chunk.rows + 4 * i, chunk.scores + 4 * i, chunk.errors + 4 * i), counters)


def _verify_none(block, query, limits, count, chunk, counters):
    return
