"""BM25: how well do the words of a document match those of the expression?

The score of a document is the sum over terms of idf * tf / (tf + k1 (1 - b) + (k1 b / average) * length), with
idf = ln(1 + (N - df + 0.5) / (df + 0.5)), k1 = 1.2 and b = 0.75, where N, df and the average length count live
documents only. Terms that are not words of a text (other prefixes than `text:`) have b = 0: how long a text is says
nothing of a tag or a whole name. Source: Robertson and Zaragoza 2009; idf as in Lucene, whose keyword fields have no
norms either.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from alicorn.index import Segment, SegmentView, Snapshot
from alicorn.index.segment.parts.impacts import Impacts
from alicorn.index.segment.parts.terms import TEXT
from alicorn.language import tree
from alicorn.query.sets import bits, docset, kernels
from alicorn.query.sets.docset import DocSet
from alicorn.query.sets.frequent import frequent
from alicorn.query.text.maxscore import best_among, best_by_bm25, largest_factor

_K1 = 1.2
_B = 0.75
_FEW = 1024  # documents: so many are scored one by one
_RARE = 16  # and so are those of a set that is so much smaller than the posting lists


class Weight(NamedTuple):
    """What BM25 asks of one term: idf, k1 (1 - b), and k1 b / average."""

    term: str
    idf: float
    saturation: float
    per_length: float


class Weights(NamedTuple):
    """The terms that some live document has, each once, and the mean length of a live document."""

    terms: list[Weight]
    average: float


def scored_terms(root: tree.Node) -> list[str]:
    """The terms that BM25 sums over: all of the tree but those under `not` or taken away by `difference`."""
    terms: dict[str, None] = {}
    pending = [root]
    while pending:
        node = pending.pop()
        match node:
            case tree.Term(term=term):
                terms[term] = None
            case tree.Not():
                continue
            case tree.Difference(operands=operands):
                pending.append(operands[0])
            case _:
                pending.extend(tree.children(node))
    return sorted(terms)


def weights_of(snapshot: Snapshot, terms: Sequence[str]) -> Weights:
    average = average_length(snapshot)
    found = []
    for term in terms:
        df = sum(_live_count(view, term) for view in snapshot.segments)
        if df:
            idf = math.log(1.0 + (snapshot.num_docs - df + 0.5) / (df + 0.5))
            found.append(Weight(term, idf, *_shape(term.startswith(TEXT), average)))
    return Weights(found, average)


def _shape(is_text: bool, average: float) -> tuple[float, float]:
    b = _B if is_text else 0.0
    return _K1 * (1.0 - b), _K1 * b / average


def scores_of(snapshot: Snapshot, weights: Weights, numbers: Sequence[np.ndarray]) -> list[np.ndarray]:
    """BM25 of given documents. numbers: ascending, per segment -> (n,) float64 each."""
    scores = [np.zeros(len(part), dtype=np.float64) for part in numbers]
    for term, *weight in weights.terms:
        for view, part, part_scores in zip(snapshot.segments, numbers, scores, strict=True):
            segment = view.segment
            span = segment.span_of(term)
            postings, frequencies = segment.postings[span], segment.frequencies[span]
            kernels.add_bm25(part_scores, part, postings, frequencies, segment.doc_lengths, *weight)
    return scores


def best_of(
    view: SegmentView, weights: Weights, documents: DocSet, limit: int, floor: float, *, complete: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers (uint32) and scores (float64) of the `limit` best of a set by (score falling, doc_id), in that order.

    documents: live. complete: they are all documents of the segment that have a term. floor: documents with a lower
    score need not be found.
    """
    segment = view.segment
    room = min(limit, docset.size(documents))
    scores, numbers = np.empty(room), np.empty(room, dtype=np.uint32)
    if not room:
        return numbers, scores
    impacts = segment.impacts_for(weights.average)
    lists = (segment.postings, segment.frequencies, segment.doc_lengths, segment.id_order)
    spans, factors, num_postings = _terms_of(segment, weights, impacts, lists)
    if docset.size(documents) > max(_FEW, num_postings // _RARE):
        allowed = _ALL if complete else docset.as_words(documents, segment.num_docs)
        text = _shape(True, weights.average)
        count = best_by_bm25(*lists, impacts.blocks, spans, factors, *text, allowed, floor, scores, numbers)
        if count == room or floor > 0.0:
            return numbers[:count], scores[:count]
    best_among(*lists, spans, factors, docset.as_array(documents), scores, numbers)
    return numbers, scores


_ALL = np.empty(0, dtype=np.uint64)


def _terms_of(
    segment: Segment, weights: Weights, impacts: Impacts, lists: tuple[np.ndarray, ...]
) -> tuple[np.ndarray, np.ndarray, int]:
    """Where the postings of the terms are, (terms, 2) int64; (terms, 4) float64 idf, k1 (1 - b), k1 b / average and the
    largest factor; and how many postings that are.
    """
    spans, factors, num_postings = [], [], 0
    for term, idf, saturation, per_length in weights.terms:
        span = segment.span_of(term)
        if span.stop == span.start:
            continue
        largest = impacts.largest.get(span.start)
        if largest is None:
            text = _shape(True, weights.average)
            largest = largest_factor(*lists, impacts.blocks, span.start, span.stop, saturation, per_length, *text)
            impacts.largest[span.start] = largest
        spans.append((span.start, span.stop))
        factors.append((idf, saturation, per_length, largest))
        num_postings += span.stop - span.start
    if not spans:
        return np.empty((0, 2), dtype=np.int64), np.empty((0, 4)), 0
    return np.array(spans), np.array(factors), num_postings


def average_length(snapshot: Snapshot) -> float:
    """Mean number of `text:` terms of a live document; 1 where there are none, so that it can divide."""
    total = sum(view.num_words for view in snapshot.segments)
    return total / snapshot.num_docs if total else 1.0


def _live_count(view: SegmentView, term: str) -> int:
    """How many live documents of a segment have a term."""
    segment = view.segment
    span = segment.span_of(term)
    postings = segment.postings[span]
    if view.deleted is None or not len(postings):
        return len(postings)
    count: int
    if docset.is_dense(len(postings), segment.num_docs):
        bitmap = frequent(segment, segment.terms.find(term), postings)
        count = bits.count_both(bitmap.words, view.live_words)
    else:
        count = kernels.filter_by_bits(view.live_words, postings, True, np.empty(len(postings), dtype=np.uint32))
    return count
