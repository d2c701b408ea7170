"""Which hits come first? Scores of a result by nn, static rank, BM25 or a weighted sum, cut to the limit.

Order is separate from membership: an order never changes which documents match.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from alicorn.errors import ConfigError, QueryError
from alicorn.index import EmbeddingBlock, Snapshot
from alicorn.language import tree
from alicorn.language.prepared import Prepared
from alicorn.query.nn.counters import Counters
from alicorn.query.nn.nearest import exact_cosines, k_nearest
from alicorn.query.nn.ranked import Ranked, best_first
from alicorn.query.order.bm25 import by_bm25, merged
from alicorn.query.order.static_rank import first_by_static_rank
from alicorn.query.run import Evaluation
from alicorn.query.sets import docset
from alicorn.query.sets.docset import DocSet
from alicorn.query.text.bm25 import scored_terms, scores_of

OrderBy = str | Mapping[str, float]
ORDERS = ("nn", "static_rank", "bm25")
BY_NN = {"nn": 1.0}
BY_STATIC_RANK = {"static_rank": 1.0}
BY_BM25 = {"bm25": 1.0}

_LARGEST = 1e300  # of a weight: its products with scores stay finite


def check_order(order_by: OrderBy | None, nn: tree.Nn | None) -> dict[str, float]:
    """The order as weights. None: by nn where the tree has one, else by static rank. nn: the tree's first."""
    if order_by is None:
        return BY_STATIC_RANK if nn is None else BY_NN
    if not isinstance(order_by, str | Mapping):
        raise ConfigError(f"order_by must be a name or weights of names, got {type(order_by).__name__}")
    weights = {order_by: 1.0} if isinstance(order_by, str) else dict(order_by)
    for name, weight in weights.items():
        if name not in ORDERS:
            raise ConfigError(f"order_by: allowed are {', '.join(ORDERS)} and sums of them, got {name!r}")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not -_LARGEST < weight < _LARGEST:
            raise ConfigError(f"order_by: the weight of {name!r} must be a finite number, got {weight!r}")
    if not weights:
        raise ConfigError("order_by: give at least one of " + ", ".join(ORDERS))
    if "nn" in weights and nn is None:
        raise QueryError("order_by nn needs an (nn ...) in the expression; order by static_rank or bm25, or add one")
    return weights


def ranked(
    evaluation: Evaluation, prepared: Prepared, found: list[DocSet], weights: dict[str, float], limit: int
) -> Ranked:
    """The first `limit` hits in falling order of score, ties by doc_id. `found` holds live documents only."""
    if prepared.nearest_to and weights == BY_NN:
        return _by_nn(evaluation, prepared, found, limit)
    if weights == BY_STATIC_RANK:
        return _by_static_rank(evaluation.snapshot, found, limit)
    if weights == BY_BM25:
        return by_bm25(evaluation.snapshot, prepared.root, found, limit)
    numbers = [docset.as_array(documents) for documents in found]
    scores = [np.zeros(len(part), dtype=np.float64) for part in numbers]
    for name, weight in weights.items():
        for at, part in enumerate(_scores(name, evaluation, prepared, numbers)):
            scores[at] += weight * part
    return merged(evaluation.snapshot, numbers, scores, limit)


def _by_static_rank(snapshot: Snapshot, found: list[DocSet], limit: int) -> Ranked:
    """By static rank; scores are read for the first ones only."""
    views = snapshot.segments
    first = [first_by_static_rank(view.segment, part, limit) for view, part in zip(views, found, strict=True)]
    scores = [view.segment.static_rank[part] for view, part in zip(views, first, strict=True)]
    if len(first) == 1:
        return Ranked(np.zeros(len(first[0]), dtype=np.int64), first[0], scores[0])
    return merged(snapshot, first, scores, limit)


def _by_nn(evaluation: Evaluation, prepared: Prepared, found: list[DocSet], limit: int) -> Ranked:
    """The nearest of the hits; those without the embedding follow by doc_id, with score -inf."""
    nn = prepared.nearest_to[0]
    if nn is prepared.root and nn in evaluation.nearest:
        return evaluation.nearest[nn].first(limit)
    nearest = [
        k_nearest(
            evaluation.snapshot,
            nn.key,
            evaluation.probe(tree.Nn(nn.key, k=1, vector=one.vector)),
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


def _scores(name: str, evaluation: Evaluation, prepared: Prepared, numbers: list[np.ndarray]) -> list[np.ndarray]:
    snapshot = evaluation.snapshot
    if name == "static_rank":
        return [view.segment.static_rank[part] for view, part in zip(snapshot.segments, numbers, strict=True)]
    if name == "bm25":
        return scores_of(snapshot, scored_terms(prepared.root), numbers)
    probes = [evaluation.probe(tree.Nn(nn.key, k=1, vector=nn.vector)) for nn in prepared.nearest_to]
    key = prepared.nearest_to[0].key
    return [
        np.max([_cosines(view.segment.embeddings.get(key), probe.query, part) for probe in probes], axis=0)
        for view, part in zip(snapshot.segments, numbers, strict=True)
    ]


def _cosines(block: EmbeddingBlock | None, query: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Exact cosines; -1, the least there is, without the embedding: in a sum -inf would drown the other parts."""
    cosines = np.full(len(numbers), -1.0, dtype=np.float32)
    if block is None:
        return cosines
    rows = block.rows_of[numbers]
    has = rows >= 0
    cosines[has] = exact_cosines(block, query, rows[has])
    return cosines
