"""Are words in a document in the order of a phrase, or few moves from it? By their positions.

Word i of the phrase may be at any position p_i of its term, and two words of the same term are at different positions.
A document has the phrase where some choice puts all p_i - i into a window of slop + 1 neighbouring numbers. The loop
raises the window: a word that is beyond it shows how far the window must rise at least, so every position is looked at
once, whatever the slop. For a window each word takes the least position that is in it and not yet taken, which is best,
since the windows of later words begin and end later.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from alicorn.compiled import kernel, subroutine
from alicorn.index import Segment
from alicorn.index.segment.parts.positions import BLOCK, MANY
from alicorn.query.sets.kernels import gallop


def in_order(segment: Segment, prefix: str, terms: Sequence[str], slop: int, documents: np.ndarray) -> np.ndarray:
    """Those of the documents that have the terms in their order. documents: (n,) uint32, a set, each with all terms.

    prefix: of the terms, one whose positions the segment has.
    """
    lists = segment.positions[prefix]
    spans = [segment.span_of(term) for term in terms]
    latest: dict[str, int] = {}
    twins = []
    for at, term in enumerate(terms):
        twins.append(latest.get(term, -1))
        latest[term] = at
    out = np.empty(len(documents), dtype=np.uint32)
    count = _in_order(
        documents,
        segment.postings,
        segment.frequencies,
        lists.first,
        lists.blocks,
        lists.numbers,
        np.array([(span.start, span.stop) for span in spans], dtype=np.int64),
        np.array(twins, dtype=np.int64),
        slop,
        out,
    )
    return out[:count]


@kernel(
    *[
        "int64(uint32[::1], uint32[::1], uint8[::1], int64, int64[::1], "
        f"{kind}[::1], int64[:, ::1], int64[::1], int64, uint32[::1])"
        for kind in ("uint8", "uint16", "uint32")
    ]
)
def _in_order(documents, postings, frequencies, first, blocks, numbers, spans, twins, slop, out):
    """spans: (words, 2), where the postings of each word's term begin and end; twins: the word before with the same
    term, or -1; first, blocks, numbers: of PositionLists. Returns how many documents were written."""
    posting = spans[:, 0].copy()  # of each word: where the search goes on
    known = np.full(len(spans), -1, dtype=np.int64)  # a posting, and where its numbers begin
    begins = np.empty(len(spans), dtype=np.int64)
    starts, stops, taken = np.empty_like(begins), np.empty_like(begins), np.empty_like(begins)
    count = 0
    for doc in documents:
        for word in range(len(spans)):
            at = gallop(postings[: spans[word, 1]], posting[word], doc)
            posting[word] = at
            block = (at - first) // BLOCK
            if known[word] < first + block * BLOCK:
                known[word], begins[word] = first + block * BLOCK, blocks[block]
            for before in range(known[word], at):
                begins[word] += frequencies[before] if frequencies[before] < MANY else 1 + numbers[begins[word]]
            known[word] = at
            many = frequencies[at] == MANY
            starts[word] = begins[word] + many
            stops[word] = starts[word] + (numbers[begins[word]] if many else frequencies[at])
        out[count] = doc
        count += _has_window(numbers, starts, stops, twins, slop, taken)
    return count


@subroutine
def _has_window(numbers, starts, stops, twins, slop, taken):
    """Whether one document has the phrase. starts, stops: the numbers of each word; taken: where it takes one."""
    for word in range(len(starts)):
        taken[word] = starts[word]
    window = np.int64(numbers[starts[0]]) - slop
    word = 0
    while word < len(starts):
        least = window + word
        if twins[word] >= 0:
            least = max(least, np.int64(numbers[taken[twins[word]]]) + 1)
        at = taken[word]
        while at < stops[word] and np.int64(numbers[at]) < least:
            at += 1
        if at == stops[word]:
            return False
        taken[word] = at
        beyond = np.int64(numbers[at]) - (window + word + slop)
        if beyond > 0:
            window += beyond
            word = 0
        else:
            word += 1
    return True
