"""The first hits by a weighted sum of scores, of which few are scored: the threshold algorithm (Fagin, Lotem and Naor,
PODS 2001).

For each part of the sum, the documents that have most of it are found without scoring all. A document that is in none
of these lists has at most the last of each, so its sum is at most that of the lasts. Where `limit` listed documents
have more than that, they are the first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from alicorn.language.order import Part, Sum
from alicorn.language.prepared import Prepared
from alicorn.query.nn.counters import Counters
from alicorn.query.nn.nearest import k_nearest
from alicorn.query.order.bm25 import by_terms, merged
from alicorn.query.order.permutation import first_of, permutation_of
from alicorn.query.order.scores import fuzzy_of, nns_of, scores_by, terms_of
from alicorn.query.run import Execution
from alicorn.query.sets import docset
from alicorn.query.sets.docset import DocSet
from alicorn.query.sets.ranked import Ranked

_SHARE = 64  # where a list would be longer than this share of the hits, scoring all costs less
_DEEPER = 4  # times, if the first lists do not decide
_SLACK = 1e-9  # of rounding
_LEAST = -1e300  # static rank of no document, where all are listed


class _Most(NamedTuple):
    """The documents that have most of a part, of each segment, and what any other has at most."""

    numbers: list[np.ndarray]
    rest: float


def first_by_sum(
    evaluation: Execution, prepared: Prepared, key: Sum, found: Sequence[DocSet], limit: int
) -> Ranked | None:
    """The first `limit` hits, as scoring all of them gives them; None where that costs less. limit: 1 or more.

    Where parts are independent, sqrt(limit * hits) documents of two lists have `limit` in common.
    """
    total = sum(map(docset.size, found))
    if not all(_has_list(part, prepared) for part in key.parts):
        return None
    depth = limit + math.isqrt(limit * total)
    while _SHARE * depth <= total:
        lists = [_most(evaluation, prepared, part, found, depth) for part in key.parts]
        numbers = [np.unique(np.concatenate(parts)) for parts in zip(*(one.numbers for one in lists), strict=True)]
        scores = scores_by(evaluation, prepared, key, numbers)
        best = merged(evaluation.snapshot, numbers, scores, limit)
        rest = [
            part.weight * float(part.on_scale(np.array([one.rest]))[0])
            for part, one in zip(key.parts, lists, strict=True)
        ]
        if best.scores[limit - 1] > sum(rest) + _SLACK * (1.0 + sum(map(abs, rest))):
            return best
        depth *= _DEEPER
    return None


def _has_list(part: Part, prepared: Prepared) -> bool:
    """Of BM25, fuzzy terms have none."""
    if part.kind == "bm25" and fuzzy_of(part, prepared):
        return False
    return part.weight > 0.0 and part.kind in ("nn", "static_rank", "bm25")


def _most(evaluation: Execution, prepared: Prepared, part: Part, found: Sequence[DocSet], depth: int) -> _Most:
    snapshot = evaluation.snapshot
    if part.kind == "bm25":
        best = by_terms(snapshot, terms_of(part, prepared), found, depth, part.fields)
        return _listed(found, [best], depth, 0.0)
    if part.kind == "nn":
        nearest = [
            k_nearest(
                snapshot, nn.key, evaluation.complete_probe(nn), depth, list(found), Counters(), evaluation.forced
            )
            for nn in nns_of(part, prepared)
        ]
        return _listed(found, nearest, depth, -1.0)
    numbers, rest = [], _LEAST
    for view, documents in zip(snapshot.segments, found, strict=True):
        numbers.append(first_of(permutation_of(view.segment, (), {}), documents, depth))
        if len(numbers[-1]) == depth:
            rest = max(rest, float(view.segment.static_rank[numbers[-1][-1]]))
    return _Most(numbers, rest)


def _listed(found: Sequence[DocSet], lists: Sequence[Ranked], depth: int, missing: float) -> _Most:
    """missing: what the others have where a list has all that have any."""
    numbers = [
        np.concatenate([one.numbers[one.segments == at] for one in lists]).astype(np.uint32) for at in range(len(found))
    ]
    return _Most(numbers, max(float(one.scores[-1]) if len(one.scores) == depth else missing for one in lists))
