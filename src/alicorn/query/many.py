"""Many requests over one snapshot: on all cores, and in one compiled pass where possible.

The overhead of a request - calls, arrays, checks - is paid once for all here: vectors are normalised as a matrix, and a
repeated expression is checked once. Requests for the k nearest of a filter with few documents, whose stored vectors are
compared anyway, are answered by one call of one loop, which evaluates each filter once.
Requests for the k nearest of all documents are answered by matrix products (products.py).
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from alicorn.index import EmbeddingBlock, Snapshot
from alicorn.language import tree
from alicorn.language.order import OrderBy
from alicorn.language.prepared import Prepared
from alicorn.quantization import FLOAT32
from alicorn.query.check import check_expression, check_matrix
from alicorn.query.facets.checking import check_facets
from alicorn.query.facets.facet import Facet
from alicorn.query.nn import kernel
from alicorn.query.nn.arguments import NONE_DELETED
from alicorn.query.nn.plan import allowed_rows, is_exact
from alicorn.query.nn.products import blocks_of, k_nearest_each
from alicorn.query.order.keys import BY_NN, check_order
from alicorn.query.result import Result
from alicorn.query.run import Execution
from alicorn.query.search import check_limit, search
from alicorn.query.sets import docset

_IN_A_ROW = 16  # requests that a thread answers before it takes others: to hand over one costs 10 us
_TOGETHER = 8  # requests: fewer are answered one by one, by codes


def search_many(
    snapshot: Snapshot,
    prepared: Sequence[Prepared],
    vectors: Mapping[str, Any],
    limit: int,
    order_by: OrderBy | None,
    facets: Mapping[str, Facet] | None = None,
) -> list[Result]:
    """One result per prepared expression, as `search` gives it.

    vectors: name -> (len(prepared), dim); row i belongs to expression i. facets: what to count, for each result.
    """
    check_limit(limit)
    counted = bool(check_facets(facets, snapshot.columns))
    matrices = {name: check_matrix(name, matrix, len(prepared)) for name, matrix in vectors.items()}
    asked: dict[int, tuple[Prepared, list[int]]] = {}  # by id: one object for short equal texts
    for i, one in enumerate(prepared):
        asked.setdefault(id(one), (one, []))[1].append(i)
    results: list[Result | None] = [None] * len(prepared)
    of_all: list[_Asked] = []
    of_filter: list[_Asked] = []
    for one, places in asked.values():
        order = check_order(order_by, one, snapshot.columns)
        check_expression(one.named, snapshot, {name: matrix[places[0]] for name, matrix in matrices.items()})
        root = one.root
        if order == BY_NN and isinstance(root, tree.Nn) and root.k is not None and root.in_all_clusters:
            (of_all if root.filter is None else of_filter).append(_Asked(one, root, places))
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with ThreadPoolExecutor(max_workers=workers) as pool:
        if len(snapshot.segments) == 1 and not counted:  # facets are of whole sets, not of the first hits
            _in_one_pass(snapshot, of_filter, matrices, limit, results)
            _by_products(snapshot, of_all, matrices, limit, results, pool)

        def answer(places: Sequence[int]) -> None:
            for i in places:
                given = {name: matrix[i] for name, matrix in matrices.items()}
                now = time.perf_counter()
                results[i] = search(snapshot, prepared[i], given, limit, order_by, False, now, facets=facets)

        rest = [i for i, result in enumerate(results) if result is None]
        # set algebra is mostly Python: threads would wait
        if workers > 1 and any(prepared[i].has_nn for i in rest):
            list(pool.map(answer, [rest[at : at + _IN_A_ROW] for at in range(0, len(rest), _IN_A_ROW)]))
        else:
            answer(rest)
    return results  # type: ignore[return-value]  # every place is filled


class _Asked(NamedTuple):
    """The requests for one expression, which is an `nn` with k over all clusters."""

    prepared: Prepared
    nn: tree.Nn
    places: list[int]

    @property
    def k(self) -> int:
        assert self.nn.k is not None
        return self.nn.k

    def queries(self, matrices: Mapping[str, np.ndarray]) -> np.ndarray:
        """(places, dim)."""
        return matrices[self.nn.vector or self.nn.key][self.places]


def _by_products(
    snapshot: Snapshot,
    asked: Sequence[_Asked],
    matrices: Mapping[str, np.ndarray],
    limit: int,
    results: list[Result | None],
    pool: ThreadPoolExecutor,
) -> None:
    """Answer requests for the nearest of all documents, where enough ask the same key for as many."""
    view = snapshot.segments[0]
    groups: dict[tuple[str, int], list[_Asked]] = {}
    for one in asked:
        groups.setdefault((one.nn.key, one.k), []).append(one)
    for (key, k), members in groups.items():
        block = view.segment.embeddings.get(key)
        places = [place for member in members for place in member.places]
        if block is None or block.quantizer.stored != FLOAT32 or len(places) < _TOGETHER:
            continue
        queries = np.concatenate([member.queries(matrices) for member in members])
        notices = [member.prepared.notices for member in members for _ in member.places]
        look = partial(_products, snapshot, block, queries, min(k, snapshot.num_docs), limit, notices)
        found = itertools.chain.from_iterable(pool.map(look, blocks_of(len(queries))))
        for place, result in zip(places, found, strict=True):
            results[place] = result


def _products(
    snapshot: Snapshot,
    block: EmbeddingBlock,
    queries: np.ndarray,
    k: int,
    limit: int,
    notices: Sequence[tuple[str, ...]],
    part: slice,
) -> list[Result]:
    """The results of some of the queries."""
    started = time.perf_counter()
    view = snapshot.segments[0]
    found = k_nearest_each(view, block, queries[part], k)
    shown = [rows[:limit] for rows, _ in found]
    numbers = block.documents_of(np.concatenate(shown))
    ids = view.segment.ids.of(numbers)
    segments = np.zeros(len(numbers), dtype=np.int64)
    stops = np.cumsum([len(rows) for rows in shown]).tolist()
    took_ms = (time.perf_counter() - started) * 1000.0 / len(found)
    return [
        Result(
            scores[:limit],
            len(rows),
            took_ms,
            snapshot,
            segments[start:stop],
            numbers[start:stop],
            told,
            _ids=ids[start:stop],
        )
        for (rows, scores), start, stop, told in zip(found, [0, *stops[:-1]], stops, notices[part], strict=True)
    ]


def _in_one_pass(
    snapshot: Snapshot,
    asked: Sequence[_Asked],
    matrices: Mapping[str, np.ndarray],
    limit: int,
    results: list[Result | None],
) -> None:
    """Answer the requests whose filter leaves so few documents that comparing stored vectors is cheapest.

    They are grouped by embedding key and k.
    """
    started = time.perf_counter()
    groups: dict[tuple[str, int], list[_Filtered]] = {}
    for one in asked:
        inner = one.nn.filter
        assert inner is not None
        evaluation = Execution(snapshot, {name: matrix[one.places[0]] for name, matrix in matrices.items()})
        # a filter may search too, with vectors that differ from request to request
        if len(one.places) > 1 and any(isinstance(node, tree.Nn) for node in tree.walk(inner)):
            continue
        inside = evaluation.evaluate(inner, None)[0]
        block = snapshot.segments[0].segment.embeddings.get(one.nn.key)
        if block is not None and is_exact(block, docset.size(inside)):
            rows = allowed_rows(block, inside)
            notices = one.prepared.notices + tuple(evaluation.notices)
            group = groups.setdefault((one.nn.key, one.k), [])
            group.append(_Filtered(one.places, one.queries(matrices), rows, notices, one.prepared))
    for (key, k), members in groups.items():
        _look_at_all(snapshot, key, k, members, limit, results, started)


class _Filtered(NamedTuple):
    """Requests of one nn: their places, their vectors (places, dim), and the rows that their filter leaves."""

    places: list[int]
    queries: np.ndarray
    rows: np.ndarray
    notices: tuple[str, ...]
    prepared: Prepared


def _look_at_all(
    snapshot: Snapshot,
    key: str,
    k: int,
    members: Sequence[_Filtered],
    limit: int,
    results: list[Result | None],
    started: float,
) -> None:
    view = snapshot.segments[0]
    block = view.segment.embeddings[key]
    places = [place for member in members for place in member.places]
    rows = [member.rows for member in members for _ in member.places]
    queries = np.concatenate([member.queries for member in members])
    found_rows, found_scores, counts = kernel.search_each(
        block.arrays.stored,
        block.docs,
        block.quantizer.exact_query(queries),
        np.concatenate(rows),
        np.cumsum([len(one) for one in rows]),
        NONE_DELETED if view.deleted is None else view.deleted,
        min(k, len(block.docs)),
        view.segment.id_order,
    )
    cut = np.minimum(counts, limit)
    is_shown = np.arange(found_rows.shape[1]) < cut[:, None]
    numbers = block.documents_of(found_rows[is_shown])
    ids = view.segment.ids.of(numbers)
    segments = np.zeros(len(numbers), dtype=np.int64)
    took_ms = (time.perf_counter() - started) * 1000.0 / len(places)
    notices = [member.notices for member in members for _ in member.places]
    prepared = [member.prepared for member in members for _ in member.places]
    at = 0
    for request, (place, shown, total) in enumerate(zip(places, cut.tolist(), counts.tolist(), strict=True)):
        scores = found_scores[request, :shown]
        part = slice(at, at + shown)
        results[place] = Result(
            scores,
            total,
            took_ms,
            snapshot,
            segments[part],
            numbers[part],
            notices[request],
            prepared=prepared[request],
            _ids=ids[part],
        )
        at += shown
