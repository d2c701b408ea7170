"""The best documents by BM25 and the number of all, in one pass over posting lists that scores few of them.

Documents are taken in windows of 128 words of 64 bits. Words in registers count, 64 documents at a time, how many of
the terms a document has: none, one, two, three or more. From the k-th best score so far follow the number of terms that
a candidate needs, and the lists that can still bring a new document (MaxScore, Turtle and Flood 1995). Documents with
one of the terms are read off its posting list, skipping blocks whose bound is too low (Ding and Suel 2011, block-max
indexes). Lists that are short compared with the bitmap words of the collection are merged instead.

A bound is never below the score that it bounds, and a score is summed in the order of the terms, so the answer is that
of scoring everything, ties included.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import types
from numba.cpython.unsafe.numbers import trailing_zeros

from alicorn.compiled import kernel, subroutine
from alicorn.index.segment.parts.impacts import BLOCK
from alicorn.quantization.kernels.intrinsics import bytes_at, numbers_at, popcount, words_at
from alicorn.quantization.kernels.named import type_of
from alicorn.query.sets.heap import is_worse, push, sort_in_place

WINDOW = 128  # words
RANKED = 8  # words of a bitmap that share one count of the bits before them
START, STOP, WORDS, RANKS = 0, 1, 2, 3  # columns of `terms`
IDF, SATURATION, PER_LENGTH, LARGEST, BOUND_SATURATION, BOUND_PER_LENGTH = range(6)  # columns of `factors`
_LOOSE = 1.0 + 1e-12  # sums of bounds are rounded otherwise than sums of scores
_NONE = np.uint32(0xFFFFFFFF)
_NEAR = 8  # postings
_FEW_LISTS = 16  # more are not merged one document at a time
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)


class Lists(NamedTuple):
    """The arrays of a segment, by their addresses: postings uint32, frequencies uint8, lengths uint32, id_order uint32,
    impacts uint64."""

    postings: int
    frequencies: int
    lengths: int
    id_order: int
    impacts: int
    num_docs: int


_LISTS = type_of(Lists)


@subroutine
def _factor(frequency, length, saturation, per_length):
    """BM25 without idf: tf / (tf + k1 (1 - b) + (k1 b / average) * length)."""
    tf = np.float64(frequency)
    return tf / (tf + saturation + per_length * np.float64(length))


@kernel("float64(uint64, float64, float64)")
def bound_of(word, saturation, per_length):
    """A bound of the factors of a block with this impact. saturation, per_length: as `scaled` gives them."""
    if per_length == 0.0:
        return _factor(np.int64(word >> np.uint64(24)) & 255, 0, saturation, 0.0)
    return _factor(np.int64(word) & 255, np.int64(word >> np.uint64(8)) & 65_535, saturation, per_length)


@kernel(types.float64(_LISTS, types.int64, types.int64, types.float64, types.float64))
def largest_factor(lists, start, stop, saturation, per_length):
    """A bound of the factors of the postings from start to stop. saturation, per_length: as `scaled` gives them."""
    impacts = words_at(lists.impacts)
    largest = 0.0
    for block in range(start // BLOCK, (stop + BLOCK - 1) // BLOCK):
        largest = max(largest, bound_of(impacts[block], saturation, per_length))
    return largest


@kernel("void(uint64[::1], uint32[::1])")
def count_before(words, ranks):
    """ranks[i] = how many bits are set before word RANKED * i."""
    count = np.uint32(0)
    for at in range(len(words)):
        if at % RANKED == 0:
            ranks[at // RANKED] = count
        count += np.uint32(popcount(words[at]))


@subroutine
def _rank(words, ranks, document):
    """How many bits of a bitmap are set before a document's. words, ranks: addresses."""
    word = np.int64(document) >> 6
    count = np.int64(numbers_at(ranks)[word // RANKED])
    for at in range(word - word % RANKED, word):
        count += np.int64(popcount(words_at(words)[at]))
    below = (np.uint64(1) << np.uint64(document & 63)) - np.uint64(1)
    return count + np.int64(popcount(words_at(words)[word] & below))


@subroutine
def _has(words, document):
    return words[np.int64(document) >> 6] >> np.uint64(document & 63) & np.uint64(1) != np.uint64(0)


@subroutine
def _seek(postings, at, stop, document):
    """The first place from `at` on whose document is not below `document`: some steps, doubling ones, then halves."""
    near = min(at + _NEAR, stop)
    while at < near:
        if postings[at] >= document:
            return at
        at += 1
    step, low, high = 1, at, at
    while high < stop and postings[high] < document:
        low = high + 1
        high += step
        step *= 2
    high = min(high, stop)
    while low < high:
        middle = (low + high) // 2
        if postings[middle] < document:
            low = middle + 1
        else:
            high = middle
    return low


@subroutine
def _place(postings, start, stop, words, ranks, at, document):
    """The place of a document in a posting list, or its place if it were in a sparse one, and whether it is there."""
    if words:
        there = _has(words_at(words), document)
        return start + _rank(words, ranks, document) if there else at, there
    at = _seek(postings, at, stop, document)
    return at, at < stop and np.int64(postings[at]) == document


@kernel(
    types.UniTuple(types.int64, 2)(
        _LISTS,
        types.int64[:, ::1],
        types.float64[:, ::1],
        types.int64[::1],
        types.boolean,
        types.uint64[::1],
        types.float64,
        types.float64[::1],
        types.uint32[::1],
    )
)
def best_by_bm25(lists, terms, factors, slots, need_all, allowed, floor, scores, documents):
    """The len(scores) best documents by score falling, then id_order -> how many, and how many match in all.

    terms, factors: a row for each term of the segment that was ever asked for (scored.py); slots: (terms,) the rows of
    this request, each with postings. need_all: whether a document must have all of the terms, of two or more, or any.
    allowed: bitmap of the documents that may be found, empty for all. floor: a lower score need not be found.
    """
    num_terms, num_words = len(slots), (lists.num_docs + 63) // 64
    postings, frequencies = numbers_at(lists.postings), bytes_at(lists.frequencies)
    lengths, id_order = numbers_at(lists.lengths), numbers_at(lists.id_order)
    impacts = words_at(lists.impacts)
    id_ranks = np.empty(len(scores), dtype=np.uint32)
    by_reach, by_size = np.empty(num_terms, dtype=np.int64), np.empty(num_terms, dtype=np.int64)
    at, ahead = np.empty(num_terms, dtype=np.int64), np.empty(num_terms, dtype=np.int64)
    most, part = np.empty(num_terms, dtype=np.float64), np.empty(num_terms, dtype=np.float64)
    reach = np.zeros(num_terms + 1, dtype=np.float64)  # reach[i]: the most that by_reach[i:] give
    num_sparse = total = np.int64(0)
    for i in range(num_terms):
        slot = slots[i]
        at[i] = ahead[i] = terms[slot, START]
        size = terms[slot, STOP] - at[i]
        most[i] = factors[slot, IDF] * factors[slot, LARGEST]
        total += size
        if not terms[slot, WORDS]:
            num_sparse += size
        j = k = i
        while j > 0 and most[by_reach[j - 1]] < most[i]:
            by_reach[j] = by_reach[j - 1]
            j -= 1
        while k > 0 and terms[slots[by_size[k - 1]], STOP] - terms[slots[by_size[k - 1]], START] > size:
            by_size[k] = by_size[k - 1]
            k -= 1
        by_reach[j] = by_size[k] = i
    for i in range(num_terms - 1, -1, -1):
        reach[i] = (reach[i + 1] + most[by_reach[i]]) * _LOOSE

    candidates = np.empty(64 * WINDOW, dtype=np.uint32)
    one, two, three = (np.empty(WINDOW, np.uint64), np.empty(WINDOW, np.uint64), np.empty(WINDOW, np.uint64))
    leading, bits = np.empty(WINDOW, dtype=np.uint64), np.empty(WINDOW, dtype=np.uint64)
    lead = slots[by_size[0]]
    shortest = terms[lead, STOP] - terms[lead, START]
    alone = num_terms == 1 and not len(allowed)
    if need_all:
        merged = not alone and 8 * shortest < num_words + num_sparse and shortest < len(candidates)
    else:
        merged = not alone and 4 * total < num_words and total < len(candidates) and num_terms <= _FEW_LISTS
    if not alone:
        total = np.int64(0)
    found, first, width = 0, 0, WINDOW // 8
    while first < num_words:
        threshold, last_id = floor, _NONE
        if found == len(scores):
            threshold, last_id = scores[0], id_ranks[0]
        num_candidates, needed, last = np.int64(0), np.int64(1), num_words
        if merged and need_all:
            for place in range(terms[lead, START], terms[lead, STOP]):
                document = np.int64(postings[place])
                has_all = not len(allowed) or _has(allowed, document)
                for j in range(1, num_terms if has_all else 0):
                    i = by_size[j]
                    slot = slots[i]
                    ahead[i], has_all = _place(
                        postings,
                        terms[slot, START],
                        terms[slot, STOP],
                        terms[slot, WORDS],
                        terms[slot, RANKS],
                        ahead[i],
                        document,
                    )
                    if not has_all:
                        break
                if has_all:
                    candidates[num_candidates] = document
                    num_candidates += 1
            total = num_candidates
        elif merged:
            while True:
                document = np.int64(_NONE)
                for i in range(num_terms):
                    if ahead[i] < terms[slots[i], STOP]:
                        document = min(document, np.int64(postings[ahead[i]]))
                if document == np.int64(_NONE):
                    break
                for i in range(num_terms):
                    if ahead[i] < terms[slots[i], STOP] and np.int64(postings[ahead[i]]) == document:
                        ahead[i] += 1
                if not len(allowed) or _has(allowed, document):
                    candidates[num_candidates] = document
                    num_candidates += 1
            total = num_candidates
        elif not alone:
            last = min(first + width, num_words)
            width = min(2 * width, WINDOW)
            num_leading = num_terms  # the first of by_reach; a document of the others alone cannot come in
            while num_leading > 1 and reach[num_leading - 1] < threshold:
                num_leading -= 1
            sum_of_most = most[by_reach[0]] * _LOOSE
            while needed < min(3, num_terms) and sum_of_most < threshold:
                sum_of_most = (sum_of_most + most[by_reach[needed]]) * _LOOSE
                needed += 1
            for w in range(last - first):
                one[w] = two[w] = three[w] = leading[w] = np.uint64(0)
            for j in range(num_terms):
                i = by_reach[j]
                slot = slots[i]
                words = words_at(terms[slot, WORDS] + 8 * first)
                if not terms[slot, WORDS]:
                    place, stop = ahead[i], terms[slot, STOP]
                    for w in range(last - first):
                        bits[w] = np.uint64(0)
                    while place < stop and np.int64(postings[place]) < 64 * last:
                        document = np.int64(postings[place])
                        bits[(document >> 6) - first] |= np.uint64(1) << np.uint64(document & 63)
                        place += 1
                    at[i], ahead[i] = ahead[i], place
                else:
                    for w in range(last - first):
                        bits[w] = words[w]
                if need_all:
                    for w in range(last - first):
                        one[w] = bits[w] & (one[w] if j else _ALL)
                else:
                    for w in range(last - first):
                        three[w] |= two[w] & bits[w]
                        two[w] |= one[w] & bits[w]
                        one[w] |= bits[w]
                    if j == num_leading - 1:
                        for w in range(last - first):
                            leading[w] = one[w]
            if len(allowed):
                for w in range(last - first):
                    one[w] &= allowed[first + w]
            ones = np.uint64(0)
            for w in range(last - first):
                ones += popcount(one[w])
            total += np.int64(ones)
            for w in range(last - first if need_all or num_terms > 1 else 0):
                word = one[w]
                if not need_all:
                    word &= leading[w] & (three[w] if needed == 3 else two[w])
                while word:
                    candidates[num_candidates] = np.uint32(64 * (first + w)) + np.uint32(trailing_zeros(word))
                    num_candidates += 1
                    word &= word - np.uint64(1)

        for i in range(num_terms if needed == 1 and not merged and not need_all else 0):
            slot = slots[i]
            idf, saturation, per_length = factors[slot, IDF], factors[slot, SATURATION], factors[slot, PER_LENGTH]
            start, stop = terms[slot, START], terms[slot, STOP]
            if not alone and terms[slot, WORDS]:
                if last < num_words:
                    stop = start + _rank(terms[slot, WORDS], terms[slot, RANKS], 64 * last)
                start += _rank(terms[slot, WORDS], terms[slot, RANKS], 64 * first)
            elif not alone:
                start, stop = at[i], ahead[i]
            if most[i] < threshold:
                continue
            while start < stop:
                block = start // BLOCK
                begin, start = start, min((block + 1) * BLOCK, stop)
                word = impacts[block]
                bound = idf * bound_of(word, factors[slot, BOUND_SATURATION], factors[slot, BOUND_PER_LENGTH])
                if bound < threshold or (bound == threshold and np.uint32(word >> np.uint64(32)) > last_id):
                    continue
                for place in range(begin, start):
                    document = np.int64(postings[place])
                    score = idf * _factor(frequencies[place], lengths[document], saturation, per_length)
                    if score < threshold or (score == threshold and id_order[document] > last_id):
                        continue
                    here = (document >> 6) - first
                    if not alone and not (one[here] & ~two[here]) >> np.uint64(document & 63) & np.uint64(1):
                        continue  # not allowed, or a candidate
                    found = push(found, score, id_order[document], np.uint32(document), scores, id_ranks, documents)
                    if found == len(scores):
                        threshold, last_id = scores[0], id_ranks[0]

        for c in range(num_candidates):
            document = np.int64(candidates[c])
            length, bound = lengths[document], 0.0
            for i in range(num_terms):
                part[i] = 0.0
            possible = True
            for j in range(num_terms):
                if (bound + reach[j]) * _LOOSE < threshold:
                    possible = False
                    break
                i = by_reach[j]
                slot = slots[i]
                place, there = _place(
                    postings,
                    terms[slot, START],
                    terms[slot, STOP],
                    terms[slot, WORDS],
                    terms[slot, RANKS],
                    at[i],
                    document,
                )
                at[i] = place
                if there:
                    part[i] = factors[slot, IDF] * _factor(
                        frequencies[place], length, factors[slot, SATURATION], factors[slot, PER_LENGTH]
                    )
                    bound += part[i]
            if not possible:
                continue
            score = 0.0
            for i in range(num_terms):  # in the order of the terms, as every plan sums it
                score += part[i]
            if score < threshold or (score == threshold and id_order[document] > last_id):
                continue
            found = push(found, score, id_order[document], np.uint32(document), scores, id_ranks, documents)
            if found == len(scores):
                threshold, last_id = scores[0], id_ranks[0]
        first = last
    sort_in_place(found, scores, id_ranks, documents)
    return found, total


@kernel(
    types.void(
        _LISTS,
        types.int64[:, ::1],
        types.float64[:, ::1],
        types.int64[::1],
        types.uint32[::1],
        types.float64[::1],
        types.uint32[::1],
    )
)
def best_among(lists, terms, factors, slots, candidates, scores, documents):
    """The len(scores) best of ascending candidates, at least so many, by score falling, then id_order.

    terms, factors, slots: as for best_by_bm25. A candidate without any of the terms scores 0.
    """
    postings, frequencies = numbers_at(lists.postings), bytes_at(lists.frequencies)
    lengths, id_order = numbers_at(lists.lengths), numbers_at(lists.id_order)
    at = np.empty(len(slots), dtype=np.int64)
    for i in range(len(slots)):
        at[i] = terms[slots[i], START]
    id_ranks = np.empty(len(scores), dtype=np.uint32)
    found = 0
    for document in candidates:
        score = 0.0
        for i in range(len(slots)):
            slot = slots[i]
            stop = terms[slot, STOP]
            at[i] = _seek(postings, at[i], stop, document)
            if at[i] < stop and postings[at[i]] == document:
                score += factors[slot, IDF] * _factor(
                    frequencies[at[i]], lengths[document], factors[slot, SATURATION], factors[slot, PER_LENGTH]
                )
        id_rank = id_order[document]
        if found < len(scores) or is_worse(scores[0], id_ranks[0], score, id_rank):
            found = push(found, score, id_rank, document, scores, id_ranks, documents)
    sort_in_place(found, scores, id_ranks, documents)
