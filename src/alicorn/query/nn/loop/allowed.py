"""The rows that a search may find: of the documents that have some terms, and how many of them a cluster holds.

Everything is compiled, and taken by address (quantization/kernels/named.py).
"""

from __future__ import annotations

import numpy as np

from alicorn.compiled import subroutine
from alicorn.quantization.kernels.intrinsics import (
    address,
    bytes_at,
    keep,
    longs_at,
    new_words,
    numbers_at,
    popcount,
    words_at,
)
from alicorn.query.nn.loop.arguments import ALL, LISTED, MARKED, WITH_TERMS, Limits
from alicorn.query.sets.kernels import first_between, gallop
from alicorn.query.text.in_all import (
    BITS,
    DOCUMENTS,
    LIST,
    ROOM,
    SIZE,
    leading,
    next_documents,
    read_lists,
    word_of_all,
)

_EVERY = np.uint64(0xFFFFFFFFFFFFFFFF)


@subroutine
def with_allowed(limits):
    """The limits with the allowed rows themselves, where terms say which they are, and the array that has them."""
    if limits.mode != WITH_TERMS:
        return limits, new_words(0)
    having = limits.having
    list_space = new_words(LIST * having.num_terms)
    lists = address(list_space)
    read_lists(having.postings, 0, having.terms, having.num_terms, lists)
    leader = leading(lists, having.num_terms)
    if having.num_terms == 1 and not limits.any_deleted:
        one, space = longs_at(lists), new_words(0)
        if one[BITS]:
            limits = _with_rows(limits, MARKED, 0, one[BITS], one[SIZE])
        else:
            limits = _with_rows(limits, LISTED, one[DOCUMENTS], 0, one[SIZE])
    elif having.any or leader < 0:
        space = new_words(having.postings.num_words)
        count = _mark(having, lists, address(space))
        limits = _with_rows(limits, MARKED, 0, address(space), count)
    else:
        space = new_words((longs_at(lists + 8 * LIST * leader)[SIZE] + ROOM) // 2 + 1)
        count = _list(limits, lists, leader, address(space))
        limits = _with_rows(limits, LISTED, address(space), 0, count)
    keep(list_space)
    return limits, space


@subroutine
def _with_rows(limits, mode, rows, bits, count):
    return Limits(
        mode,
        rows,
        count,
        bits,
        limits.clusters,
        limits.num_clusters,
        limits.deleted,
        limits.any_deleted,
        limits.k,
        limits.least,
        limits.id_order,
        limits.having,
        limits.choice,
        limits.flag,
    )


@subroutine
def _mark(having, lists, space):
    """Set the bits of the live documents that have all terms, or any -> how many they are."""
    bits, num_words, count = words_at(space), having.postings.num_words, np.int64(0)
    for at in range(num_words):
        bits[at] = np.uint64(0) if having.any else word_of_all(lists, having.num_terms, at)
    for i in range(having.num_terms if having.any else 0):
        one = longs_at(lists + 8 * LIST * i)
        if one[BITS]:
            for at in range(num_words):
                bits[at] |= words_at(one[BITS])[at]
        else:
            for place in range(one[SIZE]):
                document = numbers_at(one[DOCUMENTS])[place]
                bits[document >> 6] |= np.uint64(1) << np.uint64(document & 63)
    for at in range(num_words):
        if having.num_live:
            bits[at] &= words_at(having.live)[at]
        count += np.int64(popcount(bits[at]))
    return count


@subroutine
def _list(limits, lists, leader, rows):
    """List the live documents that have all terms -> how many they are."""
    having, out = limits.having, numbers_at(rows)
    count, position = np.int64(0), np.int64(0)
    while True:
        found, position = next_documents(
            lists, having.num_terms, leader, having.postings.num_words, position, rows + 4 * count
        )
        if found == 0:
            return count
        for i in range(count, count + found):
            document = np.int64(out[i])
            out[count] = np.uint32(document)
            count += np.int64(not limits.any_deleted or bytes_at(limits.deleted)[document] == 0)


@subroutine
def num_allowed(block, limits, cluster, place):
    """How many allowed rows a cluster holds -> and, of a list, the place of the first one. place: of some other one."""
    start, stop = longs_at(block.starts)[cluster], longs_at(block.starts)[cluster + 1]
    if limits.mode == ALL:
        return stop - start, place
    if limits.mode == LISTED:
        first = first_from(limits.rows, limits.num_rows, place, start)
        return first_from(limits.rows, limits.num_rows, first, stop) - first, first
    return ones_between(limits.bits, start, stop), place


@subroutine
def ones_between(bits, start, stop):
    """How many bits are set from `start` to `stop`. bits: address."""
    count = np.int64(0)
    if start == stop:
        return count
    first, last = start >> 6, (stop - 1) >> 6
    for at in range(first, last + 1):
        word = words_at(bits)[at]
        if at == first:
            word &= _EVERY << np.uint64(start & 63)
        if at == last:
            word &= _EVERY >> np.uint64(63 - ((stop - 1) & 63))
        count += np.int64(popcount(word))
    return count


@subroutine
def first_from(numbers, size, guess, value):
    """The first place whose number is >= value, searched from a guess in both directions, by doubling steps."""
    listed = numbers_at(numbers)
    guess = min(max(guess, 0), size)
    if guess < size and listed[guess] < value:
        return gallop(listed, guess, size, value)
    step, low, high = 1, guess - 1, guess
    while low >= 0 and listed[low] >= value:
        high = low
        low -= step
        step *= 2
    return first_between(listed, max(low + 1, 0), high, value)
