"""Score rows for an `nn`: by codes, by their second parts, by stored vectors.

Rows take these steps in chunks. All is passed by address (quantization/kernels/simd.py says why): rows are uint32,
what is known of their scores, and how far that may be off, float32. A step writes every row over the first of those it
got, and counts it if it is left: a branch would be mispredicted for most.
"""

from typing import Any, NamedTuple

import numba
import numpy as np

from alicorn.quantization.codecs.extended_rabitq import weighted_levels
from alicorn.quantization.kernels.simd import (
    address,
    bytes_at,
    dot,
    dot_halves,
    dot_levels,
    dot_planes,
    floats_at,
    load_float,
    load_number,
    numbers_at,
    popcount,
    prefetch,
    words_at,
)

FLOATS, HALVES, PLANES = 0, 1, 2  # how a vector is stored
AHEAD = 32  # rows: scanning so many takes longer than memory does to answer; what is scanned has so many more to read
NEXT = 8  # stored vectors


class Stored(NamedTuple):
    """The stored vectors of a block, and the query. kind: FLOATS and HALVES in `vectors`, rows of `size` bytes; PLANES
    in `codes` and `fine`, rows of `width` + 4 and of `width` bytes. query: (dim,) float32, padded for PLANES."""

    kind: int
    vectors: int
    size: int
    codes: int
    fine: int
    width: int
    query: int
    dim: int


@numba.njit
def stored_at(kind, vectors, codes, fine, query):
    """The arrays as `Stored`; the caller keeps them. query: (dim,), for PLANES as Int8.padded makes it."""
    return Stored(
        kind,
        address(vectors),
        vectors.shape[1],
        address(codes),
        address(fine),
        fine.shape[1],
        address(query),
        len(query),
    )


@numba.njit
def cosine(stored, row):
    """<query, stored vector> in [-1, 1]: what decides membership and scores."""
    if stored.kind == FLOATS:
        score = dot(stored.query, stored.vectors + stored.size * row, stored.dim)
    elif stored.kind == HALVES:
        score = dot_halves(stored.query, stored.vectors + stored.size * row, stored.dim)
    else:
        code = stored.codes + (stored.width + 4) * row
        product = dot_planes(stored.query, code, stored.fine + stored.width * row, stored.width)
        score = load_float(code + stored.width) * product
    return min(max(score, np.float32(-1.0)), np.float32(1.0))


@numba.njit
def prefetch_stored(stored, row):
    if stored.kind == PLANES:  # the rest of the code is read beside it, or was
        _prefetch_row(stored.fine + stored.width * row, stored.width)
    else:
        _prefetch_row(stored.vectors + stored.size * row, stored.size)


@numba.njit
def settle(count, rows, scores, stored):
    """The scores of `count` rows by their stored vectors."""
    out = floats_at(scores)
    for i in range(min(NEXT, count)):
        prefetch_stored(stored, load_number(rows + 4 * i))
    for i in range(count):
        if i + NEXT < count:
            prefetch_stored(stored, load_number(rows + 4 * (i + NEXT)))
        out[i] = cosine(stored, load_number(rows + 4 * i))


@numba.njit
def without_deleted(count, rows, scores, docs, deleted):
    """docs: (n,) uint32, the document of each row; deleted: (documents,) bool."""
    kept_rows, kept_scores, is_deleted = numbers_at(rows), floats_at(scores), bytes_at(deleted)
    kept: Any = 0
    for i in range(count):
        row = load_number(rows + 4 * i)
        kept_rows[kept], kept_scores[kept] = np.uint32(row), kept_scores[i]
        kept += np.int64(is_deleted[load_number(docs + 4 * row)] == 0)
    return kept


@numba.njit
def scan_levels(count, rows, bases, codes, size, errors, levels, scale, constant, shift, bound, left, known):
    """Score rows by the first part of codes of levels (sq8); `known` lacks what the second part adds.

    rows: AHEAD more of them may be read. bases: the cosine of the query to the centroid of each. Writes those that may
    reach the bound, and their estimates, to `left` and `known`; returns how many.
    """
    left_rows, estimates = numbers_at(left), floats_at(known)
    kept: Any = 0
    for i in range(count):
        row = load_number(rows + 4 * i)
        prefetch(codes + size * load_number(rows + 4 * (i + AHEAD)))
        product = np.float32(dot_levels(codes + size * row, size, levels))
        score = load_float(bases + 4 * i) + constant + scale * product
        left_rows[kept], estimates[kept] = np.uint32(row), score
        kept += np.int64(score + shift + load_float(errors + 4 * row) >= bound)
    return kept


@numba.njit
def prefetch_rows(count, rows, start, size):
    """Ask for some rows of an array whose rows have `size` bytes."""
    for i in range(count):
        _prefetch_row(start + size * load_number(rows + 4 * i), size)


@numba.njit
def refine_levels(count, rows, known, off, fine, size, errors, levels, unit, slack, bound):
    """Complete the scores of rows by the second part of their codes, drop what cannot reach the bound -> how many.

    rows, known: read and written. off: how far each score may be off, written.
    """
    left_rows, scores, offs = numbers_at(rows), floats_at(known), floats_at(off)
    kept: Any = 0
    for i in range(count):
        row = load_number(rows + 4 * i)
        score = scores[i] + unit * np.float32(dot_levels(fine + size * row, size, levels))
        error = load_float(errors + 4 * row) + slack
        left_rows[kept], scores[kept], offs[kept] = np.uint32(row), score, error
        kept += np.int64(score + error >= bound)
    return kept


@numba.njit
def scan_whole(count, rows, codes, width, errors, levels, scale, constant, shift, slack, bound, left, known):
    """As scan_levels, by the high nibbles of whole numbers (int8.py), rows of `width` + 4 bytes; no bases."""
    left_rows, estimates = numbers_at(left), floats_at(known)
    size = width + 4
    kept: Any = 0
    for i in range(count):
        row = load_number(rows + 4 * i)
        _prefetch_row(codes + size * load_number(rows + 4 * (i + AHEAD)), size)
        code = codes + size * row
        factor = load_float(code + width)
        score = factor * (constant + scale * np.float32(dot_levels(code, width, levels)))
        left_rows[kept], estimates[kept] = np.uint32(row), score
        kept += np.int64(score + factor * shift + slack + load_float(errors + 4 * row) >= bound)
    return kept


@numba.njit
def refine_whole(count, rows, known, off, codes, fine, width, levels, unit, slack, bound):
    """As refine_levels, by their low nibbles."""
    left_rows, scores, offs = numbers_at(rows), floats_at(known), floats_at(off)
    kept: Any = 0
    for i in range(count):
        row = load_number(rows + 4 * i)
        factor = load_float(codes + (width + 4) * row + width)
        score = scores[i] + factor * (unit * np.float32(dot_levels(fine + width * row, width, levels)))
        left_rows[kept], scores[kept], offs[kept] = np.uint32(row), score, slack
        kept += np.int64(score + slack >= bound)
    return kept


@numba.njit
def scan_codes(estimate, count, rows, bases, codes, size, errors, prepared, slack, bound, left, known):
    """As scan_levels, by codes that are read whole. estimate: of one: by_table, by_bits or by_levels."""
    left_rows, estimates = numbers_at(left), floats_at(known)
    kept: Any = 0
    for i in range(count):
        row = load_number(rows + 4 * i)
        _prefetch_row(codes + size * load_number(rows + 4 * (i + AHEAD)), size)
        score = load_float(bases + 4 * i) + estimate(codes + size * row, size, prepared)
        left_rows[kept], estimates[kept] = np.uint32(row), score
        kept += np.int64(score + slack + load_float(errors + 4 * row) >= bound)
    return kept


class Prepared(NamedTuple):
    """Addresses of the arrays that a codec prepares from one query; a codec sets only those it uses.

    words: of one plane. bits, padded: of codes of several bits.
    """

    table: int
    planes: int
    words: int
    levels: int
    numbers: int
    bits: int
    padded: int


@numba.njit
def _prefetch_row(start, size):
    for line in range(start, start + size, 64):
        prefetch(line)


@numba.njit
def by_table(code, size, prepared):
    """Of a product code: a table of 256 numbers for each byte.

    Four sums side by side: one alone would wait for each addition.
    """
    part, numbers = bytes_at(code), floats_at(prepared.table)
    a, b, c, d = np.float32(0.0), np.float32(0.0), np.float32(0.0), np.float32(0.0)
    whole = size & ~3
    for m in range(0, whole, 4):
        at = m << 8
        a += numbers[at + np.int64(part[m])]
        b += numbers[at + 256 + np.int64(part[m + 1])]
        c += numbers[at + 512 + np.int64(part[m + 2])]
        d += numbers[at + 768 + np.int64(part[m + 3])]
    for m in range(whole, size):
        a += numbers[(m << 8) + np.int64(part[m])]
    return floats_at(prepared.numbers)[1] + ((a + b) + (c + d))


@numba.njit
def by_bits(code, size, prepared):
    """Of a code of one bit a dimension (rabitq.py): words, then its factor and the number of its ones as float32."""
    num_words = prepared.words
    numbers, plane = floats_at(prepared.table), words_at(prepared.planes)
    word_of, factor = words_at(code), floats_at(code)
    ones = np.uint64(0)
    for w in range(num_words):
        word = word_of[w]
        ones += popcount(word & plane[w])
        ones += popcount(word & plane[num_words + w]) << np.uint64(1)
        ones += popcount(word & plane[2 * num_words + w]) << np.uint64(2)
        ones += popcount(word & plane[3 * num_words + w]) << np.uint64(3)
    scaled = numbers[0] * np.float32(ones) + numbers[1] * factor[2 * num_words + 1] + numbers[2]
    return factor[2 * num_words] * scaled


@numba.njit
def by_levels(code, size, prepared):
    """Of a code of several bits a dimension (extended_rabitq.py); `table` has the weights that `levels` does not."""
    weights, others, numbers = prepared.levels, prepared.table, floats_at(prepared.numbers)
    product = weighted_levels(code, prepared.padded, prepared.bits, weights, others, numbers)
    return load_float(code + size - 4) * product
