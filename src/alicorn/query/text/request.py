"""The terms of a request in two orders, what each can add to a score, and the documents of short posting lists."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from alicorn.compiled import subroutine
from alicorn.quantization.kernels.intrinsics import doubles_at, longs_at, numbers_at, words_at
from alicorn.query.text.lists import FACTOR, IDF, LARGEST, RANKS, START, STOP, TERM, WORDS, find, has

LOOSE = 1.0 + 1e-12  # sums of bounds are rounded otherwise than sums of scores
_NONE = np.uint32(0xFFFFFFFF)
_FEW_LISTS = 16  # more are not merged one document at a time


class TermsOfRequest(NamedTuple):
    """terms, factors: the rows of its terms (lists.py). by_size, by_reach: the terms, the rarest first, and the
    weightiest first; most: what each can add at most; reach[i]: what by_reach[i:] can add. at, ahead: places in their
    posting lists. part: for the scores of one document's terms."""

    num_terms: int
    terms: np.ndarray
    factors: np.ndarray
    by_size: np.ndarray
    by_reach: np.ndarray
    most: np.ndarray
    reach: np.ndarray
    at: np.ndarray
    ahead: np.ndarray
    part: np.ndarray


@subroutine
def new_request(all_terms, all_factors, slots):
    num_terms = len(slots)
    terms, factors = np.empty((num_terms, TERM), dtype=np.int64), np.empty((num_terms, FACTOR), dtype=np.float64)
    by_reach, by_size = np.empty(num_terms, dtype=np.int64), np.empty(num_terms, dtype=np.int64)
    at, ahead = np.empty(num_terms, dtype=np.int64), np.empty(num_terms, dtype=np.int64)
    most, part = np.empty(num_terms, dtype=np.float64), np.empty(num_terms, dtype=np.float64)
    reach = np.zeros(num_terms + 1, dtype=np.float64)
    for i in range(num_terms):
        for column in range(TERM):
            terms[i, column] = all_terms[slots[i], column]
        for column in range(FACTOR):
            factors[i, column] = all_factors[slots[i], column]
        at[i] = ahead[i] = terms[i, START]
        size = terms[i, STOP] - at[i]
        most[i] = factors[i, IDF] * factors[i, LARGEST]
        j = k = i
        while j > 0 and most[by_reach[j - 1]] < most[i]:
            by_reach[j] = by_reach[j - 1]
            j -= 1
        while k > 0 and terms[by_size[k - 1], STOP] - terms[by_size[k - 1], START] > size:
            by_size[k] = by_size[k - 1]
            k -= 1
        by_reach[j] = by_size[k] = i
    for i in range(num_terms - 1, -1, -1):
        reach[i] = (reach[i + 1] + most[by_reach[i]]) * LOOSE
    return TermsOfRequest(num_terms, terms, factors, by_size, by_reach, most, reach, at, ahead, part)


@subroutine
def needed_terms(request, threshold):
    """How many terms a document needs, up to 3, and how many of by_reach lead: the others alone bring none in."""
    by_reach, most, reach = longs_at(request.by_reach), doubles_at(request.most), doubles_at(request.reach)
    num_leading, needed = request.num_terms, 1
    while num_leading > 1 and reach[num_leading - 1] < threshold:
        num_leading -= 1
    sum_of_most = most[by_reach[0]] * LOOSE
    while needed < min(3, request.num_terms) and sum_of_most < threshold:
        sum_of_most = (sum_of_most + most[by_reach[needed]]) * LOOSE
        needed += 1
    return needed, num_leading


@subroutine
def are_short(request, need_all, num_words, room):
    """Whether merging the posting lists costs less than windows. room: for their documents."""
    terms = longs_at(request.terms)
    total = sparse = np.int64(0)
    shortest = np.int64(_NONE)
    for i in range(request.num_terms):
        size = terms[TERM * i + STOP] - terms[TERM * i + START]
        total += size
        shortest = min(shortest, size)
        if not terms[TERM * i + WORDS]:
            sparse += size
    if need_all:
        return 8 * shortest < num_words + sparse and shortest < room
    return 4 * total < num_words and total < room and request.num_terms <= _FEW_LISTS


@subroutine
def find_term(postings, request, i, at, document):
    """`find` in the posting list of term i."""
    term = longs_at(request.terms + 8 * TERM * i)
    return find(postings, term[START], term[STOP], term[WORDS], term[RANKS], at, document)


@subroutine
def list_all(postings, request, allowed, documents):
    """List the documents that have all terms, looking for those of the shortest list in the others -> how many.

    allowed: the address of a bitmap, 0 for all.
    """
    by_size, ahead, out = longs_at(request.by_size), longs_at(request.ahead), numbers_at(documents)
    shortest = longs_at(request.terms + 8 * TERM * by_size[0])
    count = np.int64(0)
    for place in range(shortest[START], shortest[STOP]):
        document = np.int64(postings[place])
        has_all = not allowed or has(words_at(allowed), document)
        for j in range(1, request.num_terms if has_all else 0):
            i = by_size[j]
            ahead[i], has_all = find_term(postings, request, i, ahead[i], document)
            if not has_all:
                break
        if has_all:
            out[count] = document
            count += 1
    return count


@subroutine
def list_any(postings, request, allowed, documents):
    """List the documents that have any of the terms -> how many."""
    terms, ahead, out = longs_at(request.terms), longs_at(request.ahead), numbers_at(documents)
    count = np.int64(0)
    while True:
        document = np.int64(_NONE)
        for i in range(request.num_terms):
            if ahead[i] < terms[TERM * i + STOP]:
                document = min(document, np.int64(postings[ahead[i]]))
        if document == np.int64(_NONE):
            return count
        for i in range(request.num_terms):
            if ahead[i] < terms[TERM * i + STOP] and np.int64(postings[ahead[i]]) == document:
                ahead[i] += 1
        if not allowed or has(words_at(allowed), document):
            out[count] = document
            count += 1
