"""The best documents by BM25, without scoring every match: MaxScore with bounds of blocks.

After Turtle and Flood 1995 (MaxScore) and Ding and Suel 2011 (block-max indexes). Terms are ordered by the largest
score that each can give, and their posting lists are read one after the other, the largest first: a list brings the
documents that no list before it had. The search ends with the first list that, with all after it, cannot reach the k-th
best score; before, it passes over blocks that cannot, and seeks a document in the other lists while it still can.

A bound is never below the score that it bounds, and a candidate's score is summed in the order of the terms, so the
answer is that of scoring everything, ties included.
"""

import numpy as np

from alicorn.compiled import kernel, subroutine
from alicorn.index.segment.parts.impacts import BLOCK
from alicorn.query.sets.heap import is_worse, push, sort_in_place

_LOOSE = 1.0 + 1e-12  # sums of bounds are rounded otherwise than sums of scores
_NONE = np.uint32(0xFFFFFFFF)
_LONG = np.int64(65_535)
_NEAR = 8  # postings
_EXACT = 512  # postings whose largest factor is found by looking at each


@subroutine
def _factor(frequency, length, saturation, per_length):
    """BM25 without idf: tf / (tf + k1 (1 - b) + (k1 b / average) * length)."""
    tf = np.float64(frequency)
    return tf / (tf + saturation + per_length * np.float64(length))


@subroutine
def _made(block, postings, frequencies, lengths, id_order, saturation, per_length, blocks):
    """The word of a block (impacts.py). saturation, per_length: of words of a text."""
    word = blocks[block]
    if word:
        return word
    best, best_tf, best_length, most = -1.0, np.int64(0), np.int64(0), np.int64(0)
    first_id: np.uint64 = np.uint64(_NONE)
    for at in range(block * BLOCK, min((block + 1) * BLOCK, len(postings))):
        document = postings[at]
        frequency, length = frequencies[at], lengths[document]
        factor = _factor(frequency, length, saturation, per_length)
        if factor > best:
            best, best_tf, best_length = factor, np.int64(frequency), np.int64(length)
        most = max(most, np.int64(frequency))
        id_rank = np.uint64(id_order[document])
        first_id = id_rank if id_rank < first_id else first_id
    word = np.uint64(best_tf) | np.uint64(min(best_length, _LONG)) << np.uint64(8)
    word |= np.uint64(most) << np.uint64(24) | first_id << np.uint64(32)
    blocks[block] = word
    return word


@subroutine
def _bound(word, saturation, per_length):
    """The largest factor of a block for a term with this saturation and part of the length."""
    if per_length == 0.0:
        return _factor(np.int64(word >> np.uint64(24)) & 255, 0, saturation, 0.0)
    return _factor(np.int64(word) & 255, np.int64(word >> np.uint64(8)) & 65_535, saturation, per_length)


@kernel(
    "float64(uint32[::1], uint8[::1], uint32[::1], uint32[::1], uint64[::1], int64, int64, float64, float64, float64,"
    " float64)"
)
def largest_factor(
    postings,
    frequencies,
    lengths,
    id_order,
    blocks,
    start,
    stop,
    saturation,
    per_length,
    text_saturation,
    text_per_length,
):
    """The largest factor of the postings from start to stop, or somewhat more."""
    largest = 0.0
    if stop - start <= _EXACT:
        for at in range(start, stop):
            length = lengths[postings[at]]
            largest = max(largest, _factor(frequencies[at], length, saturation, per_length))
        return largest
    for block in range(start // BLOCK, (stop + BLOCK - 1) // BLOCK):
        word = _made(block, postings, frequencies, lengths, id_order, text_saturation, text_per_length, blocks)
        largest = max(largest, _bound(word, saturation, per_length))
    return largest


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


@kernel(
    "int64(uint32[::1], uint8[::1], uint32[::1], uint32[::1], uint64[::1], int64[:, ::1], float64[:, ::1], float64,"
    " float64, uint64[::1], float64, float64[::1], uint32[::1])"
)
def best_by_bm25(
    postings, frequencies, lengths, id_order, blocks,
    spans, weights, text_saturation, text_per_length, allowed, floor, scores, documents,
):  # fmt: skip
    """The len(scores) best documents that have a term, by score falling, then id_order -> how many.

    spans: (terms, 2) where the postings of each term start and stop; weights: (terms, 4) idf, k1 (1 - b),
    k1 b / average, and the largest factor of its postings. text_saturation, text_per_length: of words of a text, for
    which `blocks` are made. allowed: bitmap of the documents that may be found, empty for all. floor: a lower score
    need not be found.
    """
    num_terms = len(spans)
    order = np.argsort(weights[:, 0] * weights[:, 3])
    reach = np.zeros(num_terms + 1, dtype=np.float64)  # reach[i]: the most that a document scores by the first i terms
    for i in range(num_terms):
        reach[i + 1] = (reach[i] + weights[order[i], 0] * weights[order[i], 3]) * _LOOSE
    at = np.empty(num_terms, dtype=np.int64)
    part = np.empty(num_terms, dtype=np.float64)
    id_ranks = np.empty(len(scores), dtype=np.uint32)
    found, threshold, last_id = 0, floor, _NONE
    for i in range(num_terms - 1, -1, -1):
        if reach[i + 1] < threshold:
            break
        lead, rest = order[i], reach[i]
        idf, saturation, per_length = weights[lead, 0], weights[lead, 1], weights[lead, 2]
        at[:] = spans[:, 0]
        part[:] = 0.0
        start, stop = spans[lead, 0], spans[lead, 1]
        while start < stop:
            block = start // BLOCK
            end = min((block + 1) * BLOCK, stop)
            word = _made(block, postings, frequencies, lengths, id_order, text_saturation, text_per_length, blocks)
            bound = idf * _bound(word, saturation, per_length)
            if i:
                passed = (bound + rest) * _LOOSE < threshold
            else:
                passed = bound < threshold or (bound == threshold and np.uint32(word >> np.uint64(32)) > last_id)
            first, start = start, end
            if passed:
                continue
            for place in range(first, end):
                document = postings[place]
                length = lengths[document]
                score = idf * _factor(frequencies[place], length, saturation, per_length)
                if (score + rest) * _LOOSE < threshold:
                    continue
                if len(allowed) and not (
                    allowed[document >> np.uint32(6)] >> np.uint64(document & np.uint32(63)) & np.uint64(1)
                ):
                    continue
                part[lead] = score
                left = i
                while left > 0 and (score + reach[left]) * _LOOSE >= threshold:
                    left -= 1
                    term = order[left]
                    place_of = _seek(postings, at[term], spans[term, 1], document)
                    at[term] = place_of
                    part[term] = 0.0
                    if place_of < spans[term, 1] and postings[place_of] == document:
                        part[term] = weights[term, 0] * _factor(
                            frequencies[place_of], length, weights[term, 1], weights[term, 2]
                        )
                        score += part[term]
                if left > 0 or score * _LOOSE < threshold:
                    continue
                seen = False  # by a term before, which led to it
                for j in range(i + 1, num_terms):
                    term = order[j]
                    at[term] = _seek(postings, at[term], spans[term, 1], document)
                    seen |= at[term] < spans[term, 1] and postings[at[term]] == document
                if seen:
                    continue
                score = 0.0
                for term in range(num_terms):  # in the order of the terms, as every plan sums it
                    score += part[term]
                id_rank = id_order[document]
                if score < threshold or (score == threshold and id_rank > last_id):
                    continue
                found = push(found, score, id_rank, document, scores, id_ranks, documents)
                if found == len(scores):
                    threshold, last_id = scores[0], id_ranks[0]
    sort_in_place(found, scores, id_ranks, documents)
    return found


@kernel(
    "void(uint32[::1], uint8[::1], uint32[::1], uint32[::1], int64[:, ::1], float64[:, ::1], uint32[::1],"
    " float64[::1], uint32[::1])"
)
def best_among(postings, frequencies, lengths, id_order, spans, weights, candidates, scores, documents):
    """The len(scores) best of ascending candidates, at least so many, by score falling, then id_order.

    spans, weights: as for best_by_bm25. A candidate without any of the terms scores 0.
    """
    at = spans[:, 0].copy()
    id_ranks = np.empty(len(scores), dtype=np.uint32)
    found = 0
    for document in candidates:
        score = 0.0
        for term in range(len(spans)):
            stop = spans[term, 1]
            at[term] = _seek(postings, at[term], stop, document)
            if at[term] < stop and postings[at[term]] == document:
                score += weights[term, 0] * _factor(
                    frequencies[at[term]], lengths[document], weights[term, 1], weights[term, 2]
                )
        id_rank = id_order[document]
        if found < len(scores) or is_worse(scores[0], id_ranks[0], score, id_rank):
            found = push(found, score, id_rank, document, scores, id_ranks, documents)
    sort_in_place(found, scores, id_ranks, documents)
