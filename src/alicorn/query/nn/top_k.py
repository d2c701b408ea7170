"""The k best scores in compiled loops: a bound on the k-th best that rises with every candidate, and the final order.

The bound is read off a histogram of what the candidates so far reach at least, so it costs no heap.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from alicorn.compiled import subroutine
from alicorn.quantization.coarse.probing import falling
from alicorn.quantization.kernels.intrinsics import longs_at

BINS = 2_048  # of scores in [-1, 1]
_FEW = 128  # keys; fewer are sorted by inserting


class Bound(NamedTuple):
    """value: what a score must reach to be among the k best, or `lowest`.

    edge: the highest bin that k candidates reach; above: how many reach it; least_bin: none reaches less.
    """

    edge: int
    above: int
    least_bin: int
    lowest: np.float32
    value: np.float32


@subroutine
def bound_from(lowest):
    """Before any candidate."""
    return Bound(0, 0, BINS, lowest, lowest)


@subroutine
def raised(bound, histogram, score, k):
    """After one more candidate, whose score is at least `score`. histogram: address of BINS int64, 0 at first."""
    counts, edge, above = longs_at(histogram), bound.edge, bound.above
    reached = bin_of(score)
    counts[reached] += 1
    least_bin = min(bound.least_bin, reached)
    value = bound.value
    if reached >= edge:
        above += 1
        if above >= k:
            edge, above = highest_edge(counts, max(edge, least_bin), above, k)
            value = max(lower_edge(edge), bound.lowest)
    return Bound(edge, above, least_bin, bound.lowest, value)


@subroutine
def bin_of(score):
    return min(max(np.int64((score + np.float32(1.0)) * np.float32(BINS / 2)), 0), BINS - 1)


@subroutine
def lower_edge(number):
    """What every score of a bin reaches, but for rounding."""
    return np.float32(number) * np.float32(2.0 / BINS) - np.float32(1.000001)


@subroutine
def highest_edge(counts, edge, above, k):
    """The highest bin, from `edge` on, that k scores reach, and how many reach it. above: those that reach `edge`."""
    while above - counts[edge] >= k:
        above -= counts[edge]
        edge += 1
    return edge, above


@subroutine
def doubled(array):
    longer = np.empty(2 * len(array), dtype=array.dtype)
    for i in range(len(array)):  # a slice would be compiled in seconds
        longer[i] = array[i]
    return longer


@subroutine
def _insertion_sorted(keys):
    for i in range(1, len(keys)):
        key = keys[i]
        at = i
        while at > 0 and keys[at - 1] > key:
            keys[at] = keys[at - 1]
            at -= 1
        keys[at] = key
    return keys


@subroutine
def _sorted_by_upper_half(keys):
    """Ascending by the upper 32 bits of each key; the lower halves ascend already. Many are sorted by digits of 8 bits.

    Numba's own sort takes a second to compile.
    """
    if len(keys) < _FEW:
        return _insertion_sorted(keys)
    counts = np.zeros(4 * 256, dtype=np.int64)
    for i in range(len(keys)):
        for digit in range(4):
            counts[256 * digit + _digit(keys[i], digit)] += 1
    other = np.empty_like(keys)
    for digit in range(4):
        if counts[256 * digit + _digit(keys[0], digit)] == len(keys):  # all have the same
            continue
        at = 0
        for value in range(256 * digit, 256 * (digit + 1)):
            at, counts[value] = at + counts[value], at
        for i in range(len(keys)):
            value = 256 * digit + _digit(keys[i], digit)
            other[counts[value]] = keys[i]
            counts[value] += 1
        keys, other = other, keys
    return keys


@subroutine
def _digit(key, digit):
    return np.int64((key >> np.uint64(32 + 8 * digit)) & np.uint64(255))


@subroutine
def _sort_by_id(keys, first, last, rows, docs, id_order):
    tied = np.empty(last - first, dtype=np.uint64)
    for i in range(first, last):
        place = keys[i] & np.uint64(0xFFFFFFFF)
        tied[i - first] = np.uint64(id_order[docs[rows[np.int64(place)]]]) << np.uint64(32) | place
    tied = _sorted_by_upper_half(tied)
    score = keys[first] & np.uint64(0xFFFFFFFF00000000)
    for i in range(first, last):
        keys[i] = score | (tied[i - first] & np.uint64(0xFFFFFFFF))


@subroutine
def best_of(rows, scores, count, k, docs, id_order):
    """The first k by falling score, ties by id_order."""
    keys = np.empty(count, dtype=np.uint64)
    for i in range(count):
        keys[i] = falling(scores[i]) << np.uint64(32) | np.uint64(i)
    keys = _sorted_by_upper_half(keys)
    first = 0
    while first < min(count, k):  # equal scores are side by side, by position: put them in the order of ids
        last = first + 1
        while last < count and keys[last] >> np.uint64(32) == keys[first] >> np.uint64(32):
            last += 1
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
