"""Collection: a store that can be searched. The engine's front door, exported as alicorn.Collection.

It stands in query/ and not in index/, because searching needs the query language and imports point one way: index/
keeps, query/ asks (docs/decisions/001-collection-in-query.md).
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from alicorn.errors import ConfigError, VectorError
from alicorn.index import Snapshot, Store
from alicorn.query import docset, tree
from alicorn.query.check import check_expression, check_vectors
from alicorn.query.explain import Step
from alicorn.query.nn import Ranked
from alicorn.query.order import BY_NN, OrderBy, check_order, ranked
from alicorn.query.prepared import Prepared, prepare
from alicorn.query.reason import Reason, reason
from alicorn.query.run import Evaluation
from alicorn.query.share import with_shares


@dataclass(slots=True)
class Result:
    """The first hits of an expression. total counts all of them, whatever the limit.

    ids, scores: parallel; higher scores first, ties by doc_id. explanation: the steps, when asked for.
    notices: what a user should know about the answer: a likely misreading, an inner result that was cut.
    """

    ids: list[str]
    scores: np.ndarray
    total: int
    took_ms: float
    notices: tuple[str, ...] = ()
    explanation: Step | None = None


class Collection(Store):
    """Documents with terms, stored columns and embeddings: durable, live, searched by expressions.

    `create`, `open`, `upsert`, `delete`, `flush`, `merge`, `verify`, `close` and `len` are Store's.
    """

    def search(
        self,
        expression: str,
        vectors: Mapping[str, object] | None = None,
        limit: int = 10,
        order_by: OrderBy | None = None,
        explain: bool = False,
    ) -> Result:
        """Evaluate one expression over the newest snapshot.

        vectors: embedding key, or the name given by `:vector`, -> (dim,) numbers; normalised here.
        limit: how many hits to return, from 0. order_by: "nn", "static_rank", "bm25", or weights of a sum of them;
        without it by nn where the expression has one, else by static rank.
        Raises QueryError (with .offset), VectorError, ConfigError.
        """
        started = time.perf_counter()
        return _search(self.snapshot(), prepare(expression), check_vectors(vectors), limit, order_by, explain, started)

    def explain(self, expression: str, doc_id: str, vectors: Mapping[str, object] | None = None) -> Reason | None:
        """Why a document is in the result of an expression, or is not: node by node. None: there is no such document.

        Raises QueryError, VectorError.
        """
        snapshot = self.snapshot()
        prepared = prepare(expression)
        given = check_vectors(vectors)
        check_expression(prepared.named, snapshot, given)
        found = snapshot.find(doc_id)
        if found is None:
            return None
        view, number = found
        at = next(at for at, other in enumerate(snapshot.segments) if other is view)
        return reason(Evaluation(snapshot, given), prepared.root, at, number)

    def search_many(
        self,
        expressions: Sequence[str],
        vectors: Mapping[str, np.ndarray] | None = None,
        limit: int = 10,
        order_by: OrderBy | None = None,
    ) -> list[Result]:
        """Evaluate many expressions over one snapshot, on all cores; one result per expression.

        vectors: name -> (len(expressions), dim); row i belongs to expression i.
        """
        matrices = {name: _matrix(name, matrix, len(expressions)) for name, matrix in (vectors or {}).items()}
        snapshot = self.snapshot()
        prepared = [prepare(expression) for expression in expressions]

        def one(at: int) -> Result:
            started = time.perf_counter()
            given = check_vectors({name: matrix[at] for name, matrix in matrices.items()})
            return _search(snapshot, prepared[at], given, limit, order_by, False, started)

        if not any(one_prepared.first_nn for one_prepared in prepared):
            return [one(at) for at in range(len(prepared))]  # set algebra is mostly Python: threads would only wait
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            return list(pool.map(one, range(len(prepared))))


def _search(
    snapshot: Snapshot,
    prepared: Prepared,
    vectors: dict[str, np.ndarray],
    limit: int,
    order_by: OrderBy | None,
    explain: bool,
    started: float,
) -> Result:
    if isinstance(limit, bool) or not isinstance(limit, int | np.integer) or limit < 0:
        raise ConfigError(f"limit must be a whole number from 0, got {limit!r}")
    weights = check_order(order_by, prepared.first_nn)
    check_expression(prepared.named, snapshot, vectors)
    root = prepared.root
    evaluation = Evaluation(snapshot, vectors, explain)
    if isinstance(root, tree.Nn) and root.k is not None and weights == BY_NN and not explain:
        whole = evaluation.ranked(root)  # its order is the order asked for: no need of sets
        return _result(snapshot, prepared, evaluation, whole.first(limit), len(whole.numbers), started)
    found = evaluation.run(root)
    total = sum(map(docset.size, found))
    best = ranked(evaluation, prepared, found, weights, min(limit, total))
    if isinstance(root, tree.StrongOr) and limit < total:
        best = with_shares(evaluation, prepared, found, best, weights, limit)
    return _result(snapshot, prepared, evaluation, best, total, started)


def _result(
    snapshot: Snapshot, prepared: Prepared, evaluation: Evaluation, best: Ranked, total: int, started: float
) -> Result:
    ids = _doc_ids(snapshot, best)
    notices = prepared.notices + tuple(evaluation.notices)
    explanation = None if evaluation.step is None else evaluation.step.children[0]
    took_ms = (time.perf_counter() - started) * 1000.0
    return Result(ids, best.scores, total, took_ms, notices, explanation)


def _doc_ids(snapshot: Snapshot, best: Ranked) -> list[str]:
    if len(snapshot.segments) == 1:
        return snapshot.segments[0].segment.ids.of(best.numbers)
    ids: list[str] = [""] * len(best.numbers)
    for at, view in enumerate(snapshot.segments):
        places = np.flatnonzero(best.segments == at)
        found = view.segment.ids.of(best.numbers[places])
        for place, doc_id in zip(places.tolist(), found, strict=True):
            ids[place] = doc_id
    return ids


def _matrix(name: str, matrix: np.ndarray, num_rows: int) -> np.ndarray:
    array = np.asarray(matrix)
    if array.ndim != 2 or len(array) != num_rows:
        raise VectorError(
            f"vectors {name!r}: expected shape ({num_rows}, dim), one row per expression, got {array.shape}"
        )
    return array
