"""BM25: how well do the words of a document match those of the expression?

The score of a document is the sum over terms of idf * tf / (tf + k1 (1 - b) + (k1 b / average) * length), with
idf = ln(1 + (N - df + 0.5) / (df + 0.5)), k1 = 1.2 and b = 0.75, where N, df and the average length count live
documents only. Terms that are not words of a text (other prefixes than `text:`) have b = 0: how long a text is says
nothing of a tag or a whole name. Source: Robertson and Zaragoza 2009; idf as in Lucene, whose keyword fields have no
norms either.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from alicorn.index import Snapshot
from alicorn.language.prepared import Words
from alicorn.query.sets import docset, kernels
from alicorn.query.sets.docset import DocSet
from alicorn.query.text.best import best_among, best_by_bm25
from alicorn.query.text.field_lists import Fields, FieldTable, field_table
from alicorn.query.text.scored import TermTable, statistics_of
from alicorn.query.wanted import check_wanted, flag

FEW = 1024  # documents: so many are scored one by one
RARE = 16  # and so are those of a set that is so much smaller than the posting lists
_EVERY = np.empty(0, dtype=np.uint64)  # document
_NO_SCORES = np.empty(0)


def scores_of(snapshot: Snapshot, terms: Sequence[str], numbers: Sequence[np.ndarray]) -> list[np.ndarray]:
    """BM25 of given documents. terms: sorted. numbers: ascending, per segment -> (n,) float64 each."""
    statistics = statistics_of(snapshot)
    scores = [np.zeros(len(part), dtype=np.float64) for part in numbers]
    for term in terms:
        check_wanted()
        weight = statistics.weight(term)
        if weight is None:
            continue
        for view, part, part_scores in zip(snapshot.segments, numbers, scores, strict=True):
            segment = view.segment
            span = segment.span_of(term)
            postings, frequencies = segment.postings[span], segment.frequencies[span]
            kernels.add_bm25(part_scores, part, postings, frequencies, segment.doc_lengths, *weight)
    return scores


def best_of(
    snapshot: Snapshot,
    at: int,
    terms: Sequence[str],
    documents: DocSet,
    limit: int,
    floor: float,
    fields: Fields = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Numbers (uint32) and scores (float64) of the `limit` best of a set of segment `at` by (score falling, doc_id), in
    that order.

    terms: sorted. documents: live. floor: documents with a lower score need not be found. fields: for BM25F (bm25f.py).
    """
    segment = snapshot.segments[at].segment
    room = min(limit, docset.size(documents))
    scores, numbers = np.empty(room), np.empty(room, dtype=np.uint32)
    if not room:
        return numbers, scores
    table: FieldTable | TermTable
    if fields:
        table = field_table(snapshot, at, fields)
        rows = np.array(table.rows_of(snapshot, terms), dtype=np.int64)
    else:
        statistics = statistics_of(snapshot)
        table, rows = statistics.tables[at], np.array(statistics.rows(at, terms), dtype=np.int64)
    num_postings = int((table.terms[rows, 1] - table.terms[rows, 0]).sum())
    if len(rows) and docset.size(documents) > max(FEW, num_postings // RARE):
        allowed = docset.as_words(documents, segment.num_docs)
        count, _ = best_by_bm25(
            table.lists, table.terms, table.factors, rows, False, allowed, floor, scores, numbers, flag()
        )
        check_wanted()
        if count == room or floor > 0.0:
            return numbers[:count], scores[:count]
    best_among(table.lists, table.terms, table.factors, rows, docset.as_array(documents), scores, numbers)
    return numbers, scores


def first_of_words(
    snapshot: Snapshot, at: int, words: Words, limit: int, floor: float
) -> tuple[np.ndarray, np.ndarray, int]:
    """The same of the live documents that have all of the terms, or any, and how many these are."""
    statistics, view = statistics_of(snapshot), snapshot.segments[at]
    rows = statistics.rows(at, words.terms)
    if not rows or (words.all and len(rows) < len(words.terms)):
        return docset.EMPTY, _NO_SCORES, 0
    table = statistics.tables[at]
    scores, numbers = np.empty(limit), np.empty(limit, dtype=np.uint32)
    allowed = _EVERY if view.deleted is None else view.live_words
    need_all = words.all and len(rows) > 1
    count, total = best_by_bm25(
        table.lists, table.terms, table.factors, np.array(rows), need_all, allowed, floor, scores, numbers, flag()
    )
    check_wanted()
    return numbers[:count], scores[:count], total
