"""The best documents by BM25 and the number of all, in one pass over posting lists that scores few of them.

Documents are taken in windows (window.py), where words in registers count, 64 documents at a time, how many of the
terms a document has. From the k-th best score so far follow the number of terms that a candidate needs, and the lists
that can still bring a new document (MaxScore, Turtle and Flood 1995). Documents with one of the terms are read off its
posting list, skipping blocks whose bound is too low (Ding and Suel 2011, block-max indexes). Lists that are short
compared with the bitmap words of the collection are merged instead.

A bound is never below the score that it bounds, and a score is summed in the order of the terms, so the answer is that
of scoring everything, ties included.
"""

from __future__ import annotations

import numpy as np
from numba import types

from alicorn.compiled import kernel, subroutine
from alicorn.index.segment.parts.impacts import BLOCK
from alicorn.quantization.kernels.intrinsics import (
    address,
    doubles_at,
    keep,
    longs_at,
    new_numbers,
    numbers_at,
    words_at,
)
from alicorn.quantization.kernels.named import addresses
from alicorn.query.sets.heap import Heap, is_worse, push, sort_in_place
from alicorn.query.text.lists import (
    BOUND_PER_LENGTH,
    BOUND_SATURATION,
    FACTOR,
    ID_ORDER,
    IDF,
    IMPACTS,
    LENGTHS,
    NUM_DOCS,
    PER_LENGTH,
    POSTINGS,
    RANKS,
    SATURATION,
    START,
    STOP,
    TERM,
    WORDS,
    bound_at,
    factor_at,
    rank,
    seek,
)
from alicorn.query.text.request import LOOSE, are_short, find_term, list_all, list_any, needed_terms, new_request
from alicorn.query.text.window import WINDOW, count_allowed, count_terms, list_candidates, new_window
from alicorn.query.wanted import is_over

_NONE = np.uint32(0xFFFFFFFF)


@subroutine
def _threshold(heap, found, floor):
    """The score that a document needs to come in, and the last doc_id that it may have with just that score."""
    if found < heap.room:
        return floor, _NONE
    return doubles_at(heap.scores)[0], numbers_at(heap.id_ranks)[0]


@subroutine
def _score_alone(lists, request, i, start, stop, first, window, heap, found, floor):
    """Score the postings from start to stop, those in a window without a second term -> how many are found.

    first: the first word of the window; -1 if there is no window, because every posting counts.
    """
    factors = doubles_at(request.factors + 8 * FACTOR * i)
    idf, saturation, per_length = factors[IDF], factors[SATURATION], factors[PER_LENGTH]
    postings = numbers_at(lists[POSTINGS])
    lengths, id_order = numbers_at(lists[LENGTHS]), numbers_at(lists[ID_ORDER])
    one, two = words_at(window.one), words_at(window.two)
    threshold, last_id = _threshold(heap, found, floor)
    while start < stop:
        block = start // BLOCK
        begin, start = start, min((block + 1) * BLOCK, stop)
        word = words_at(lists[IMPACTS])[block]
        bound = idf * bound_at(lists, block, factors[BOUND_SATURATION], factors[BOUND_PER_LENGTH])
        if bound < threshold or (bound == threshold and np.uint32(word >> np.uint64(32)) > last_id):
            continue
        for place in range(begin, start):
            document = np.int64(postings[place])
            score = idf * factor_at(lists, place, lengths[document], saturation, per_length)
            if score < threshold or (score == threshold and id_order[document] > last_id):
                continue
            here = (document >> 6) - first
            if first >= 0 and not (one[here] & ~two[here]) >> np.uint64(document & 63) & np.uint64(1):
                continue  # not allowed, or a candidate
            found = push(heap, heap.room, found, score, id_order[document], np.uint32(document))
            threshold, last_id = _threshold(heap, found, floor)
    return found


@subroutine
def _score_window(lists, request, first, last, window, heap, found, floor):
    """Score the documents of a window that have one of the terms alone -> how many are found."""
    for i in range(request.num_terms):
        term = longs_at(request.terms + 8 * TERM * i)
        start, stop = longs_at(request.at)[i], longs_at(request.ahead)[i]
        if term[WORDS]:
            start, stop = term[START] + rank(term[WORDS], term[RANKS], 64 * first), term[STOP]
            if 64 * last < lists[NUM_DOCS]:
                stop = term[START] + rank(term[WORDS], term[RANKS], 64 * last)
        if doubles_at(request.most)[i] >= _threshold(heap, found, floor)[0]:
            found = _score_alone(lists, request, i, start, stop, first, window, heap, found, floor)
    return found


@subroutine
def _score_candidates(lists, request, candidates, count, heap, found, floor):
    """Score ascending candidates, the weightiest term first, as long as they can come in -> how many are found."""
    at, by_reach, reach = longs_at(request.at), longs_at(request.by_reach), doubles_at(request.reach)
    part = doubles_at(request.part)
    postings = numbers_at(lists[POSTINGS])
    lengths, id_order = numbers_at(lists[LENGTHS]), numbers_at(lists[ID_ORDER])
    threshold, last_id = _threshold(heap, found, floor)
    for c in range(count):
        document = np.int64(numbers_at(candidates)[c])
        length, bound = lengths[document], 0.0
        for i in range(request.num_terms):
            part[i] = 0.0
        possible = True
        for j in range(request.num_terms):
            if (bound + reach[j]) * LOOSE < threshold:
                possible = False
                break
            i = by_reach[j]
            at[i], there = find_term(postings, request, i, at[i], document)
            if there:
                factors = doubles_at(request.factors + 8 * FACTOR * i)
                own = factor_at(lists, at[i], length, factors[SATURATION], factors[PER_LENGTH])
                part[i] = factors[IDF] * own
                bound += part[i]
        if not possible:
            continue
        score = 0.0
        for i in range(request.num_terms):  # in the order of the terms, as every plan sums it
            score += part[i]
        if score < threshold or (score == threshold and id_order[document] > last_id):
            continue
        found = push(heap, heap.room, found, score, id_order[document], np.uint32(document))
        threshold, last_id = _threshold(heap, found, floor)
    return found


@kernel(
    types.UniTuple(types.int64, 2)(
        types.int64[::1],
        types.int64[:, ::1],
        types.float64[:, ::1],
        types.int64[::1],
        types.boolean,
        types.uint64[::1],
        types.float64,
        types.float64[::1],
        types.uint32[::1],
        types.int64,
    )
)
def best_by_bm25(segment, terms, factors, slots, need_all, allowed_words, floor, scores, documents, flag):
    """The len(scores) best documents by score falling, then id_order -> how many, and how many match in all.

    segment, terms, factors: as in lists.py; slots: (terms,) the rows of this request, each with postings. need_all:
    whether a document must have all of the terms, of two or more, or any. allowed_words: bitmap of the documents that
    may be found, empty for all. floor: a lower score need not be found. flag: of wanted.py; where it is set, the answer
    is a part.
    """
    lists, allowed = longs_at(address(segment)), address(allowed_words) if len(allowed_words) else 0
    postings, num_words = numbers_at(lists[POSTINGS]), (lists[NUM_DOCS] + 63) // 64
    request_arrays, id_ranks = new_request(terms, factors, slots), new_numbers(len(scores))
    request, heap = addresses(request_arrays), addresses(Heap(scores, id_ranks, documents, len(scores)))
    window_arrays, candidate_array = new_window(), new_numbers(64 * WINDOW)
    window, candidates = addresses(window_arrays), address(candidate_array)
    found, total = np.int64(0), np.int64(0)
    if len(slots) == 1 and not allowed:
        start, stop = terms[slots[0], START], terms[slots[0], STOP]
        found, total = _score_alone(lists, request, 0, start, stop, -1, window, heap, found, floor), stop - start
    elif are_short(request, need_all, num_words, 64 * WINDOW):
        if need_all:
            total = list_all(postings, request, allowed, candidates)
        else:
            total = list_any(postings, request, allowed, candidates)
        found = _score_candidates(lists, request, candidates, total, heap, found, floor)
    else:
        first, width = 0, WINDOW // 8  # the first windows are narrow, so that there is a threshold soon
        while first < num_words and not is_over(flag):
            last = min(first + width, num_words)
            needed, num_leading = needed_terms(request, _threshold(heap, found, floor)[0])
            count_terms(postings, request, num_leading, need_all, first, last, window)
            total += count_allowed(allowed, first, last, window)
            least = 1 if need_all else max(needed, 2)
            count = list_candidates(least, first, last, window, candidates)
            if needed == 1 and not need_all:
                found = _score_window(lists, request, first, last, window, heap, found, floor)
            found = _score_candidates(lists, request, candidates, count, heap, found, floor)
            first, width = last, min(2 * width, WINDOW)
    sort_in_place(heap, found)
    keep(request_arrays)
    keep(window_arrays)
    keep(candidate_array)
    keep(id_ranks)
    return found, total


@kernel(
    types.void(
        types.int64[::1],
        types.int64[:, ::1],
        types.float64[:, ::1],
        types.int64[::1],
        types.uint32[::1],
        types.float64[::1],
        types.uint32[::1],
    )
)
def best_among(segment, terms, factors, slots, candidates, scores, documents):
    """The len(scores) best of ascending candidates, at least so many, by score falling, then id_order.

    segment, terms, factors, slots: as for best_by_bm25. A candidate without any of the terms scores 0.
    """
    lists = longs_at(address(segment))
    postings = numbers_at(lists[POSTINGS])
    lengths, id_order = numbers_at(lists[LENGTHS]), numbers_at(lists[ID_ORDER])
    at = np.empty(len(slots), dtype=np.int64)
    for i in range(len(slots)):
        at[i] = terms[slots[i], START]
    id_ranks = new_numbers(len(scores))
    heap = addresses(Heap(scores, id_ranks, documents, len(scores)))
    found = 0
    for document in candidates:
        score = 0.0
        for i in range(len(slots)):
            slot = slots[i]
            stop = terms[slot, STOP]
            at[i] = seek(postings, at[i], stop, document)
            if at[i] < stop and postings[at[i]] == document:
                score += factors[slot, IDF] * factor_at(
                    lists, at[i], lengths[document], factors[slot, SATURATION], factors[slot, PER_LENGTH]
                )
        id_rank = id_order[document]
        if found < len(scores) or is_worse(scores[0], id_ranks[0], score, id_rank):
            found = push(heap, heap.room, found, score, id_rank, document)
    sort_in_place(heap, found)
    keep(id_ranks)
