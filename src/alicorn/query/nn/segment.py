"""The k nearest in one segment by one compiled loop, which finds the documents of words, and chooses the clusters.

It serves every `nn` with k that looks in some clusters, over a collection of one segment. The answer is that of
nearest.py in the clusters of probe.py, scan.py and recall.py, which serve several segments and `explain`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from alicorn.index import Snapshot
from alicorn.language import tree
from alicorn.language.prepared import Nearest, Words
from alicorn.quantization import first_scan
from alicorn.query.nn.few import FEW, NO_BOUND, Wanted, arrays_of, nearest_each, numbers_of
from alicorn.query.nn.loop import kernel
from alicorn.query.nn.loop.arguments import (
    ALL,
    LISTED,
    LOOKED,
    MARKED,
    NO_BITS,
    NO_CLUSTERS,
    NO_ROWS,
    NO_TERMS,
    NONE_DELETED,
    WITH_TERMS,
    ClusterChoice,
    Having,
    Limits,
)
from alicorn.query.nn.probe import query_by_codes
from alicorn.query.nn.recall import slack_of
from alicorn.query.nn.scan import live_rows
from alicorn.query.sets import docset
from alicorn.query.sets.docset import Bitmap, DocSet
from alicorn.query.sets.ranked import Ranked
from alicorn.query.text.in_all import as_lists
from alicorn.query.wanted import check_wanted, flag


class _Allowed(NamedTuple):
    """Fields of Limits: the rows that may be in the answer."""

    mode: int
    rows: np.ndarray
    num_rows: int
    bits: np.ndarray
    having: Having


_NO_WORDS = Words(True, ())
_FIRST_SET, _ONE = np.array([-2]), np.array([1])  # the number of the first set, as of a term; where the terms end
_ALL = _Allowed(ALL, NO_ROWS, 0, NO_BITS, NO_TERMS)


def nearest_with_terms(snapshot: Snapshot, nearest: Nearest, vectors: Mapping[str, np.ndarray]) -> Ranked | None:
    """The k nearest documents that have some words, where the search finds these itself; else None.

    vectors: of unit length. It is for words that are too frequent for few.py.
    """
    nn, words = nearest
    if nn.k is None or nn.in_all_clusters or len(snapshot.segments) != 1 or not snapshot.num_docs:
        return None
    view = snapshot.segments[0]
    numbers = [number for number in numbers_of(view.segment, words) if number >= 0]
    if not view.segment.embeddings[nn.key].identity or not numbers or (words.all and len(numbers) < len(words.terms)):
        return None
    if not words.all and sum(map(view.segment.num_with, words.terms)) <= _exact_to(nn):
        return None
    live = NO_BITS if view.deleted is None else view.live_words
    postings = arrays_of(view, nn.key).postings
    having = Having(np.array(numbers), len(numbers), int(not words.all), postings, live, len(live))
    found = _search(snapshot, nn, vectors, _Allowed(WITH_TERMS, NO_ROWS, 0, NO_BITS, having))
    return None if found is None else found[0]


def nearest_of_set(
    snapshot: Snapshot, nn: tree.Nn, vectors: Mapping[str, np.ndarray], documents: DocSet, limit: int
) -> tuple[Ranked, int] | None:
    """The documents of a set within the radius of an `nn`, nearest first, the first `limit` at least, and how many
    there are in all; None where the set is not of few.

    documents: of the only segment.
    """
    wanted = Wanted.of(snapshot, Nearest(nn, _NO_WORDS), limit)
    if wanted is None or docset.size(documents) > wanted.most:
        return None
    if docset.size(documents) == 0:
        return Ranked(docset.NO_NUMBERS, docset.NO_NUMBERS, np.empty(0, dtype=np.float32)), 0
    view = snapshot.segments[0]
    known = documents if isinstance(documents, Bitmap) else docset.as_array(documents)
    query = snapshot.quantizers[nn.key].exact_query(vectors[wanted.vector])
    found = nearest_each(view, wanted, query, _FIRST_SET, _ONE, as_lists((known,)))
    count = int(found.counts[0])
    shown = min(wanted.k, count)
    return Ranked(np.zeros(shown, np.int64), found.documents[:shown], found.scores[:shown]), count


def nearest_among(
    snapshot: Snapshot, nn: tree.Nn, vectors: Mapping[str, np.ndarray], allowed: list[DocSet] | None
) -> tuple[Ranked, int] | None:
    """The k nearest of the allowed documents, and in how many clusters they were searched; None where the loop does
    not serve.

    allowed: live documents, per segment; None: all.
    """
    if nn.in_all_clusters or len(snapshot.segments) != 1:
        return None
    view = snapshot.segments[0]
    block = view.segment.embeddings[nn.key]
    rows = live_rows(view, block, None if allowed is None else allowed[0])
    count = len(block.docs) if rows is None else docset.size(rows)
    if count <= _exact_to(nn):
        return None
    if rows is None:
        return _search(snapshot, nn, vectors, _ALL)
    if isinstance(rows, Bitmap):
        return _search(snapshot, nn, vectors, _Allowed(MARKED, NO_ROWS, count, rows.words, NO_TERMS))
    return _search(snapshot, nn, vectors, _Allowed(LISTED, docset.as_array(rows), count, NO_BITS, NO_TERMS))


def _exact_to(nn: tree.Nn) -> int:
    """Of so many allowed documents and fewer all are compared, which nearest.py does faster."""
    return nn.scan or (0 if nn.recall is None else FEW)


def _search(
    snapshot: Snapshot, nn: tree.Nn, vectors: Mapping[str, np.ndarray], allowed: _Allowed
) -> tuple[Ranked, int] | None:
    """The k nearest, and in how many clusters; None if all are to be searched."""
    assert nn.k is not None
    view, quantizer = snapshot.segments[0], snapshot.quantizers[nn.key]
    block, query = view.segment.embeddings[nn.key], vectors[nn.vector or nn.key]
    first = _first(snapshot, nn)
    if first is None:
        return None
    coarse = quantizer.coarse
    cosines, off = coarse.estimates(query)
    choice = ClusterChoice(*first, query, coarse.dim, coarse.centroids, float(off))
    prepared = query_by_codes(quantizer, query, cosines)
    deleted = NONE_DELETED if view.deleted is None else view.deleted
    given = NO_CLUSTERS, 0, deleted, len(deleted), min(nn.k, snapshot.num_docs), NO_BOUND, view.segment.id_order
    limits = Limits(allowed.mode, allowed.rows, allowed.num_rows, allowed.bits, *given, allowed.having, choice, flag())
    counters = np.zeros(6, dtype=np.int64)
    rows, scores = kernel.search_block(block.located, prepared, limits, counters)
    check_wanted()
    return Ranked(np.zeros(len(rows), np.int64), block.documents_of(rows), scores), int(counters[LOOKED])


def _first(snapshot: Snapshot, nn: tree.Nn) -> tuple[int, int, int, int, float, float, float] | None:
    """The first fields of a ClusterChoice; None where all clusters are to be searched."""
    quantizer = snapshot.quantizers[nn.key]
    if nn.nprobe is not None:
        return (nn.nprobe, 0, 0, 1, 0.0, 0.0, 0.0) if nn.nprobe < quantizer.num_clusters else None
    if nn.scan is not None:
        return 0, nn.scan, 0, 1, 0.0, 0.0, 0.0
    assert nn.k is not None
    assert nn.recall is not None
    slack = slack_of(snapshot, nn.key, nn.k, nn.recall)
    if slack is None:
        return None
    assert quantizer.calibration is not None
    return 0, first_scan(nn.k), FEW, 2, quantizer.calibration.spread, slack.slope, slack.base
