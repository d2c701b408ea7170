"""Which rows of a block to scan next: clusters that their angle cannot exclude, and the allowed rows in them.

Everything is compiled, and taken by address (quantization/kernels/named.py).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba.cpython.unsafe.numbers import trailing_zeros as _trailing_zeros

from alicorn.compiled import subroutine
from alicorn.quantization.kernels.intrinsics import floats_at, longs_at, numbers_at, words_at
from alicorn.query.nn.arguments import ALL, ANYWHERE, LISTED, PROBED, PRUNED

BUFFER = 1_024  # rows that are collected before they are scanned: the bound rises between

_count_trailing_zeros: Any = _trailing_zeros


class Cursor(NamedTuple):
    """cluster: the next one, by its place among the limits'. row, stop: of the cluster before it, what is left.
    place: of the next row of a list."""

    cluster: int
    row: int
    stop: int
    place: int


@subroutine
def collect(block, query, limits, cursor, bound, rows, bases, counters):
    """Write the next rows and the cosines of their centroids, up to BUFFER rows -> how many, and the cursor.

    There is room for 64 more.
    """
    if limits.mode == ANYWHERE:
        return _from_list(block, query, limits, cursor, rows, bases)
    count, out = 0, floats_at(bases)
    while count < BUFFER:
        if cursor.row == cursor.stop:
            if cursor.cluster == limits.num_clusters:
                break
            cursor = _next_cluster(block, query, limits, cursor, bound, counters)
            continue
        first = count
        if limits.mode == ALL:
            count, cursor = _all_rows(cursor, rows, count)
        elif limits.mode == LISTED:
            count, cursor = _listed_rows(limits, cursor, rows, count)
        else:
            count, cursor = _marked_rows(limits, cursor, rows, count)
        base = floats_at(query.cosines)[longs_at(limits.clusters)[cursor.cluster - 1]]
        for i in range(first, count):
            out[i] = base
    return count, cursor


@subroutine
def _next_cluster(block, query, limits, cursor, bound, counters):
    """At the first row of the next cluster; at its end if it is empty or cannot reach the bound."""
    cluster = longs_at(limits.clusters)[cursor.cluster]
    start, stop = longs_at(block.starts)[cluster], longs_at(block.starts)[cluster + 1]
    place = cursor.place
    if start < stop:
        if _may_reach(block, query, cluster, bound):
            longs_at(counters)[PROBED] += 1
            if limits.mode == LISTED:
                total = np.float64(longs_at(block.starts)[block.num_clusters])
                guess = np.int64(np.float64(start) / total * np.float64(limits.num_rows))
                place = _first_from(limits.rows, limits.num_rows, guess, start)
        else:
            longs_at(counters)[PRUNED] += 1
            start = stop
    return Cursor(cursor.cluster + 1, start, stop, place)


@subroutine
def _may_reach(block, query, cluster, bound):
    """Whether a member of a cluster may have the cosine `bound` to the query, by the angles to the centroid."""
    cosine = floats_at(query.cosines)[cluster]
    min_cosine, max_sine = floats_at(block.min_cosines)[cluster], floats_at(block.max_sines)[cluster]
    if cosine >= min_cosine:
        return True
    sine = np.sqrt(max(np.float32(0.0), np.float32(1.0) - cosine * cosine))
    return cosine * min_cosine + sine * max_sine + query.slack >= bound


@subroutine
def _all_rows(cursor, rows, count):
    out = numbers_at(rows)
    size = min(cursor.stop - cursor.row, BUFFER - count)
    for i in range(size):
        out[count + i] = np.uint32(cursor.row + i)
    return count + size, Cursor(cursor.cluster, cursor.row + size, cursor.stop, cursor.place)


@subroutine
def _listed_rows(limits, cursor, rows, count):
    out, listed = numbers_at(rows), numbers_at(limits.rows)
    place = cursor.place
    while place < limits.num_rows and listed[place] < cursor.stop and count < BUFFER:
        out[count] = listed[place]
        count += 1
        place += 1
    row = cursor.stop if count < BUFFER else np.int64(out[count - 1]) + 1
    return count, Cursor(cursor.cluster, row, cursor.stop, place)  # type: ignore[arg-type]  # an int where compiled


@subroutine
def _marked_rows(limits, cursor, rows, count):
    """Collect the rows of one word of bits."""
    out = numbers_at(rows)
    at = cursor.row >> 6
    word = words_at(limits.bits)[at] & (np.uint64(0xFFFFFFFFFFFFFFFF) << np.uint64(cursor.row & 63))
    stop = min((at + 1) << 6, cursor.stop)
    if stop & 63:
        word &= (np.uint64(1) << np.uint64(stop & 63)) - np.uint64(1)
    while word != np.uint64(0):
        out[count] = np.uint32((at << 6) + np.int64(_count_trailing_zeros(word)))
        count += 1
        word &= word - np.uint64(1)
    return count, Cursor(cursor.cluster, stop, cursor.stop, cursor.place)


@subroutine
def _from_list(block, query, limits, cursor, rows, bases):
    """The next rows of the list, whatever their clusters; `cursor.cluster` is that of the last row."""
    out, listed, out_bases = numbers_at(rows), numbers_at(limits.rows), floats_at(bases)
    cluster, count = cursor.cluster, min(limits.num_rows - cursor.place, BUFFER)
    for i in range(count):
        row = np.int64(listed[cursor.place + i])
        out[i] = np.uint32(row)
        if query.num_cosines:
            if row >= longs_at(block.starts)[cluster + 1]:
                cluster = _cluster_of(block, cluster, row)
            out_bases[i] = floats_at(query.cosines)[cluster]
    return count, Cursor(cluster, 0, 0, cursor.place + count)


@subroutine
def _cluster_of(block, at, row):
    """The cluster of a row, searched from `at` on: doubling steps, then single ones."""
    starts, step = longs_at(block.starts), 1
    while at + step < block.num_clusters and starts[at + step] <= row:
        at += step
        step *= 2
    while starts[at + 1] <= row:
        at += 1
    return at


@subroutine
def _first_from(numbers, size, guess, value):
    """The first place whose number is >= value, searched from a guess in both directions, by doubling steps."""
    listed = numbers_at(numbers)
    guess = min(max(guess, 0), size)
    step = 1
    if guess == size or listed[guess] >= value:
        low, high = guess - 1, guess
        while low >= 0 and listed[low] >= value:
            high = low
            low -= step
            step *= 2
        low = max(low + 1, 0)
    else:
        low, high = guess, guess
        while high < size and listed[high] < value:
            low = high + 1
            high += step
            step *= 2
        high = min(high, size)
    while low < high:
        middle = (low + high) // 2
        if listed[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low
