"""The compiled loop of `nn`: scan codes, exclude by bounds, settle with stored vectors.

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
from numba.cpython.unsafe.numbers import trailing_zeros as _trailing_zeros

from alicorn.compiled import kernel
from alicorn.quantization.coarse.probing import falling
from alicorn.quantization.kernels.simd import address
from alicorn.query.nn import scoring
from alicorn.query.sets.kernels import gallop

ALL, ROWS, BITS_SET, ANYWHERE = 0, 1, 2, 3
EXACT, LEVELS, TABLE, BITS, SEVERAL_BITS, WHOLE = 0, 1, 2, 3, 4, 5
SCANNED, REFINED, SETTLED, PROBED, PRUNED = 0, 1, 2, 3, 4  # counters

BINS = 2_048  # of scores in [-1, 1]
_BUFFER = 1_024  # rows that are collected before they are scanned: the bound rises between
_CHUNK = 32  # rows that are scanned before those that are left are looked at again
_FEW = 128  # keys; fewer are sorted by comparing

count_trailing_zeros: Any = _trailing_zeros


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
def _sorted_by_score(keys):
    """Ascending by the upper half of each key; the lower halves ascend already. Many are sorted by digits of 8 bits."""
    if len(keys) < _FEW:
        keys.sort()
        return keys
    counts = np.zeros((4, 256), dtype=np.int64)
    for key in keys:
        for digit in range(4):
            counts[digit, (key >> np.uint64(32 + 8 * digit)) & np.uint64(255)] += 1
    other = np.empty_like(keys)
    for digit in range(4):
        places = counts[digit]
        if places.max() == len(keys):  # all have the same
            continue
        at = 0
        for value in range(256):
            at, places[value] = at + places[value], at
        for key in keys:
            value = (key >> np.uint64(32 + 8 * digit)) & np.uint64(255)
            other[places[value]] = key
            places[value] += 1
        keys, other = other, keys
    return keys


@numba.njit
def best_of(rows, scores, count, k, docs, id_order):
    """The first k by falling score, ties by id_order."""
    keys = np.empty(count, dtype=np.uint64)
    for i in range(count):
        keys[i] = falling(scores[i]) << np.uint64(32) | np.uint64(i)
    keys = _sorted_by_score(keys)
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
    " float32[::1], float32[:, ::1]"
)  # stored, vectors, starts, min_cosines, max_sines, docs, codes, fine, errors, fine_errors
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
    vectors_of = scoring.stored_at(stored, vectors, codes, fine, query)
    codes_at, code_size, errors_at = address(codes), codes.shape[1], address(errors)
    fine_at, fine_size, fine_errors_at = address(fine), fine.shape[1], address(fine_errors)
    levels_at = address(levels)
    bits_each: Any = np.int64(numbers[3]) if kind == SEVERAL_BITS else 1
    padded = 8 * (code_size - 4) // bits_each
    prepared = scoring.Prepared(
        address(table), address(planes), planes.shape[1], levels_at, address(numbers), bits_each, padded
    )
    docs_at, deleted_at, any_deleted = address(docs), address(deleted), len(deleted) > 0
    scale, constant, shift, unit = numbers[0], numbers[3], numbers[1] - numbers[3], numbers[2]
    lowest = np.float32(least) if k else np.float32(least - 1e-6)
    bound = lowest
    counts = np.zeros(BINS if k else 1, dtype=np.int64)
    edge, above, lowest_bin = 0, 0, BINS
    room = 256
    found_rows = np.empty(room, dtype=np.uint32)
    found_scores, found_off = np.empty(room, dtype=np.float32), np.empty(room, dtype=np.float32)
    found = 0
    walk = np.zeros(4, dtype=np.int64)
    rows = np.zeros(_BUFFER + 64 + scoring.AHEAD, dtype=np.uint32)
    bases = np.empty(len(rows), dtype=np.float32)
    left = np.empty((2, _CHUNK + 1), dtype=np.uint32)  # one chunk, and the one before it, whose next bytes are coming
    known, off = np.empty((2, _CHUNK + 1), dtype=np.float32), np.zeros(_CHUNK + 1, dtype=np.float32)
    rows_at, bases_at, off_at = address(rows), address(bases), address(off)
    has_estimates = kind in (LEVELS, WHOLE)  # by codes of two parts
    turn, waiting = 0, 0
    collected = 1
    while collected:
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
        counters[SETTLED if kind == EXACT else SCANNED] += collected
        for first in range(0, max(collected, 1), _CHUNK):  # at the end once more, for the chunk that waits
            count = min(_CHUNK, collected - first)
            here, base = rows_at + 4 * first, bases_at + 4 * first
            left_at, known_at = address(left) + 4 * (_CHUNK + 1) * turn, address(known) + 4 * (_CHUNK + 1) * turn
            if kind == EXACT:
                for i in range(count):
                    left[turn, i] = rows[first + i]
            elif kind == LEVELS:
                count = scoring.scan_levels(
                    count, here, base, codes_at, code_size, errors_at, levels_at, scale, constant, shift + slack,
                    bound, left_at, known_at,
                )  # fmt: skip
            elif kind == WHOLE:
                count = scoring.scan_whole(
                    count, here, codes_at, fine_size, errors_at, levels_at, scale, constant, shift, slack,
                    bound, left_at, known_at,
                )  # fmt: skip
            elif kind == SEVERAL_BITS:
                count = scoring.scan_codes(
                    scoring.by_levels, count, here, base, codes_at, code_size, errors_at, prepared, slack,
                    bound, left_at, known_at,
                )  # fmt: skip
            elif kind == TABLE:
                count = scoring.scan_codes(
                    scoring.by_table, count, here, base, codes_at, code_size, errors_at, prepared, slack,
                    bound, left_at, known_at,
                )  # fmt: skip
            else:
                count = scoring.scan_codes(
                    scoring.by_bits, count, here, base, codes_at, code_size, errors_at, prepared, slack,
                    bound, left_at, known_at,
                )  # fmt: skip
            if any_deleted:
                count = scoring.without_deleted(count, left_at, known_at, docs_at, deleted_at)
            if has_estimates:
                scoring.prefetch_rows(count, left_at, fine_at, fine_size)
            if kind == LEVELS:
                scoring.prefetch_rows(count, left_at, fine_errors_at, 4)
            count, waiting = waiting, count
            turn = 1 - turn
            left_at, known_at = address(left) + 4 * (_CHUNK + 1) * turn, address(known) + 4 * (_CHUNK + 1) * turn
            if kind == LEVELS:
                counters[REFINED] += count
                count = scoring.refine_levels(
                    count, left_at, known_at, off_at, fine_at, fine_size, fine_errors_at, levels_at, unit, slack, bound
                )
            elif kind == WHOLE:
                counters[REFINED] += count
                count = scoring.refine_whole(
                    count, left_at, known_at, off_at, codes_at, fine_at, fine_size, levels_at, unit, slack, bound
                )
            else:
                if kind != EXACT:
                    counters[SETTLED] += count
                scoring.settle(count, left_at, known_at, vectors_of)
            for i in range(count):
                if known[turn, i] + off[i] < bound:
                    continue
                if found == room:
                    found = _at_least(found, found_rows, found_scores, found_off, bound)
                    if 2 * found > room:
                        found_rows, found_scores = doubled(found_rows), doubled(found_scores)
                        found_off = doubled(found_off)
                        room *= 2
                found_rows[found], found_scores[found], found_off[found] = left[turn, i], known[turn, i], off[i]
                found += 1
                if k:  # count what it reaches at least; k candidates reach the bin `edge` at least
                    reached = bin_of(known[turn, i] - off[i])
                    counts[reached] += 1
                    lowest_bin = min(lowest_bin, reached)
                    if reached >= edge:
                        above += 1
                        if above >= k:
                            edge, above = highest_edge(counts, max(edge, lowest_bin), above, k)
                            bound = max(lower_edge(edge), lowest)
    found = _at_least(found, found_rows, found_scores, found_off, bound)
    if has_estimates and k:
        counters[SETTLED] += found
        scoring.settle(found, address(found_rows), address(found_scores), vectors_of)
    elif has_estimates:
        for i in range(found):
            if np.float64(found_scores[i] - found_off[i]) < least:
                counters[SETTLED] += 1
                scoring.settle(1, address(found_rows) + 4 * i, address(found_scores) + 4 * i, vectors_of)
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
    start = 0
    for i in range(len(queries)):
        vectors_of = scoring.stored_at(stored, vectors, codes, fine, queries[i])
        found = 0
        for at in range(start, stops[i]):
            if at + scoring.NEXT < len(allowed):
                scoring.prefetch_stored(vectors_of, np.int64(allowed[at + scoring.NEXT]))
            row = np.int64(allowed[at])
            if len(deleted) > 0 and deleted[docs[row]]:
                continue
            rows[found] = np.uint32(row)
            scores[found] = scoring.cosine(vectors_of, row)
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
    scoring.settle(len(rows), address(rows), address(out), scoring.stored_at(stored, vectors, codes, fine, query))
