"""Which hits come first? The hits in an order of scores and columns, cut to the limit.

Order is separate from membership: an order never changes which documents match.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from alicorn.index import Snapshot
from alicorn.language.order import ByColumn, Part, RankFusion, Sum
from alicorn.language.prepared import Prepared, Words
from alicorn.query.nn.counters import Counters
from alicorn.query.nn.nearest import k_nearest
from alicorn.query.order.bm25 import MOST, by_bm25, first_by_bm25, merged
from alicorn.query.order.by_keys import arranged, later, place_after
from alicorn.query.order.by_sum import first_by_sum
from alicorn.query.order.cursor import Cursor, Ordering
from alicorn.query.order.keys import BY_NN, columns_of
from alicorn.query.order.permutation import first_of, permutation_of
from alicorn.query.order.scores import fuzzy_of, scores_by, terms_of
from alicorn.query.run import Execution
from alicorn.query.sets import docset
from alicorn.query.sets.docset import DocSet
from alicorn.query.sets.ranked import Ranked, best_first

_NO_SCORES = np.empty(0)
_SPARE = 64
"""Hits by BM25 beyond those that are asked for: where the last of them has a lower score, no other can tie."""


def ranked(
    evaluation: Execution,
    prepared: Prepared,
    found: list[DocSet],
    ordering: Ordering,
    limit: int,
    after: Cursor | None = None,
) -> Ranked:
    """The first `limit` hits of an order, or of those after a cursor. `found` holds live documents only.

    The scores are of the order's first key that is a score; ties come by doc_id.
    """
    if limit == 0:
        return Ranked(docset.NO_NUMBERS, docset.NO_NUMBERS, _NO_SCORES)
    order = ordering.order
    columns = columns_of(order)
    if columns is not None:
        return _by_columns(evaluation, ordering, columns, found, limit, after)
    if len(order) > 1:
        numbers = None
        best = None if after is not None else _by_words(evaluation, prepared, order[0], found, limit + _SPARE)
        if best is not None:
            numbers = _candidates(evaluation.snapshot, best, limit, sum(map(docset.size, found)))
        if numbers is None:
            numbers = [docset.as_array(documents) for documents in found]
        return arranged(evaluation, ordering, numbers, limit, after)
    if after is not None:
        whole = ranked(evaluation, prepared, found, ordering, sum(map(docset.size, found)))
        return later(evaluation.snapshot, whole, after).first(limit)
    if prepared.nearest_to and order == BY_NN:
        return _by_nn(evaluation, prepared, found, limit)
    assert not isinstance(order[0], ByColumn), "the order of a column ends by static rank"
    first = _by_words(evaluation, prepared, order[0], found, limit)
    if first is None and isinstance(order[0], Sum):
        first = first_by_sum(evaluation, prepared, order[0], found, limit)
    if first is not None:
        return first
    numbers = [docset.as_array(documents) for documents in found]
    return merged(evaluation.snapshot, numbers, scores_by(evaluation, prepared, order[0], numbers), limit)


def _by_words(
    evaluation: Execution, prepared: Prepared, key: Sum | RankFusion | ByColumn, found: Sequence[DocSet], limit: int
) -> Ranked | None:
    """The first hits by BM25, in fields or not; None where a key is more than that, or fuzzy terms are scored."""
    if not isinstance(key, Sum) or len(key.parts) > 1:
        return None
    part = key.parts[0]
    if part != Part("bm25", part.of, fields=part.fields) or fuzzy_of(part, prepared):
        return None
    return by_bm25(evaluation.snapshot, terms_of(part, prepared), found, limit, part.fields)


def ranked_words(evaluation: Execution, words: Words, ordering: Ordering, limit: int) -> tuple[Ranked, int] | None:
    """The same of the documents of some words, by BM25 and then other keys, and how many these are.

    None where too many have the score of the last.
    """
    if limit + _SPARE > MOST:
        return None
    best, total = first_by_bm25(evaluation.snapshot, words, limit + _SPARE)
    numbers = _candidates(evaluation.snapshot, best, limit, total)
    return None if numbers is None else (arranged(evaluation, ordering, numbers, limit), total)


def _candidates(snapshot: Snapshot, best: Ranked, limit: int, total: int) -> list[np.ndarray] | None:
    """Of each segment the documents that may be among the first `limit` by a score and then other keys.

    best: more than `limit` by the score, unless there are fewer. None: others may have the score of hit `limit`.
    """
    if len(best.numbers) < total and not best.scores[limit - 1] > best.scores[-1]:
        return None
    return [np.sort(best.numbers[best.segments == at]).astype(np.uint32) for at in range(len(snapshot.segments))]


def _by_columns(
    evaluation: Execution,
    ordering: Ordering,
    columns: tuple[ByColumn, ...],
    found: list[DocSet],
    limit: int,
    after: Cursor | None,
) -> Ranked:
    """By columns, then static rank: along the permutation of each segment."""
    views = evaluation.snapshot.segments
    first = []
    for view, documents in zip(views, found, strict=True):
        permutation = permutation_of(view.segment, columns, ordering.columns)
        start = 0 if after is None else place_after(view.segment, ordering, permutation, after)
        first.append(first_of(permutation, documents, limit, start))
    if len(first) == 1:
        scores = views[0].segment.static_rank[first[0]]
        return Ranked(np.zeros(len(first[0]), dtype=np.int64), first[0], scores)
    if not columns:
        scores_of_each = [view.segment.static_rank[part] for view, part in zip(views, first, strict=True)]
        return merged(evaluation.snapshot, first, scores_of_each, limit)
    return arranged(evaluation, ordering, list(map(np.sort, first)), limit)


def _by_nn(evaluation: Execution, prepared: Prepared, found: list[DocSet], limit: int) -> Ranked:
    """The nearest of the hits; those without the embedding follow by doc_id, with score -inf."""
    nn = prepared.nearest_to[0]
    if nn is prepared.root and nn in evaluation.nearest:
        return evaluation.nearest[nn].first(limit)
    nearest = [
        k_nearest(
            evaluation.snapshot,
            nn.key,
            evaluation.complete_probe(one),
            limit,
            found,
            Counters(),
            forced=evaluation.forced,
        )
        for one in prepared.nearest_to
    ]
    first = nearest[0] if len(nearest) == 1 else _nearest_to_any(evaluation.snapshot, nearest, limit)
    missing = limit - len(first.numbers)
    if missing <= 0:
        return first
    segments, numbers = [], []
    for at, view in enumerate(evaluation.snapshot.segments):
        block = view.segment.embeddings.get(nn.key)
        rest = docset.as_array(found[at])
        if block is not None:
            rest = rest[block.rows_of[rest] < 0]
        segments.append(np.full(len(rest), at))
        numbers.append(rest.astype(np.int64))
    if not segments or not sum(map(len, numbers)):
        return first
    all_segments, all_numbers = np.concatenate(segments), np.concatenate(numbers)
    scores = np.full(len(all_numbers), -np.inf, dtype=np.float32)
    order = best_first(evaluation.snapshot, scores, all_segments, all_numbers, missing)
    return Ranked(
        np.concatenate([first.segments, all_segments[order]]),
        np.concatenate([first.numbers, all_numbers[order]]),
        np.concatenate([first.scores, scores[order]]),
    )


def _nearest_to_any(snapshot: Snapshot, nearest: list[Ranked], limit: int) -> Ranked:
    """The nearest to any of several vectors, by the greatest cosine. nearest: the `limit` nearest to each.

    A document missing from the list of its nearest vector has `limit` better documents there, so that it cannot be in
    the answer.
    """
    segments, numbers, scores = (
        np.concatenate([getattr(one, name) for one in nearest]) for name in ("segments", "numbers", "scores")
    )
    order = np.lexsort((-scores, numbers, segments))
    again = (np.diff(segments[order]) == 0) & (np.diff(numbers[order]) == 0)
    kept = order[np.concatenate([[True], ~again])] if len(order) else order
    best = kept[best_first(snapshot, scores[kept], segments[kept], numbers[kept], limit)]
    return Ranked(segments[best], numbers[best], scores[best])
