"""Nearest neighbours over a snapshot: complete radius, and the k nearest.

Scores are computed in two steps: an estimate from the code with a bound on its error, then, if the bound cannot decide,
the inner product with the stored vector.

Clusters are pruned by angle. With t the angle of the query to a centroid, and p the largest angle of a member to it,
no member is nearer than t - p, so its cosine is at most cos(max(0, t - p)).
"""

from __future__ import annotations

import numpy as np

from alicorn.index import EmbeddingBlock, SegmentView, Snapshot
from alicorn.query.nn.counters import Counters
from alicorn.query.nn.few import NO_BOUND
from alicorn.query.nn.loop import kernel
from alicorn.query.nn.loop.arguments import (
    ALL,
    ANYWHERE,
    GIVEN,
    LISTED,
    MARKED,
    NO_BITS,
    NO_CLUSTERS,
    NO_ROWS,
    NO_TERMS,
    NONE_DELETED,
    VERIFIED,
    Limits,
)
from alicorn.query.nn.plan import allowed_rows, choose
from alicorn.query.nn.probe import Probe
from alicorn.query.sets import docset
from alicorn.query.sets.docset import Bitmap, DocSet
from alicorn.query.sets.ranked import Ranked, best_first
from alicorn.query.wanted import check_wanted, flag

_MOSTLY = 2  # of so many documents one is live
_FEW = 128  # the best of so many are found faster by inserting than by sorting


def within_radius(
    snapshot: Snapshot,
    key: str,
    probe: Probe,
    radius: float,
    allowed: list[DocSet] | None,
    counters: Counters,
    forced: str | None = None,
) -> list[DocSet]:
    """Per segment, the documents (of the allowed ones) whose cosine distance is at most the radius: complete."""
    found: list[DocSet] = []
    for at, view in enumerate(snapshot.segments):
        block = view.segment.embeddings.get(key)
        inside = _inside(view, allowed, at)
        if block is None or (inside is not None and docset.size(inside) == 0):
            found.append(docset.EMPTY)
            continue
        rows, _ = _search(view, block, probe, 0, 1.0 - radius, inside, counters, forced)
        found.append(rows if block.identity else np.sort(block.docs[rows]))
    return found


def k_nearest(
    snapshot: Snapshot,
    key: str,
    probe: Probe,
    k: int,
    allowed: list[DocSet] | None,
    counters: Counters,
    forced: str | None = None,
) -> Ranked:
    """The k nearest live documents over all segments, ties by doc_id; with `allowed`, of those."""
    k = min(k, snapshot.num_docs)
    parts: list[tuple[int, np.ndarray, np.ndarray]] = []
    least = NO_BOUND
    segments = snapshot.segments
    for at, view in enumerate(segments):
        block = view.segment.embeddings.get(key)
        inside = _inside(view, allowed, at)
        if k == 0 or block is None or (inside is not None and docset.size(inside) == 0):
            continue
        rows, scores = _search(view, block, probe, k, least, inside, counters, forced)
        if len(rows):
            parts.append((at, block.documents_of(rows), scores))
            if len(segments) > 1:
                together = np.concatenate([scores for _, _, scores in parts])
                if len(together) >= k:
                    least = float(np.partition(together, len(together) - k)[len(together) - k])
    if not parts:
        return Ranked(docset.NO_NUMBERS, docset.NO_NUMBERS, np.empty(0, dtype=np.float32))
    if len(parts) == 1:
        at, numbers, scores = parts[0]
        return Ranked(np.full(len(numbers), at) if at else np.zeros(len(numbers), np.int64), numbers, scores)
    of_segments = np.repeat([at for at, _, _ in parts], [len(numbers) for _, numbers, _ in parts])
    numbers = np.concatenate([numbers for _, numbers, _ in parts])
    scores = np.concatenate([scores for _, _, scores in parts])
    order = best_first(snapshot, scores, of_segments, numbers, k)
    return Ranked(of_segments[order], numbers[order], scores[order])


def _inside(view: SegmentView, allowed: list[DocSet] | None, at: int) -> DocSet | None:
    """The allowed documents of segment `at`; where so many are deleted that a filter skips them sooner, the live."""
    if allowed is not None:
        return allowed[at]
    mostly_live = view.num_live * _MOSTLY >= view.segment.num_docs
    return None if mostly_live else Bitmap(view.live_words, view.num_live)


def _search(
    view: SegmentView,
    block: EmbeddingBlock,
    probe: Probe,
    k: int,
    least: float,
    inside: DocSet | None,
    counters: Counters,
    forced: str | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of one segment and scores: the k best, best first, of at least `least`; with k = 0 all of them, ascending.

    Deleted documents are left out for k; a radius may hold them.
    """
    plan = choose(probe, block, inside, counters, forced)
    if plan == "exact" and probe.all_clusters:
        assert inside is not None
        return _compared(view, block, probe, k, least, allowed_rows(block, inside), counters)
    rows, bits, clusters = NO_ROWS, NO_BITS, NO_CLUSTERS
    if inside is None:
        mode = ALL
    elif plan == "scan":
        mode, bits = MARKED, _marked_rows(block, inside)
    else:
        mode, rows = ANYWHERE if probe.all_clusters else LISTED, allowed_rows(block, inside)
    if mode != ANYWHERE:
        clusters = probe.nearest_first if k else probe.ascending
    query = probe.by_vectors() if plan == "exact" else probe.by_codes(mode != ANYWHERE)
    deleted = NONE_DELETED if view.deleted is None or not k else view.deleted
    order = view.segment.id_order
    given = clusters, len(clusters), deleted, len(deleted), k, least, order
    limits = Limits(mode, rows, len(rows), bits, *given, NO_TERMS, GIVEN, flag())
    search = kernel.loop_for(block.located.stored.__class__, query.code.__class__)
    found = search(block.located, query, limits, counters.numbers)
    check_wanted()
    return found


def _compared(
    view: SegmentView,
    block: EmbeddingBlock,
    probe: Probe,
    k: int,
    least: float,
    rows: np.ndarray,
    counters: Counters,
) -> tuple[np.ndarray, np.ndarray]:
    """The same as _search, for a list of rows, each compared by its stored vector."""
    if k and view.deleted is not None:
        rows = rows[~view.deleted[block.docs[rows]]]
    scores = np.empty(len(rows), dtype=np.float32)
    kernel.exact_cosines(block.arrays.stored, probe.vector, rows, scores)
    counters.numbers[VERIFIED] += len(rows)
    if not k or least > NO_BOUND:
        reached = scores >= np.float64(least)  # compared as float64: a float would be rounded to float32
        rows, scores = rows[reached], scores[reached]
    if not k:
        return rows, scores
    return _k_best(rows, scores, min(k, len(rows)), block.docs, view.segment.id_order)


def _k_best(
    rows: np.ndarray, scores: np.ndarray, k: int, docs: np.ndarray, id_order: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The k best of rows whose scores are known, best first, ties by id_order."""
    if k <= _FEW:
        best = np.empty(k, dtype=np.uint32), np.empty(k, dtype=np.float32)
        kernel.find_best(rows, scores, docs, id_order, *best)
        return best
    if k < len(rows):
        reached = scores >= np.partition(scores, len(rows) - k)[len(rows) - k]
        rows, scores = rows[reached], scores[reached]
    sorted_best: tuple[np.ndarray, np.ndarray] = kernel.sort_best(rows, scores, k, docs, id_order)
    return sorted_best


def _marked_rows(block: EmbeddingBlock, inside: DocSet) -> np.ndarray:
    """The allowed documents that have this embedding, as bits of rows."""
    if block.identity:
        return docset.as_words(inside, max(len(block.rows_of), len(block.docs)))
    return docset.as_words(allowed_rows(block, inside), len(block.docs))


def exact_cosines(block: EmbeddingBlock, query: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Cosines of a query to stored vectors, as every plan computes them. (dim,), (n,) rows -> (n,) float32."""
    cosines = np.empty(len(rows), dtype=np.float32)
    kernel.exact_cosines(block.arrays.stored, block.quantizer.exact_query(query), rows.astype(np.uint32), cosines)
    return cosines
