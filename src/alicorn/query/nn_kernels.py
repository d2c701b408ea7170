"""The compiled loops of `nn`: choose clusters, scan codes, settle with stored vectors. Called by nn.py.

One call looks at one segment. A row is looked at twice at most: its code gives an estimate that is off by at most
`errors[row] + slack`; where that cannot exclude the row, its stored vector gives the score, at once, so that the bound
on the k-th best rises as early as possible (RaBitQ, papers 15.2).

How rows are limited, `mode`: ALL; SLICE, to an ascending list of rows; SCAN, to those whose bit is set. How a code is
scored, `kind`: EXACT (no code: the stored vector), BYTES (sq8), TABLE (product codes), BITS (rabitq).
"""

from typing import Any

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

from alicorn.query.kernels import gallop, kernel

ALL, SLICE, SCAN = 0, 1, 2
EXACT, BYTES, TABLE, BITS = 0, 1, 2, 3
SCANNED, SETTLED, PROBED, PRUNED = 0, 1, 2, 3  # counters


@intrinsic
def _popcount(context, word):
    def generate(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


popcount: Any = _popcount


@numba.njit(fastmath=True)
def cosine(query, vectors, row):
    """<query, vectors[row]> in [-1, 1]: the one place where membership and scores are decided."""
    total = np.float32(0.0)
    for j in range(len(query)):
        total += query[j] * vectors[row, j]
    return min(max(total, np.float32(-1.0)), np.float32(1.0))


@numba.njit(fastmath=True)
def _score_bytes(weights, codes, rows, first, count, listed, base, out):
    for i in range(count):
        row = np.int64(rows[first + i]) if listed else first + i
        total = np.float32(0.0)
        for j in range(len(weights)):
            total += weights[j] * np.float32(codes[row, j])
        out[i] = total + base


@numba.njit(fastmath=True)
def _score_table(table, codes, rows, first, count, listed, base, out):
    for i in range(count):
        row = np.int64(rows[first + i]) if listed else first + i
        total = np.float32(0.0)
        for m in range(codes.shape[1]):
            total += table[m * 256 + codes[row, m]]
        out[i] = total + base


@numba.njit(fastmath=True)
def _score_bits(weights, planes, words, factors, rows, first, count, listed, base, out):
    num_words = planes.shape[1]
    for i in range(count):
        row = np.int64(rows[first + i]) if listed else first + i
        ones = np.uint64(0)
        for w in range(num_words):
            word = words[row, w]
            ones += popcount(word & planes[0, w])
            ones += popcount(word & planes[1, w]) << np.uint64(1)
            ones += popcount(word & planes[2, w]) << np.uint64(2)
            ones += popcount(word & planes[3, w]) << np.uint64(3)
        scaled = weights[0] * np.float32(ones) + weights[1] * factors[row, 2 * num_words + 1] + weights[2]
        out[i] = factors[row, 2 * num_words] * scaled + base


@numba.njit
def _score(kind, query, vectors, codes, words, factors, weights, planes, rows, first, count, listed, base, out):
    """Estimated cosines of `count` rows from `first` on, of the list of rows or of all; exact where kind is EXACT."""
    if kind == BYTES:
        _score_bytes(weights, codes, rows, first, count, listed, base, out)
    elif kind == TABLE:
        _score_table(weights, codes, rows, first, count, listed, base, out)
    elif kind == BITS:
        _score_bits(weights, planes, words, factors, rows, first, count, listed, base, out)
    else:
        for i in range(count):
            row = np.int64(rows[first + i]) if listed else first + i
            out[i] = cosine(query, vectors, row)


@numba.njit
def _nearer(cosines, first, second):
    return cosines[first] > cosines[second] or (cosines[first] == cosines[second] and first < second)


@numba.njit
def _sift_cluster(cosines, chosen, cluster, size):
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            break
        if child + 1 < size and _nearer(cosines, chosen[child], chosen[child + 1]):
            child += 1
        if not _nearer(cosines, cluster, chosen[child]):
            break
        chosen[at] = chosen[child]
        at = child
    chosen[at] = cluster


@kernel("void(float32[::1], int64[::1])")
def nearest_clusters(cosines, chosen):
    """The len(chosen) nearest clusters, nearest first, ties to the smaller number."""
    count = len(chosen)
    size = 0
    for cluster in range(len(cosines)):  # chosen is a heap whose top is the worst
        if size < count:
            at = size
            size += 1
            while at > 0 and _nearer(cosines, chosen[(at - 1) // 2], cluster):
                chosen[at] = chosen[(at - 1) // 2]
                at = (at - 1) // 2
            chosen[at] = cluster
        elif cosines[cluster] > cosines[chosen[0]]:  # a tie goes to the smaller number, which came before
            _sift_cluster(cosines, chosen, cluster, size)
    while size > 1:
        size -= 1
        worst = chosen[0]
        last = chosen[size]
        _sift_cluster(cosines, chosen, last, size)
        chosen[size] = worst


@numba.njit
def _longest(starts, clusters):
    longest = 0
    for cluster in clusters:
        longest = max(longest, starts[cluster + 1] - starts[cluster])
    return longest


@numba.njit
def _may_reach(cosine_to_centroid, min_cosine, max_sine, bound):
    """Whether a member of a cluster may have the cosine `bound` to the query, by the angles to the centroid."""
    if cosine_to_centroid >= min_cosine:
        return True
    sine = np.sqrt(max(np.float32(0.0), np.float32(1.0) - cosine_to_centroid * cosine_to_centroid))
    return cosine_to_centroid * min_cosine + sine * max_sine + np.float32(4e-6) >= bound


@numba.njit
def _worse(score, identity, other_score, other_identity):
    return score < other_score or (score == other_score and identity > other_identity)


@numba.njit
def _push(scores, identities, rows, size, score, identity, row):
    """Put a row on the heap of the best, whose top is the worst; a full heap drops its top if the row beats it."""
    capacity = len(scores)
    if size < capacity:
        at = size
        size += 1
        while at > 0:
            parent = (at - 1) // 2
            if not _worse(score, identity, scores[parent], identities[parent]):
                break
            scores[at], identities[at], rows[at] = scores[parent], identities[parent], rows[parent]
            at = parent
    elif _worse(scores[0], identities[0], score, identity):
        at = _sift(scores, identities, rows, size, score, identity)
    else:
        return size
    scores[at], identities[at], rows[at] = score, identity, row
    return size


@numba.njit
def _sift(scores, identities, rows, size, score, identity):
    at = 0
    while True:
        child = 2 * at + 1
        if child >= size:
            return at
        if child + 1 < size and _worse(scores[child + 1], identities[child + 1], scores[child], identities[child]):
            child += 1
        if not _worse(scores[child], identities[child], score, identity):
            return at
        scores[at], identities[at], rows[at] = scores[child], identities[child], rows[child]
        at = child


@numba.njit
def _sort_best_first(scores, identities, rows, size):
    while size > 1:
        size -= 1
        score, identity, row = scores[size], identities[size], rows[size]
        worst_score, worst_identity, worst_row = scores[0], identities[0], rows[0]
        at = _sift(scores, identities, rows, size, score, identity)
        scores[at], identities[at], rows[at] = score, identity, row
        scores[size], identities[size], rows[size] = worst_score, worst_identity, worst_row


_BLOCK = (
    "float32[:, ::1], int64[::1], float32[::1], float32[::1], uint32[::1], uint8[:, ::1], uint64[:, ::1],"
    " float32[:, ::1], float32[::1]"
)  # vectors, starts, min_cosines, max_sines, docs, codes, words, factors, errors
_QUERY = "float32[::1], float32[::1], float32[::1], float32[::1], uint64[:, ::1], int64"
# query, cosines, bases, weights, planes, kind
_LIMITS = "int64, uint32[::1], uint64[::1], boolean[::1]"  # mode, allowed rows, bits of allowed rows, deleted documents


@kernel(
    f"int64({_BLOCK}, {_QUERY}, {_LIMITS}, int64[::1], float32, float32, uint32[::1], float32[::1], uint32[::1],"
    " uint32[::1], int64[::1])",
    fastmath={"nsz", "contract"},
)
def k_best(
    vectors,
    starts,
    min_cosines,
    max_sines,
    docs,
    codes,
    words,
    factors,
    errors,
    query,
    cosines,
    bases,
    weights,
    planes,
    kind,
    mode,
    allowed,
    bits,
    deleted,
    clusters,
    slack,
    least,
    id_order,
    best_scores,
    best_ids,
    best_rows,
    counters,
):
    """The best rows of the clusters, best first, ties by id_order; returns how many.

    clusters: in the order to look at them, the most promising first. least: scores below it are of no use.
    best_scores, best_ids, best_rows: (k,), overwritten.
    """
    k = len(best_scores)
    size = 0
    bound = least
    estimates = np.empty(_longest(starts, clusters), dtype=np.float32)
    for cluster in clusters:
        start, stop = starts[cluster], starts[cluster + 1]
        if start == stop:
            continue
        if not _may_reach(cosines[cluster], min_cosines[cluster], max_sines[cluster], bound):
            counters[PRUNED] += 1
            continue
        counters[PROBED] += 1
        first = start
        count = stop - start
        if mode == SLICE:
            first = gallop(allowed, 0, np.uint32(start))
            count = gallop(allowed, first, np.uint32(stop)) - first
        base = bases[cluster]
        listed = mode == SLICE
        _score(
            kind, query, vectors, codes, words, factors, weights, planes, allowed, first, count, listed, base, estimates
        )
        counters[SCANNED] += count
        for i in range(count):
            row = np.int64(allowed[first + i]) if mode == SLICE else first + i
            score = estimates[i]
            if score + (errors[row] + slack if kind != EXACT else np.float32(0.0)) < bound:
                continue
            if mode == SCAN and (bits[row >> 6] >> np.uint64(row & 63)) & np.uint64(1) == np.uint64(0):
                continue
            document = docs[row]
            if len(deleted) > 0 and deleted[document]:
                continue
            if kind != EXACT:
                score = cosine(query, vectors, row)
                counters[SETTLED] += 1
                if score < bound:
                    continue
            size = _push(best_scores, best_ids, best_rows, size, score, id_order[document], np.uint32(row))
            if size == k:
                bound = max(bound, best_scores[0])
    if kind == EXACT:
        counters[SETTLED] += counters[SCANNED]
        counters[SCANNED] = 0
    _sort_best_first(best_scores, best_ids, best_rows, size)
    return size


@kernel(
    "int64(float32[:, ::1], uint32[::1], float32[::1], uint32[::1], boolean[::1], uint32[::1], float32, float32[::1],"
    " uint32[::1], uint32[::1])"
)
def k_best_of_rows(vectors, docs, query, rows, deleted, id_order, least, best_scores, best_ids, best_rows):
    """The best of a list of rows by their stored vectors, best first, ties by id_order; returns how many."""
    size = 0
    bound = least
    for row in rows:
        document = docs[row]
        if len(deleted) > 0 and deleted[document]:
            continue
        score = cosine(query, vectors, row)
        if score < bound:
            continue
        size = _push(best_scores, best_ids, best_rows, size, score, id_order[document], row)
        if size == len(best_scores):
            bound = max(bound, best_scores[0])
    _sort_best_first(best_scores, best_ids, best_rows, size)
    return size


@kernel(
    f"int64({_BLOCK}, {_QUERY}, {_LIMITS}, int64[::1], float32, float64, uint32[::1], int64[::1])",
    fastmath={"nsz", "contract"},
)
def within_radius(
    vectors,
    starts,
    min_cosines,
    max_sines,
    docs,
    codes,
    words,
    factors,
    errors,
    query,
    cosines,
    bases,
    weights,
    planes,
    kind,
    mode,
    allowed,
    bits,
    deleted,
    clusters,
    slack,
    min_cosine,
    out,
    counters,
):
    """Rows of the clusters, in their order, whose cosine is at least min_cosine; returns how many. deleted: unused."""
    found = 0
    at = 0
    bound = np.float32(min_cosine) - np.float32(1e-6)
    estimates = np.empty(_longest(starts, clusters), dtype=np.float32)
    for cluster in clusters:
        start, stop = starts[cluster], starts[cluster + 1]
        if start == stop:
            continue
        if not _may_reach(cosines[cluster], min_cosines[cluster], max_sines[cluster], bound):
            counters[PRUNED] += 1
            continue
        counters[PROBED] += 1
        first = start
        count = stop - start
        if mode == SLICE:
            first = gallop(allowed, at, np.uint32(start))
            at = gallop(allowed, first, np.uint32(stop))
            count = at - first
        base = bases[cluster]
        listed = mode == SLICE
        _score(
            kind, query, vectors, codes, words, factors, weights, planes, allowed, first, count, listed, base, estimates
        )
        counters[SCANNED] += count
        for i in range(count):
            row = np.int64(allowed[first + i]) if mode == SLICE else first + i
            if mode == SCAN and (bits[row >> 6] >> np.uint64(row & 63)) & np.uint64(1) == np.uint64(0):
                continue
            score = estimates[i]
            if kind != EXACT:
                error = errors[row] + slack
                if score + error < min_cosine:
                    continue
                if score - error < min_cosine:
                    score = cosine(query, vectors, row)
                    counters[SETTLED] += 1
                    if score < min_cosine:
                        continue
            elif score < min_cosine:
                continue
            out[found] = row
            found += 1
    if kind == EXACT:
        counters[SETTLED] += counters[SCANNED]
        counters[SCANNED] = 0
    return found
