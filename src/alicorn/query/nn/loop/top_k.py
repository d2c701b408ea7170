"""The k best scores in compiled loops: a bound on the k-th best that rises with every candidate, and the final order.

The bound is read off a histogram of lower bounds of the candidates' scores, so it needs no heap.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from alicorn.compiled import subroutine
from alicorn.quantization.coarse.probing import falling
from alicorn.quantization.kernels.intrinsics import (
    address,
    keep,
    load_float,
    load_number,
    longs_at,
    new_floats,
    new_numbers,
    new_words,
    stack_space,
    words_at,
)

BINS = 2_048  # of scores in [-1, 1]
_FEW = 128  # keys; fewer are sorted by inserting
_LOWER_HALF = np.uint64(0xFFFFFFFF)

_digit_counts = stack_space(8 * 4 * 256)


class Bound(NamedTuple):
    """value: the least score that may be among the k best, or `lowest`.

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
def at_least(bound, score):
    """The bound where k candidates are known to reach a score."""
    value = max(bound.value, score)
    return Bound(bound.edge, bound.above, bound.least_bin, max(bound.lowest, score), value)


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
    """The lower edge of a bin, except for rounding."""
    return np.float32(number) * np.float32(2.0 / BINS) - np.float32(1.000001)


@subroutine
def highest_edge(counts, edge, above, k):
    """The highest bin, from `edge` on, that k scores reach, and how many reach it. above: those that reach `edge`."""
    while above - counts[edge] >= k:
        above -= counts[edge]
        edge += 1
    return edge, above


@subroutine
def _sort_by_inserting(keys, count):
    words = words_at(keys)
    for i in range(1, count):
        key = words[i]
        at = i
        while at > 0 and words[at - 1] > key:
            words[at] = words[at - 1]
            at -= 1
        words[at] = key


@subroutine
def sorted_by_upper_half(keys, other, count):
    """Sort by the upper 32 bits of each key; the lower halves ascend already -> where the sorted keys are.

    keys, other: addresses of `count` uint64; those of `other` are overwritten. Many are sorted by digits of 8 bits.
    """
    if count < _FEW:
        _sort_by_inserting(keys, count)
        return keys
    places, digits = longs_at(_digit_counts()), 4 * 256
    for value in range(digits):
        places[value] = 0
    for i in range(count):
        for digit in range(4):
            places[256 * digit + _digit(keys, i, digit)] += 1
    for digit in range(4):
        if places[256 * digit + _digit(keys, 0, digit)] == count:  # all have the same
            continue
        at = 0
        for value in range(256 * digit, 256 * (digit + 1)):
            size = places[value]
            places[value] = at
            at += size
        for i in range(count):
            value = 256 * digit + _digit(keys, i, digit)
            words_at(other)[places[value]] = words_at(keys)[i]
            places[value] += 1
        keys, other = other, keys
    return keys


@subroutine
def _digit(keys, i, digit):
    return longs_at(keys)[i] >> (32 + 8 * digit) & 255


@subroutine
def _sort_by_id(keys, other, count, rows, docs, id_order):
    """Put keys of equal scores into the order of ids."""
    sorted_by_score, tied = words_at(keys), words_at(other)
    score = sorted_by_score[0] & ~_LOWER_HALF
    for i in range(count):
        place = sorted_by_score[i] & _LOWER_HALF
        doc = load_number(docs + 4 * load_number(rows + 4 * np.int64(place)))
        tied[i] = np.uint64(load_number(id_order + 4 * doc)) << np.uint64(32) | place
    by_id = words_at(sorted_by_upper_half(other, keys, count))
    for i in range(count):
        sorted_by_score[i] = score | (by_id[i] & _LOWER_HALF)


@subroutine
def best_of(rows, scores, count, k, docs, id_order):
    """The first k by falling score, ties by id_order -> arrays of rows and scores.

    rows, docs, id_order: addresses of uint32; scores: of `count` float32.
    """
    space = new_words(2 * count)
    keys, other = address(space), address(space) + 8 * count
    for i in range(count):
        words_at(keys)[i] = falling(load_float(scores + 4 * i)) << np.uint64(32) | np.uint64(i)
    sorted_keys = sorted_by_upper_half(keys, other, count)
    other = keys + other - sorted_keys
    words, best, first = words_at(sorted_keys), min(count, k), 0
    while first < best:  # equal scores are side by side, by position
        last = first + 1
        while last < count and words[last] >> np.uint64(32) == words[first] >> np.uint64(32):
            last += 1
        if last - first > 1:
            _sort_by_id(sorted_keys + 8 * first, other, last - first, rows, docs, id_order)
        first = last
    best_rows, best_scores = new_numbers(best), new_floats(best)
    for i in range(best):
        place = np.int64(words[i] & _LOWER_HALF)
        best_rows[i] = np.uint32(load_number(rows + 4 * place))
        best_scores[i] = load_float(scores + 4 * place)
    keep(space)
    return best_rows, best_scores
