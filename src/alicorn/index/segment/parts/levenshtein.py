"""The terms of a sorted dictionary within one or two edits of a word.

A sorted dictionary is a trie: terms with a common prefix follow each other. The distance is that of optimal string
alignment: Levenshtein's edits, and the transposition of two neighbours as one edit. Its table has a row for each prefix
of a term, with the distances to the prefixes of the word in a band of 2 edits + 1; the others are too large. A row is
equivalent to a state of the Levenshtein automaton of the word (Schulz and Mihov 2002). The rows of a common prefix are
kept from one term to the next. When all distances of a row are too large, a binary search finds the next possible term.
"""

from __future__ import annotations

import numba
import numpy as np

from alicorn.compiled import kernel, subroutine

OFFSETS = numba.types.Array(numba.int32, 1, "C", readonly=True)
BYTES = numba.types.Array(numba.uint8, 1, "C", readonly=True)


@subroutine
def _code_point(data, at):
    """The character at a byte of UTF-8, and its number of bytes."""
    first = np.int64(data[at])
    if first < 0x80:
        return first, 1
    size, code = (2, first & 0x1F) if first < 0xE0 else ((3, first & 0x0F) if first < 0xF0 else (4, first & 0x07))
    for place in range(at + 1, at + size):
        code = code << 6 | np.int64(data[place]) & 0x3F
    return code, size


@subroutine
def _put_code_point(code, target, at):
    """Write a character as UTF-8 -> where it ends."""
    if code < 0x80:
        target[at] = code
        return at + 1
    size = 2 if code < 0x800 else (3 if code < 0x10000 else 4)
    for place in range(at + size - 1, at, -1):
        target[place] = 0x80 | code & 0x3F
        code >>= 6
    target[at] = (0xF00 >> size) & 0xFF | code
    return at + size


@subroutine
def _is_below(offsets, data, term, skip, target, length):
    """Whether a term without its first `skip` bytes is below target[:length]."""
    start, stop = np.int64(offsets[term]) + skip, np.int64(offsets[term + 1])
    shared = min(stop - start, length)
    for at in range(shared):
        if data[start + at] != target[at]:
            return data[start + at] < target[at]
    return stop - start < length


@subroutine
def _first_from(offsets, data, low, high, skip, target, length):
    """The first of the terms low, low + 1, ... high - 1 that is not below the target, or high."""
    step, at = np.int64(1), low
    while at < high and _is_below(offsets, data, at, skip, target, length):
        low = at + 1
        at += step
        step *= 2
    high = min(at, high)
    while low < high:
        middle = (low + high) // 2
        if _is_below(offsets, data, middle, skip, target, length):
            low = middle + 1
        else:
            high = middle
    return low


@subroutine
def _fill_row(rows, depth, path, word, edits):
    """The distances of path[:depth] to the beginnings of the word, in a band -> the least of them.

    rows[depth, k]: to word[:depth - edits + k]; all above `edits` are edits + 1. path[depth - 1]: the last character.
    """
    width, least = 2 * edits + 1, edits + 1
    for k in range(width):
        j, distance = depth - edits + k, edits + 1
        if j == 0:
            distance = min(depth, distance)
        elif 0 < j <= len(word):
            distance = min(distance, rows[depth - 1, k] + (word[j - 1] != path[depth - 1]))
            if k + 1 < width:
                distance = min(distance, rows[depth - 1, k + 1] + 1)
            if k:
                distance = min(distance, rows[depth, k - 1] + 1)
            if depth > 1 and j > 1 and word[j - 1] == path[depth - 2] and word[j - 2] == path[depth - 1]:
                distance = min(distance, rows[depth - 2, k] + 1)
        rows[depth, k] = distance
        least = min(least, distance)
    return least


@subroutine
def _next_character(rows, depth, path, word, edits):
    """The least character above path[depth - 1] with which the row `depth` has a distance that is small enough.

    All distances of the row before are `edits` or more: only a character of the word, or a transposition, can go on.
    """
    least = np.int64(0x110000)
    for k in range(2 * edits + 1):
        j = depth - edits + k
        if not 0 < j <= len(word):
            continue
        if rows[depth - 1, k] <= edits and path[depth - 1] < word[j - 1] < least:
            least = np.int64(word[j - 1])
        can_transpose = depth > 1 and j > 1 and word[j - 1] == path[depth - 2] and rows[depth - 2, k] < edits
        if can_transpose and path[depth - 1] < word[j - 2] < least:
            least = np.int64(word[j - 2])
    return least


@kernel(
    numba.int64(
        OFFSETS,
        BYTES,
        numba.int64,
        numba.int64,
        numba.int64,
        numba.int32[::1],
        numba.int64,
        numba.int64[::1],
        numba.int64[::1],
    )
)
def terms_near(offsets, data, low, high, skip, word, edits, numbers, distances):
    """The terms low, low + 1, ... high - 1 near a word -> how many. numbers, distances: (high - low,), filled.

    skip: bytes with which all of these terms begin, and which are not compared; word: code points.
    """
    deepest = len(word) + edits + 1
    rows = np.empty((deepest + 1, 2 * edits + 1), dtype=np.int8)
    path, ends = np.empty(deepest + 1, dtype=np.int64), np.zeros(deepest + 1, dtype=np.int64)
    target = np.empty(4 * deepest + 4, dtype=np.uint8)
    for k in range(2 * edits + 1):
        rows[0, k] = k - edits if edits <= k <= edits + len(word) else edits + 1
    found = depth = np.int64(0)
    term, before = low, low  # `before`: a term that begins with the path
    while term < high:
        start, stop = np.int64(offsets[term]) + skip, np.int64(offsets[term + 1])
        known, shared = np.int64(offsets[before]) + skip, np.int64(0)
        while shared < ends[depth] and start + shared < stop and data[start + shared] == data[known + shared]:
            shared += 1
        while ends[depth] > shared:
            depth -= 1
        is_near = True
        while is_near and start + ends[depth] < stop:
            path[depth], size = _code_point(data, start + ends[depth])
            ends[depth + 1] = ends[depth] + size
            depth += 1
            is_near = _fill_row(rows, depth, path, word, edits) <= edits
        before = term
        if is_near:
            k = len(word) - depth + edits
            if 0 <= k <= 2 * edits and rows[depth, k] <= edits:
                numbers[found], distances[found] = term, rows[depth, k]
                found += 1
            term += 1
            continue
        least = edits
        for k in range(2 * edits + 1):
            least = min(least, np.int64(rows[depth - 1, k]))
        length, end = ends[depth], np.int64(0)
        if least == edits:
            following = _next_character(rows, depth, path, word, edits)
            length = ends[depth - 1]
            end = _put_code_point(following, target, length) if following < 0x110000 else end
        for at in range(length):
            target[at] = data[start + at]
        if not end:  # past all terms that begin so: no UTF-8 text has byte 255
            target[length] = 0xFF
            end = length + 1
        term = _first_from(offsets, data, term + 1, high, skip, target, end)
    return found
