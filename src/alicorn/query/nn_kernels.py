"""The compiled loop of `nn`: scan codes, exclude by bounds, settle with stored vectors. Called by nn.py.

One call looks at one segment, in three steps that each row takes only as far as it must:

    codes     an estimate that is off by at most `errors[row] + slack`;
    fine      the second part of the code, where there is one: off by `fine_errors[row] + slack`;
    vectors   the stored vector: the score itself.

What a row may still reach decides whether it takes the next step: the radius, or a bound on the k-th best score. That
bound is read off a histogram of what the candidates so far are known to reach at least, so it costs no heap and rises
with every candidate. Without a second part, a row that its code cannot exclude goes to its vector at once.

How a code is scored, `kind`: EXACT (no code: the stored vector), LEVELS (sq8), TABLE (product codes), BITS (rabitq).
How rows are limited, `mode`: ALL rows of the clusters; ROWS, of an ascending list, in the clusters; BITS_SET, those
whose bit is set, in the clusters; ANYWHERE, all of an ascending list, in whatever cluster.
"""

from typing import Any

import numba
import numpy as np
from numba import types
from numba.cpython.unsafe.numbers import trailing_zeros
from numba.extending import intrinsic

from alicorn.quantization.probing import falling
from alicorn.quantization.simd import address, dot, dot_levels, prefetch
from alicorn.query.kernels import gallop, kernel

ALL, ROWS, BITS_SET, ANYWHERE = 0, 1, 2, 3
EXACT, LEVELS, TABLE, BITS = 0, 1, 2, 3
SCANNED, REFINED, SETTLED, PROBED, PRUNED = 0, 1, 2, 3, 4  # counters

_BINS = 2_048  # of scores in [-1, 1]
_BUFFER = 4_096  # listed rows that are collected before they are scanned
_CHUNK = 64  # rows that are scanned before those that are left are looked at again: theirs is in the cache then
_FAR = 24  # rows of a cluster: hardware looks ahead too, but stops at every page
_NEXT = 8  # stored vectors
_AHEAD = 12  # rows: about as many cache misses as a core has under way


@intrinsic
def _popcount(context, word):
    def generate(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


popcount: Any = _popcount


@numba.njit
def cosine(query, vector, dim):
    """<query, vector> in [-1, 1], of rows by their addresses: what decides membership and scores."""
    return min(max(dot(query, vector, dim), np.float32(-1.0)), np.float32(1.0))


@numba.njit
def _prefetch_row(start, size):
    for line in range(start, start + size, 64):
        prefetch(line)


@numba.njit
def _of_table(table, codes, row):
    total = np.float32(0.0)
    for m in range(np.uint64(codes.shape[1])):
        total += table[(m << np.uint64(8)) + np.uint64(codes[row, m])]
    return total


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
def _may_reach(cosine_to_centroid, min_cosine, max_sine, bound):
    """Whether a member of a cluster may have the cosine `bound` to the query, by the angles to the centroid."""
    if cosine_to_centroid >= min_cosine:
        return True
    sine = np.sqrt(max(np.float32(0.0), np.float32(1.0) - cosine_to_centroid * cosine_to_centroid))
    return cosine_to_centroid * min_cosine + sine * max_sine + np.float32(4e-6) >= bound


@numba.njit
def _raised(counts, state, score, k, least):
    """Count a candidate that reaches `score` at least -> the bound that k candidates reach. state: bin, how many."""
    reached = min(max(np.int64((score + np.float32(1.0)) * np.float32(_BINS / 2)), 0), _BINS - 1)
    counts[reached] += 1
    if reached >= state[0]:
        state[1] += 1
        while state[1] - counts[state[0]] >= k:
            state[1] -= counts[state[0]]
            state[0] += 1
    if state[1] < k:
        return least
    edge = np.float32(state[0]) * np.float32(2.0 / _BINS) - np.float32(1.000001)
    return max(edge, least)


@numba.njit
def _doubled(array):
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
def _best(rows, scores, count, k, docs, id_order):
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


_BLOCK = (
    "float32[:, ::1], int64[::1], float32[::1], float32[::1], uint32[::1], uint8[:, ::1], uint8[:, ::1], float32[::1],"
    " float32[:, ::1], uint64[:, ::1], float32[:, ::1]"
)  # vectors, starts, min_cosines, max_sines, docs, codes, fine, errors, fine_errors, words, factors
_QUERY = "float32[::1], float32[::1], float32[::1], int8[::1], float32[::1], uint64[:, ::1], int64, float32"
# query, cosines, numbers, levels, table, planes, kind, slack
_LIMITS = "int64, uint32[::1], uint64[::1], boolean[::1], int64[::1]"
# mode, allowed rows, bits of allowed rows, deleted documents, clusters


@kernel(f"Tuple((uint32[::1], float32[::1]))({_BLOCK}, {_QUERY}, {_LIMITS}, int64, float64, uint32[::1], int64[::1])")
def look(
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
    Returns rows and their scores; with k = 0 a score may be an estimate that was good enough.
    """
    bound = np.float32(least) if k else np.float32(least - 1e-6)
    lowest = bound
    dim, code_size = len(query), codes.shape[1]
    vector_size = 4 * dim
    query_at, vectors_at, levels_at = address(query), address(vectors), address(levels)
    codes_at, fine_at, fine_errors_at = address(codes), address(fine), address(fine_errors)
    left_rows = np.empty(_CHUNK, dtype=np.int64)
    left_scores = np.empty(_CHUNK, dtype=np.float32)
    counts = np.zeros(_BINS if k else 1, dtype=np.uint32)
    state = np.zeros(2, dtype=np.int64)
    room = 256
    found_rows = np.empty(room, dtype=np.uint32)
    found_scores = np.empty(room, dtype=np.float32)
    found_errors = np.empty(room, dtype=np.float32)
    found = 0
    buffer_rows = np.empty(_BUFFER + 64 if mode != ALL else 1, dtype=np.uint32)
    buffer_bases = np.empty(len(buffer_rows), dtype=np.float32)

    num_clusters = len(clusters) if mode != ANYWHERE else 1
    at = 0  # cluster of the list; with ANYWHERE, of the segment
    position = 0  # in `allowed`
    row_at, row_stop = 0, 0  # what is left of the current cluster
    base, cluster_base = np.float32(0.0), np.float32(0.0)
    while True:
        # Collect rows: a whole cluster where all count, else listed rows until the buffer is full.
        collected = 0
        first = 0
        if mode == ALL:
            while at < num_clusters:
                cluster = clusters[at]
                at += 1
                if starts[cluster] == starts[cluster + 1]:
                    continue
                if not _may_reach(cosines[cluster], min_cosines[cluster], max_sines[cluster], bound):
                    counters[PRUNED] += 1
                    continue
                counters[PROBED] += 1
                first = starts[cluster]
                collected = starts[cluster + 1] - first
                base = cosines[cluster]
                break
        elif mode == ANYWHERE:
            while position < len(allowed) and collected < _BUFFER:
                row = np.int64(allowed[position])
                if kind != EXACT:
                    if row >= starts[at + 1]:
                        at = _cluster_of(starts, at, row)
                    buffer_bases[collected] = cosines[at]
                buffer_rows[collected] = np.uint32(row)
                collected += 1
                position += 1
        else:
            while collected < _BUFFER:
                if row_at == row_stop:
                    if at == num_clusters:
                        break
                    cluster = clusters[at]
                    at += 1
                    row_at, row_stop = starts[cluster], starts[cluster + 1]
                    if row_at == row_stop:
                        continue
                    if not _may_reach(cosines[cluster], min_cosines[cluster], max_sines[cluster], bound):
                        counters[PRUNED] += 1
                        row_at = row_stop
                        continue
                    counters[PROBED] += 1
                    cluster_base = cosines[cluster]
                    if mode == ROWS:
                        guess = np.int64(np.float64(row_at) / np.float64(starts[-1]) * np.float64(len(allowed)))
                        position = _first_from(allowed, guess, np.uint32(row_at))
                if mode == ROWS:
                    while position < len(allowed) and allowed[position] < row_stop and collected < _BUFFER:
                        buffer_rows[collected] = allowed[position]
                        buffer_bases[collected] = cluster_base
                        collected += 1
                        position += 1
                    if collected < _BUFFER:
                        row_at = row_stop
                    else:
                        row_at = np.int64(buffer_rows[collected - 1]) + 1
                else:  # one word of bits
                    word_at = row_at >> 6
                    word = bits[word_at] & (np.uint64(0xFFFFFFFFFFFFFFFF) << np.uint64(row_at & 63))
                    stop = min((word_at + 1) << 6, row_stop)
                    if stop & 63:
                        word &= (np.uint64(1) << np.uint64(stop & 63)) - np.uint64(1)
                    while word != np.uint64(0):
                        buffer_rows[collected] = np.uint32(word_at << 6) + np.uint32(trailing_zeros(word))
                        buffer_bases[collected] = cluster_base
                        collected += 1
                        word &= word - np.uint64(1)
                    row_at = stop
        if collected == 0:
            break
        # Scan them by code, some at a time, and then take those that are left to the next step.
        if kind == EXACT:
            counters[SETTLED] += collected
        else:
            counters[SCANNED] += collected
        for chunk in range(0, collected, _CHUNK):
            left = 0
            for i in range(chunk, min(chunk + _CHUNK, collected)):
                if mode == ALL:
                    row = first + i
                    prefetch(codes_at + (row + _FAR) * code_size)
                else:
                    row = np.int64(buffer_rows[i])
                    base = buffer_bases[i]
                    if i + _AHEAD < collected:
                        ahead = np.int64(buffer_rows[i + _AHEAD])
                        if kind != EXACT:
                            prefetch(codes_at + ahead * code_size)
                        else:
                            _prefetch_row(vectors_at + ahead * vector_size, vector_size)
                if kind == LEVELS:
                    level = np.float32(dot_levels(codes_at + code_size * row, code_size, levels_at))
                    reach = base + numbers[1] + numbers[0] * level + errors[row] + slack
                    known = base + numbers[3] + np.float32(16.0) * numbers[2] * level
                elif kind == TABLE:
                    known = base + numbers[1] + _of_table(table, codes, row)
                    reach = known + errors[row] + slack
                elif kind == BITS:
                    known = base + _of_bits(table, planes, words, factors, row)
                    reach = known + errors[row] + slack
                else:
                    known = reach = cosine(query_at, vectors_at + vector_size * row, dim)
                if reach < bound:
                    continue
                if kind == LEVELS:
                    prefetch(fine_at + code_size * row)
                    prefetch(fine_errors_at + 4 * row)
                elif kind != EXACT:
                    _prefetch_row(vectors_at + vector_size * row, vector_size)
                left_rows[left] = row
                left_scores[left] = known
                left += 1
            for i in range(left):
                row, score, error = left_rows[i], left_scores[i], np.float32(0.0)
                if len(deleted) > 0 and deleted[docs[row]]:
                    continue
                if kind == LEVELS:
                    score += numbers[2] * np.float32(dot_levels(fine_at + code_size * row, code_size, levels_at))
                    error = fine_errors[row, 0] + slack
                    counters[REFINED] += 1
                elif kind != EXACT:
                    score = cosine(query_at, vectors_at + vector_size * row, dim)
                    counters[SETTLED] += 1
                if score + error < bound:
                    continue
                if found == room:
                    if k:  # drop what the bound has excluded meanwhile
                        kept = 0
                        for j in range(found):
                            if found_scores[j] + found_errors[j] >= bound:
                                found_rows[kept] = found_rows[j]
                                found_scores[kept] = found_scores[j]
                                found_errors[kept] = found_errors[j]
                                kept += 1
                        found = kept
                    if 2 * found > room:
                        found_rows, found_scores = _doubled(found_rows), _doubled(found_scores)
                        found_errors = _doubled(found_errors)
                        room *= 2
                found_rows[found] = np.uint32(row)
                found_scores[found] = score
                found_errors[found] = error
                found += 1
                if k:
                    bound = _raised(counts, state, score - error, k, lowest)

    # Settle the candidates.
    kept = 0
    for i in range(found):
        row = np.int64(found_rows[i])
        score = found_scores[i]
        if score + found_errors[i] < bound:
            continue
        if found_errors[i] > np.float32(0.0) and (k or np.float64(score - found_errors[i]) < least):
            if i + _NEXT < found:
                ahead = np.int64(found_rows[i + _NEXT])
                _prefetch_row(vectors_at + ahead * vector_size, vector_size)
            score = cosine(query_at, vectors_at + vector_size * row, dim)
            counters[SETTLED] += 1
        if np.float64(score) < least:
            continue
        found_rows[kept] = np.uint32(row)
        found_scores[kept] = score
        kept += 1
    if not k:
        return found_rows[:kept], found_scores[:kept]
    return _best(found_rows, found_scores, kept, k, docs, id_order)
