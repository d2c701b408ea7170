"""How many of the terms have the documents of a window: none, one, two, three or more, 64 documents at a time.

A window is a range of words of 64 documents, at most WINDOW of them. One bit of `one`, `two` and `three` each says of a
document whether it has so many of the terms or more.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba.cpython.unsafe.numbers import trailing_zeros

from alicorn.compiled import subroutine
from alicorn.quantization.kernels.intrinsics import longs_at, new_words, numbers_at, popcount, words_at
from alicorn.query.text.lists import STOP, TERM, WORDS

WINDOW = 128  # words
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


class WindowWords(NamedTuple):
    """(WINDOW,) uint64 each. leading: documents with one of the first terms or more; bits: of the term at hand."""

    one: np.ndarray
    two: np.ndarray
    three: np.ndarray
    leading: np.ndarray
    bits: np.ndarray


@subroutine
def new_window():
    return WindowWords(new_words(WINDOW), new_words(WINDOW), new_words(WINDOW), new_words(WINDOW), new_words(WINDOW))


@subroutine
def count_terms(postings, request, num_leading, need_all, first, last, window):
    """Fill the window of the words first to last, the terms of a request taken by their reach.

    num_leading: how many of them `leading` is made of. need_all: fill `one` alone, with the documents that have all.
    Of each sparse term, request.at becomes the place where its postings in the window begin; request.ahead, which was
    that place, where they end.
    """
    one, two, three = words_at(window.one), words_at(window.two), words_at(window.three)
    leading, bits = words_at(window.leading), words_at(window.bits)
    terms, at, ahead = longs_at(request.terms), longs_at(request.at), longs_at(request.ahead)
    for w in range(last - first):
        one[w] = two[w] = three[w] = leading[w] = np.uint64(0)
    for j in range(request.num_terms):
        i = longs_at(request.by_reach)[j]
        if terms[TERM * i + WORDS]:
            words = words_at(terms[TERM * i + WORDS] + 8 * first)
            for w in range(last - first):
                bits[w] = words[w]
        else:
            at[i] = ahead[i]
            ahead[i] = _set_bits(postings, ahead[i], terms[TERM * i + STOP], first, last, window.bits)
        if need_all:
            for w in range(last - first):
                one[w] = bits[w] & (one[w] if j else _ALL)
            continue
        for w in range(last - first):
            three[w] |= two[w] & bits[w]
            two[w] |= one[w] & bits[w]
            one[w] |= bits[w]
        if j == num_leading - 1:
            for w in range(last - first):
                leading[w] = one[w]


@subroutine
def _set_bits(postings, place, stop, first, last, words):
    """The bits of the postings in the window, from `place` on -> the place after them."""
    bits = words_at(words)
    for w in range(last - first):
        bits[w] = np.uint64(0)
    while place < stop and np.int64(postings[place]) < 64 * last:
        document = np.int64(postings[place])
        bits[(document >> 6) - first] |= np.uint64(1) << np.uint64(document & 63)
        place += 1
    return place


@subroutine
def count_allowed(allowed, first, last, window):
    """Take away the documents that are not allowed -> how many are left.

    allowed: the address of a bitmap, 0 for all.
    """
    one = words_at(window.one)
    if allowed:
        for w in range(last - first):
            one[w] &= words_at(allowed)[first + w]
    count = np.uint64(0)
    for w in range(last - first):
        count += popcount(one[w])
    return np.int64(count)


@subroutine
def list_candidates(least, first, last, window, candidates):
    """List the documents with one term (`least` 1), or with two or three and one of them leading -> how many."""
    one, two, three = words_at(window.one), words_at(window.two), words_at(window.three)
    leading, out = words_at(window.leading), numbers_at(candidates)
    num_candidates = np.int64(0)
    for w in range(last - first):
        word = one[w]
        if least > 1:
            word &= leading[w] & (three[w] if least == 3 else two[w])
        while word:
            out[num_candidates] = np.uint32(64 * (first + w)) + np.uint32(trailing_zeros(word))
            num_candidates += 1
            word &= word - np.uint64(1)
    return num_candidates
