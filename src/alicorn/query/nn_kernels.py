"""The compiled loop of `nn`: scan codes, exclude by bounds, settle with stored vectors. Called by nn.py.

One call looks at one segment, in three steps that each row takes only as far as it must:

    codes     an estimate that is off by at most `errors[row] + slack`;
    fine      the second part of the code, where there is one: off by `fine_errors[row] + slack`;
    vectors   the stored vector: the score itself.

What a row may still reach decides whether it takes the next step: the radius, or a bound on the k-th best score. That
bound is read off a histogram of what the candidates so far are known to reach at least, so it costs no heap and rises
with every candidate. Without a second part, a row that its code cannot exclude goes to its vector at once.

How a code is scored, `kind`: EXACT (no code: the stored vector), LEVELS (sq8), TABLE (product codes), BITS (rabitq of
one bit), SEVERAL_BITS (rabitq of more), WHOLE (int8).
How a vector is stored, `stored`: FLOATS and HALVES in `vectors`, a row of bytes each; PLANES in `codes` and `fine`.
How rows are limited, `mode`: ALL rows of the clusters; ROWS, of an ascending list, in the clusters; BITS_SET, those
whose bit is set, in the clusters; ANYWHERE, all of an ascending list, in whatever cluster.
"""

from typing import Any

import numba
import numpy as np
from numba import types
from numba.cpython.unsafe.numbers import trailing_zeros as _trailing_zeros
from numba.extending import intrinsic

from alicorn.quantization.extended_rabitq import weighted_levels
from alicorn.quantization.probing import falling
from alicorn.quantization.simd import (
    address,
    dot,
    dot_halves,
    dot_levels,
    dot_planes,
    load_float,
    load_number,
    prefetch,
)
from alicorn.query.kernels import gallop, kernel

ALL, ROWS, BITS_SET, ANYWHERE = 0, 1, 2, 3
EXACT, LEVELS, TABLE, BITS, SEVERAL_BITS, WHOLE = 0, 1, 2, 3, 4, 5
FLOATS, HALVES, PLANES = 0, 1, 2
SCANNED, REFINED, SETTLED, PROBED, PRUNED = 0, 1, 2, 3, 4  # counters

BINS = 2_048  # of scores in [-1, 1]
_BUFFER = 1_024  # rows that are collected before they are scanned: the bound rises between
_CHUNK = 64  # rows that are scanned before those that are left are looked at again
_NEXT = 8  # stored vectors
_AHEAD = 16  # rows: about as many cache misses as a core has under way


@intrinsic
def _popcount(context, word):
    def generate(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


popcount: Any = _popcount
count_trailing_zeros: Any = _trailing_zeros


@numba.njit
def _cosine(stored, query, dim, vectors, codes, fine, width, row):
    """<query, stored vector> in [-1, 1], by addresses: what decides membership and scores.

    query: (dim,), for PLANES padded to 2 * width; width: bytes of a row of `fine`, of which there is no other user.
    """
    if stored == FLOATS:
        score = dot(query, vectors + 4 * dim * row, dim)
    elif stored == HALVES:
        score = dot_halves(query, vectors + 2 * dim * row, dim)
    else:
        code = codes + (width + 4) * row
        score = load_float(code + width) * dot_planes(query, code, fine + width * row, width)
    return min(max(score, np.float32(-1.0)), np.float32(1.0))


@numba.njit
def _prefetch_row(start, size):
    for line in range(start, start + size, 64):
        prefetch(line)


@numba.njit
def _of_table(table, codes, row):
    """Four sums side by side: one alone would wait for each addition."""
    a, b, c, d = np.float32(0.0), np.float32(0.0), np.float32(0.0), np.float32(0.0)
    size = np.uint64(codes.shape[1])
    whole = size & ~np.uint64(3)
    for m in range(np.uint64(0), whole, np.uint64(4)):
        at = m << np.uint64(8)
        a += table[at + np.uint64(codes[row, m])]
        b += table[at + np.uint64(256) + np.uint64(codes[row, m + np.uint64(1)])]
        c += table[at + np.uint64(512) + np.uint64(codes[row, m + np.uint64(2)])]
        d += table[at + np.uint64(768) + np.uint64(codes[row, m + np.uint64(3)])]
    for m in range(whole, size):
        a += table[(m << np.uint64(8)) + np.uint64(codes[row, m])]
    return (a + b) + (c + d)


@numba.njit
def _of_bits(numbers, planes, words, factors, row):
    num_words = planes.shape[1]
    ones = np.uint64(0)
    for w in range(num_words):
        word = words[row, w]
        ones += popcount(word & planes[0, w])
        ones += popcount(word & planes[1, w]) << np.uint64(1)
        ones += popcount(word & planes[2, w]) << np.uint64(2)
        ones += popcount(word & planes[3, w]) << np.uint64(3)
    scaled = numbers[0] * np.float32(ones) + numbers[1] * factors[row, 2 * num_words + 1] + numbers[2]
    return factors[row, 2 * num_words] * scaled


@numba.njit
def _prefetch_stored(stored, vectors, size, fine, width, row):
    if stored == PLANES:  # the rest of the code is read beside it, or was
        _prefetch_row(fine + width * row, width)
    else:
        _prefetch_row(vectors + size * row, size)


@numba.njit
def _may_reach(cosine_to_centroid, min_cosine, max_sine, slack, bound):
    """Whether a member of a cluster may have the cosine `bound` to the query, by the angles to the centroid."""
    if cosine_to_centroid >= min_cosine:
        return True
    sine = np.sqrt(max(np.float32(0.0), np.float32(1.0) - cosine_to_centroid * cosine_to_centroid))
    return cosine_to_centroid * min_cosine + sine * max_sine + slack >= bound


@numba.njit
def bin_of(score):
    return min(max(np.int64((score + np.float32(1.0)) * np.float32(BINS / 2)), 0), BINS - 1)


@numba.njit
def lower_edge(number):
    """What every score of a bin reaches, but for rounding."""
    return np.float32(number) * np.float32(2.0 / BINS) - np.float32(1.000001)


@numba.njit
def highest_edge(counts, edge, above, k):
    """The highest bin, from `edge` on, that k scores reach, and how many reach it. above: those that reach `edge`."""
    while above - counts[edge] >= k:
        above -= counts[edge]
        edge += 1
    return edge, above


@numba.njit
def _without_deleted(rows, scores, count, docs, deleted):
    kept: Any = 0
    for i in range(count):
        rows[kept], scores[kept] = rows[i], scores[i]
        kept += np.int64(not deleted[docs[rows[i]]])
    return kept


@numba.njit
def doubled(array):
    longer = np.empty(2 * len(array), dtype=array.dtype)
    longer[: len(array)] = array
    return longer


@numba.njit
def _cluster_of(starts, at, row):
    """The cluster of a row, searched from `at` on: doubling steps, then single ones."""
    step = 1
    while at + step < len(starts) - 1 and starts[at + step] <= row:
        at += step
        step *= 2
    while starts[at + 1] <= row:
        at += 1
    return at


@numba.njit
def _first_from(numbers, guess, value):
    """The first position whose number is >= value, searched from a guess in both directions."""
    size = len(numbers)
    guess = min(max(guess, 0), size)
    if guess == size or numbers[guess] >= value:
        step = 1
        high = guess
        low = guess - 1
        while low >= 0 and numbers[low] >= value:
            high = low
            low -= step
            step *= 2
        low = max(low + 1, 0)
        while low < high:
            middle = (low + high) // 2
            if numbers[middle] < value:
                low = middle + 1
            else:
                high = middle
        return low
    return gallop(numbers, guess, value)


@numba.njit
def _sort_by_id(keys, first, last, rows, docs, id_order):
    tied = np.empty(last - first, dtype=np.uint64)
    for i in range(first, last):
        place = keys[i] & np.uint64(0xFFFFFFFF)
        tied[i - first] = np.uint64(id_order[docs[rows[np.int64(place)]]]) << np.uint64(32) | place
    tied.sort()
    score = keys[first] & np.uint64(0xFFFFFFFF00000000)
    for i in range(first, last):
        keys[i] = score | (tied[i - first] & np.uint64(0xFFFFFFFF))


@numba.njit
def best_of(rows, scores, count, k, docs, id_order):
    """The first k by falling score, ties by id_order."""
    keys = np.empty(count, dtype=np.uint64)
    for i in range(count):
        keys[i] = falling(scores[i]) << np.uint64(32) | np.uint64(i)
    keys.sort()
    first = 0
    while first < count:  # equal scores stand together, by position: put them in the order of ids
        last = first + 1
        while last < count and keys[last] >> np.uint64(32) == keys[first] >> np.uint64(32):
            last += 1
        if first >= k:
            break
        if last - first > 1:
            _sort_by_id(keys, first, last, rows, docs, id_order)
        first = last
    count = min(count, k)
    best_rows = np.empty(count, dtype=np.uint32)
    best_scores = np.empty(count, dtype=np.float32)
    for i in range(count):
        place = np.int64(keys[i] & np.uint64(0xFFFFFFFF))
        best_rows[i] = rows[place]
        best_scores[i] = scores[place]
    return best_rows, best_scores


@numba.njit
def _collect(
    mode,
    kind,
    allowed,
    bits,
    starts,
    min_cosines,
    max_sines,
    clusters,
    cosines,
    slack,
    bound,
    walk,
    rows,
    bases,
    counters,
):
    """Write the next rows to look at, and the cosines of their clusters, until there are _BUFFER; returns how many.

    walk: where the last call stopped: [next cluster, position in `allowed`, next row and end of the cluster].
    """
    count = 0
    if mode == ANYWHERE:
        while walk[1] < len(allowed) and count < _BUFFER:
            row = np.int64(allowed[walk[1]])
            if kind != EXACT and kind != WHOLE:
                if row >= starts[walk[0] + 1]:
                    walk[0] = _cluster_of(starts, walk[0], row)
                bases[count] = cosines[walk[0]]
            rows[count] = allowed[walk[1]]
            count += 1
            walk[1] += 1
        return count
    while count < _BUFFER:
        if walk[2] == walk[3]:  # the next cluster
            if walk[0] == len(clusters):
                return count
            cluster = clusters[walk[0]]
            walk[0] += 1
            start, stop = starts[cluster], starts[cluster + 1]
            if start == stop:
                continue
            if not _may_reach(cosines[cluster], min_cosines[cluster], max_sines[cluster], slack, bound):
                counters[PRUNED] += 1
                continue
            counters[PROBED] += 1
            walk[2], walk[3] = start, stop
            if mode == ROWS:
                guess = np.int64(np.float64(start) / np.float64(starts[-1]) * np.float64(len(allowed)))
                walk[1] = _first_from(allowed, guess, np.uint32(start))
        base = cosines[clusters[walk[0] - 1]]
        row, stop = walk[2], walk[3]
        first = count
        if mode == ALL:
            size = min(stop - row, _BUFFER - count)
            for i in range(size):
                rows[count + i] = np.uint32(row + i)
            count += size
            row += size
        elif mode == ROWS:
            position = walk[1]
            while position < len(allowed) and allowed[position] < stop and count < _BUFFER:
                rows[count] = allowed[position]
                count += 1
                position += 1
            walk[1] = position
            row = stop if count < _BUFFER else np.int64(rows[count - 1]) + 1
        else:  # one word of bits
            word_at = row >> 6
            word = bits[word_at] & (np.uint64(0xFFFFFFFFFFFFFFFF) << np.uint64(row & 63))
            stop = min((word_at + 1) << 6, stop)
            if stop & 63:
                word &= (np.uint64(1) << np.uint64(stop & 63)) - np.uint64(1)
            while word != np.uint64(0):
                rows[count] = np.uint32((word_at << 6) + np.int64(count_trailing_zeros(word)))
                count += 1
                word &= word - np.uint64(1)
            row = stop
        walk[2] = row
        for i in range(first, count):
            bases[i] = base
    return count


@numba.njit
def _scan(kind, count, rows, bases, codes, errors, words, factors, numbers, table, planes, slack, bound, left, known):
    """Score rows by their codes; write those that may reach the bound, and their estimates, to `left` and `known`.

    Returns how many. Each is written in any case, and counted if it is left: a branch would be mispredicted for most.
    """
    size, codes_at = codes.shape[1], address(codes)
    kept: Any = 0
    for i in range(count):
        row = np.int64(rows[i])
        _prefetch_row(codes_at + size * np.int64(rows[i + _AHEAD]), size)
        if kind == TABLE:
            score = bases[i] + numbers[1] + _of_table(table, codes, row)
        else:
            score = bases[i] + _of_bits(table, planes, words, factors, row)
        left[kept], known[kept] = row, score
        kept += np.int64(score + errors[row] + slack >= bound)
    return kept


@numba.njit
def _scan_levels(count, rows, bases, codes, errors, numbers, levels, slack, bound, left, known):
    """The same by the first part of codes of levels; `known` lacks what the second part adds."""
    size = codes.shape[1]
    codes_at, levels_at, errors_at, rows_at = address(codes), address(levels), address(errors), address(rows)
    scale, constant, shift = numbers[0], numbers[3], numbers[1] - numbers[3] + slack
    kept: Any = 0
    for i in range(count):
        row = load_number(rows_at + 4 * i)
        prefetch(codes_at + size * load_number(rows_at + 4 * (i + _AHEAD)))
        score = bases[i] + constant + scale * np.float32(dot_levels(codes_at + size * row, size, levels_at))
        left[kept], known[kept] = row, score
        kept += np.int64(score + shift + load_float(errors_at + 4 * row) >= bound)
    return kept


@numba.njit
def _scan_several(count, rows, bases, codes, errors, numbers, table, levels, slack, bound, left, known):
    """The same by codes of several bits (extended_rabitq.py); `table` has the weights that `levels` does not."""
    size = codes.shape[1]
    codes_at, levels_at, errors_at, rows_at = address(codes), address(levels), address(errors), address(rows)
    table_at = address(table)
    bits = np.int64(numbers[3])
    padded = 8 * (size - 4) // bits
    kept: Any = 0
    for i in range(count):
        row = load_number(rows_at + 4 * i)
        _prefetch_row(codes_at + size * load_number(rows_at + 4 * (i + _AHEAD)), size)
        row_at = codes_at + size * row
        product = weighted_levels(row_at, padded, bits, levels_at, table_at, numbers)
        score = bases[i] + load_float(row_at + size - 4) * product
        left[kept], known[kept] = row, score
        kept += np.int64(score + slack + load_float(errors_at + 4 * row) >= bound)
    return kept


@numba.njit
def _scan_whole(count, rows, codes, errors, numbers, levels, slack, bound, left, known):
    """The same by the high nibbles of whole numbers (int8.py); `known` lacks what the low ones add."""
    size = codes.shape[1]
    width = size - 4
    codes_at, levels_at, errors_at, rows_at = address(codes), address(levels), address(errors), address(rows)
    scale, constant, middle = numbers[0], numbers[3], numbers[1] - numbers[3]
    kept: Any = 0
    for i in range(count):
        row = load_number(rows_at + 4 * i)
        _prefetch_row(codes_at + size * load_number(rows_at + 4 * (i + _AHEAD)), size)
        code = codes_at + size * row
        factor = load_float(code + width)
        score = factor * (constant + scale * np.float32(dot_levels(code, width, levels_at)))
        left[kept], known[kept] = row, score
        kept += np.int64(score + factor * middle + slack + load_float(errors_at + 4 * row) >= bound)
    return kept


@numba.njit
def _refine_whole(count, left, known, off, codes, fine, unit, levels, slack, bound):
    """Complete the scores of rows by their low nibbles, drop what cannot reach the bound -> how many."""
    width = fine.shape[1]
    codes_at, fine_at, levels_at = address(codes), address(fine), address(levels)
    for i in range(count):
        _prefetch_row(fine_at + width * left[i], width)
    kept: Any = 0
    for i in range(count):
        row = left[i]
        factor = load_float(codes_at + (width + 4) * row + width)
        score = known[i] + factor * (unit * np.float32(dot_levels(fine_at + width * row, width, levels_at)))
        left[kept], known[kept], off[kept] = row, score, slack
        kept += np.int64(score + slack >= bound)
    return kept


@numba.njit
def _refine(count, left, known, off, fine, fine_errors, unit, levels, slack, bound):
    """Complete the scores of rows by the second part of their codes, drop what cannot reach the bound -> how many."""
    size = fine.shape[1]
    fine_at, errors_at, levels_at = address(fine), address(fine_errors), address(levels)
    for i in range(count):
        prefetch(fine_at + size * left[i])
        prefetch(errors_at + 4 * left[i])
    kept: Any = 0
    for i in range(count):
        row = left[i]
        score = known[i] + unit * np.float32(dot_levels(fine_at + size * row, size, levels_at))
        error = fine_errors[row, 0] + slack
        left[kept], known[kept], off[kept] = row, score, error
        kept += np.int64(score + error >= bound)
    return kept


@numba.njit
def settle(first, count, rows, scores, stored, vectors, codes, fine, query):
    """The scores of `count` rows by their stored vectors."""
    dim, size, width = len(query), vectors.shape[1], fine.shape[1]
    query_at, vectors_at, codes_at, fine_at = address(query), address(vectors), address(codes), address(fine)
    stop = first + count
    for i in range(first, min(first + _NEXT, stop)):
        _prefetch_stored(stored, vectors_at, size, fine_at, width, np.int64(rows[i]))
    for i in range(first, stop):
        if i + _NEXT < stop:
            _prefetch_stored(stored, vectors_at, size, fine_at, width, np.int64(rows[i + _NEXT]))
        scores[i] = _cosine(stored, query_at, dim, vectors_at, codes_at, fine_at, width, np.int64(rows[i]))


@numba.njit
def _at_least(count, rows, scores, off, bound):
    """Keep, in place, the candidates that may reach the bound -> how many."""
    kept = 0
    for i in range(count):
        if scores[i] + off[i] >= bound:
            rows[kept], scores[kept], off[kept] = rows[i], scores[i], off[i]
            kept += 1
    return kept


_BLOCK = (
    "int64, uint8[:, ::1], int64[::1], float32[::1], float32[::1], uint32[::1], uint8[:, ::1], uint8[:, ::1],"
    " float32[::1], float32[:, ::1], uint64[:, ::1], float32[:, ::1]"
)  # stored, vectors, starts, min_cosines, max_sines, docs, codes, fine, errors, fine_errors, words, factors
_QUERY = "float32[::1], float32[::1], float32[::1], int8[::1], float32[::1], uint64[:, ::1], int64, float32"
# query, cosines, numbers, levels, table, planes, kind, slack
_LIMITS = "int64, uint32[::1], uint64[::1], boolean[::1], int64[::1]"
# mode, allowed rows, bits of allowed rows, deleted documents, clusters


@kernel(f"Tuple((uint32[::1], float32[::1]))({_BLOCK}, {_QUERY}, {_LIMITS}, int64, float64, uint32[::1], int64[::1])")
def look(
    stored,
    vectors,
    starts,
    min_cosines,
    max_sines,
    docs,
    codes,
    fine,
    errors,
    fine_errors,
    words,
    factors,
    query,
    cosines,
    numbers,
    levels,
    table,
    planes,
    kind,
    slack,
    mode,
    allowed,
    bits,
    deleted,
    clusters,
    k,
    least,
    id_order,
    counters,
):
    """The k best rows, best first, ties by id_order; with k = 0, all rows whose score is at least `least`, in order.

    clusters: in the order to look at them; for k the most promising first. With ANYWHERE they are not read, and the
    cosines may be estimates whose error is part of the slack. deleted: of documents, empty when none is.
    query: (dim,), for PLANES as Int8.padded makes it.
    Returns rows and their scores; with k = 0 a score may be an estimate that was good enough.
    """
    lowest = np.float32(least) if k else np.float32(least - 1e-6)
    bound = lowest
    counts = np.zeros(BINS if k else 1, dtype=np.int64)
    edge, above = 0, 0
    room = 256
    found_rows = np.empty(room, dtype=np.uint32)
    found_scores, found_off = np.empty(room, dtype=np.float32), np.empty(room, dtype=np.float32)
    found = 0
    walk = np.zeros(4, dtype=np.int64)
    rows = np.zeros(_BUFFER + 64 + _AHEAD, dtype=np.uint32)
    bases = np.empty(len(rows), dtype=np.float32)
    left = np.empty(_CHUNK + 1, dtype=np.int64)
    known, off = np.empty(_CHUNK + 1, dtype=np.float32), np.zeros(_CHUNK + 1, dtype=np.float32)
    while True:
        collected = _collect(
            mode,
            kind,
            allowed,
            bits,
            starts,
            min_cosines,
            max_sines,
            clusters,
            cosines,
            slack,
            bound,
            walk,
            rows,
            bases,
            counters,
        )
        if collected == 0:
            break
        counters[SETTLED if kind == EXACT else SCANNED] += collected
        for first in range(0, collected, _CHUNK):
            count = min(_CHUNK, collected - first)
            if kind == EXACT:
                left[:count] = rows[first : first + count]
            elif kind == LEVELS:
                count = _scan_levels(
                    count, rows[first:], bases[first:], codes, errors, numbers, levels, slack, bound, left, known
                )
            elif kind == WHOLE:
                count = _scan_whole(count, rows[first:], codes, errors, numbers, levels, slack, bound, left, known)
            elif kind == SEVERAL_BITS:
                count = _scan_several(
                    count, rows[first:], bases[first:], codes, errors, numbers, table, levels, slack, bound, left, known
                )
            else:
                count = _scan(
                    kind, count, rows[first:], bases[first:], codes, errors, words, factors, numbers, table, planes,
                    slack, bound, left, known,
                )  # fmt: skip
            if len(deleted) > 0:
                count = _without_deleted(left, known, count, docs, deleted)
            if kind == LEVELS:
                counters[REFINED] += count
                count = _refine(count, left, known, off, fine, fine_errors, numbers[2], levels, slack, bound)
            elif kind == WHOLE:
                counters[REFINED] += count
                count = _refine_whole(count, left, known, off, codes, fine, numbers[2], levels, slack, bound)
            else:
                if kind != EXACT:
                    counters[SETTLED] += count
                settle(0, count, left, known, stored, vectors, codes, fine, query)
            for i in range(count):
                if known[i] + off[i] < bound:
                    continue
                if found == room:
                    found = _at_least(found, found_rows, found_scores, found_off, bound)
                    if 2 * found > room:
                        found_rows, found_scores = doubled(found_rows), doubled(found_scores)
                        found_off = doubled(found_off)
                        room *= 2
                found_rows[found], found_scores[found], found_off[found] = np.uint32(left[i]), known[i], off[i]
                found += 1
                if k:  # count what it reaches at least; k candidates reach the bin `edge` at least
                    reached = bin_of(known[i] - off[i])
                    counts[reached] += 1
                    if reached >= edge:
                        above += 1
                        edge, above = highest_edge(counts, edge, above, k)
                        if above >= k:
                            bound = max(lower_edge(edge), lowest)
    found = _at_least(found, found_rows, found_scores, found_off, bound)
    has_estimates = kind in (LEVELS, WHOLE)
    if has_estimates and k:
        counters[SETTLED] += found
        settle(0, found, found_rows, found_scores, stored, vectors, codes, fine, query)
    elif has_estimates:
        for i in range(found):
            if np.float64(found_scores[i] - found_off[i]) < least:
                counters[SETTLED] += 1
                settle(i, 1, found_rows, found_scores, stored, vectors, codes, fine, query)
    kept = 0
    for i in range(found):
        if np.float64(found_scores[i]) >= least:
            found_rows[kept], found_scores[kept] = found_rows[i], found_scores[i]
            kept += 1
    if not k:
        return found_rows[:kept], found_scores[:kept]
    return best_of(found_rows, found_scores, kept, k, docs, id_order)


@kernel(
    "Tuple((uint32[:, ::1], float32[:, ::1], int64[::1]))(int64, uint8[:, ::1], uint8[:, ::1], uint8[:, ::1],"
    " uint32[::1], float32[:, ::1], uint32[::1], int64[::1], boolean[::1], int64, uint32[::1])"
)
def look_each(stored, vectors, codes, fine, docs, queries, allowed, stops, deleted, k, id_order):
    """For each query the k best of its own list of rows by their stored vectors; see `look`.

    queries: (n, dim), for PLANES as Int8.padded makes them; the rows of query i are allowed[stops[i - 1]:stops[i]].
    Returns rows and scores (n, k), best first, and how many there are of each query (n,).
    """
    dim, size, width = queries.shape[1], vectors.shape[1], fine.shape[1]
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
    vectors_at, codes_at, fine_at = address(vectors), address(codes), address(fine)
    start = 0
    for i in range(len(queries)):
        query_at = address(queries) + 4 * dim * i
        found = 0
        for at in range(start, stops[i]):
            if at + _NEXT < len(allowed):
                _prefetch_stored(stored, vectors_at, size, fine_at, width, np.int64(allowed[at + _NEXT]))
            row = np.int64(allowed[at])
            if len(deleted) > 0 and deleted[docs[row]]:
                continue
            rows[found] = np.uint32(row)
            scores[found] = _cosine(stored, query_at, dim, vectors_at, codes_at, fine_at, width, row)
            found += 1
        start = stops[i]
        first_rows, first_scores = best_of(rows, scores, found, k, docs, id_order)
        counts[i] = len(first_rows)
        best_rows[i, : counts[i]] = first_rows
        best_scores[i, : counts[i]] = first_scores
    return best_rows, best_scores, counts


@kernel("void(int64, uint8[:, ::1], uint8[:, ::1], uint8[:, ::1], float32[::1], uint32[::1], float32[::1])")
def exact_cosines(stored, vectors, codes, fine, query, rows, out):
    """out[i]: the cosine of the query to the stored vector of rows[i]; see `look`."""
    settle(0, len(rows), rows, out, stored, vectors, codes, fine, query)
