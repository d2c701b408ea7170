"""Which rows of a block to scan next: clusters that their angle cannot exclude, and the allowed rows in them.

Everything is compiled, and taken by address (quantization/kernels/named.py).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba.cpython.unsafe.numbers import trailing_zeros as _trailing_zeros

from alicorn.compiled import subroutine
from alicorn.quantization.kernels.intrinsics import floats_at, longs_at, numbers_at, words_at
from alicorn.query.nn.loop.allowed import first_from
from alicorn.query.nn.loop.arguments import ALL, ANYWHERE, LISTED, PROBED, PRUNED

BUFFER = 1_024  # rows that are collected before they are scanned: the bound rises between

_count_trailing_zeros: Any = _trailing_zeros


class ScanPosition(NamedTuple):
    """cluster: the next one, by its place among the limits'. row, stop: of the cluster before it, what is left.
    place: of the next row of a list."""

    cluster: int
    row: int
    stop: int
    place: int


@subroutine
def collect(block, query, limits, position, bound, rows, bases, counters):
    """Write the next rows and the cosines of their centroids, up to BUFFER rows -> how many, and the new position.

    There is room for 64 more.
    """
    if limits.mode == ANYWHERE:
        return _from_list(block, query, limits, position, rows, bases)
    count, out = 0, floats_at(bases)
    while count < BUFFER:
        if position.row == position.stop:
            if position.cluster == limits.num_clusters:
                break
            position = _next_cluster(block, query, limits, position, bound, counters)
            continue
        first = count
        if limits.mode == ALL:
            count, position = _all_rows(position, rows, count)
        elif limits.mode == LISTED:
            count, position = _listed_rows(limits, position, rows, count)
        else:
            count, position = _marked_rows(limits, position, rows, count)
        base = floats_at(query.cosines)[longs_at(limits.clusters)[position.cluster - 1]]
        for i in range(first, count):
            out[i] = base
    return count, position


@subroutine
def _next_cluster(block, query, limits, position, bound, counters):
    """At the first row of the next cluster; at its end if it is empty or cannot reach the bound."""
    cluster = longs_at(limits.clusters)[position.cluster]
    start, stop = longs_at(block.starts)[cluster], longs_at(block.starts)[cluster + 1]
    place = position.place
    if start < stop:
        if _may_reach(block, query, cluster, bound):
            longs_at(counters)[PROBED] += 1
            if limits.mode == LISTED:
                total = np.float64(longs_at(block.starts)[block.num_clusters])
                guess = np.int64(np.float64(start) / total * np.float64(limits.num_rows))
                place = first_from(limits.rows, limits.num_rows, guess, start)
        else:
            longs_at(counters)[PRUNED] += 1
            start = stop
    return ScanPosition(position.cluster + 1, start, stop, place)


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
def _all_rows(position, rows, count):
    out = numbers_at(rows)
    size = min(position.stop - position.row, BUFFER - count)
    for i in range(size):
        out[count + i] = np.uint32(position.row + i)
    return count + size, ScanPosition(position.cluster, position.row + size, position.stop, position.place)


@subroutine
def _listed_rows(limits, position, rows, count):
    out, listed = numbers_at(rows), numbers_at(limits.rows)
    place = position.place
    while place < limits.num_rows and listed[place] < position.stop and count < BUFFER:
        out[count] = listed[place]
        count += 1
        place += 1
    row = position.stop if count < BUFFER else np.int64(out[count - 1]) + 1
    return count, ScanPosition(position.cluster, row, position.stop, place)  # type: ignore[arg-type]  # int if compiled


@subroutine
def _marked_rows(limits, position, rows, count):
    """Collect the rows of one word of bits."""
    out = numbers_at(rows)
    at = position.row >> 6
    word = words_at(limits.bits)[at] & (np.uint64(0xFFFFFFFFFFFFFFFF) << np.uint64(position.row & 63))
    stop = min((at + 1) << 6, position.stop)
    if stop & 63:
        word &= (np.uint64(1) << np.uint64(stop & 63)) - np.uint64(1)
    while word != np.uint64(0):
        out[count] = np.uint32((at << 6) + np.int64(_count_trailing_zeros(word)))
        count += 1
        word &= word - np.uint64(1)
    return count, ScanPosition(position.cluster, stop, position.stop, position.place)


@subroutine
def _from_list(block, query, limits, position, rows, bases):
    """The next rows of the list, whatever their clusters; `position.cluster` is that of the last row."""
    out, listed, out_bases = numbers_at(rows), numbers_at(limits.rows), floats_at(bases)
    cluster, count = position.cluster, min(limits.num_rows - position.place, BUFFER)
    for i in range(count):
        row = np.int64(listed[position.place + i])
        out[i] = np.uint32(row)
        if query.num_cosines:
            if row >= longs_at(block.starts)[cluster + 1]:
                cluster = _cluster_of(block, cluster, row)
            out_bases[i] = floats_at(query.cosines)[cluster]
    return count, ScanPosition(cluster, 0, 0, position.place + count)


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
