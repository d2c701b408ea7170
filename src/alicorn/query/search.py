"""One request: evaluate the expression over a snapshot, order the hits, cut and name them."""

from __future__ import annotations

import time

import numpy as np

from alicorn.errors import ConfigError
from alicorn.index import Snapshot
from alicorn.language import tree
from alicorn.language.prepared import Prepared
from alicorn.query.check import check_expression
from alicorn.query.nn.ranked import Ranked
from alicorn.query.operators import nn
from alicorn.query.order.bm25 import MOST, first_by_bm25
from alicorn.query.order.order_by import BY_BM25, BY_NN, OrderBy, check_order, ranked
from alicorn.query.order.share import with_shares
from alicorn.query.result import Result
from alicorn.query.run import Evaluation
from alicorn.query.sets.per_segment import size


def search(
    snapshot: Snapshot,
    prepared: Prepared,
    vectors: dict[str, np.ndarray],
    limit: int,
    order_by: OrderBy | None,
    explain: bool,
    started: float,
) -> Result:
    """The result over a snapshot. vectors: of unit length. started: when the request came, by time.perf_counter."""
    check_limit(limit)
    weights = check_order(order_by, prepared.first_nn)
    check_expression(prepared.named, snapshot, vectors)
    root = prepared.root
    evaluation = Evaluation(snapshot, vectors, explain)
    if isinstance(root, tree.Nn) and root.k is not None and weights == BY_NN and not explain:
        whole = nn.ranked(evaluation, root)  # its order is the order asked for: no need of sets
        return _result(snapshot, prepared, evaluation, whole.first(limit), len(whole.numbers), started)
    if prepared.words is not None and weights == BY_BM25 and not explain and 0 < limit <= MOST:
        first, total = first_by_bm25(snapshot, prepared.words, int(limit))
        return _result(snapshot, prepared, evaluation, first, total, started)
    found = evaluation.run(root)
    total = size(found)
    best = ranked(evaluation, prepared, found, weights, min(limit, total))
    if isinstance(root, tree.StrongOr) and limit < total:
        best = with_shares(evaluation, prepared, found, best, weights, limit)
    return _result(snapshot, prepared, evaluation, best, total, started)


def _result(
    snapshot: Snapshot, prepared: Prepared, evaluation: Evaluation, best: Ranked, total: int, started: float
) -> Result:
    notices = prepared.notices + tuple(evaluation.notices)
    explanation = None if evaluation.step is None else evaluation.step.children[0]
    took_ms = (time.perf_counter() - started) * 1000.0
    return Result(best.scores, total, took_ms, snapshot, best.segments, best.numbers, notices, explanation)


def check_limit(limit: int) -> None:
    if isinstance(limit, bool) or not isinstance(limit, int | np.integer) or limit < 0:
        raise ConfigError(f"limit must be a whole number from 0, got {limit!r}")
