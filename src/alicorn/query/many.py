"""Many requests over one snapshot: on all cores, and in one compiled pass where that can be. Called by collection.py.

What a request costs beside its work - calls, arrays, checks - is paid once for all here: vectors are normalised as a
matrix, an expression is checked once however often it is asked, and requests for the k nearest of a filter with few
documents, whose stored vectors are compared anyway, are answered by one call of one loop, their filters evaluated once.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np

from alicorn.index import Snapshot
from alicorn.query import docset, nn_kernels, tree
from alicorn.query.check import check_expression, check_matrix
from alicorn.query.nn import allowed_rows, arrays_of, exact_query, is_exact
from alicorn.query.order import BY_NN, OrderBy, check_order
from alicorn.query.prepared import Prepared
from alicorn.query.run import Evaluation
from alicorn.query.search import Result, check_limit, search


def search_many(
    snapshot: Snapshot,
    prepared: Sequence[Prepared],
    vectors: Mapping[str, Any],
    limit: int,
    order_by: OrderBy | None,
) -> list[Result]:
    """One result per prepared expression, as `search` gives it.

    vectors: name -> (len(prepared), dim); row i belongs to expression i.
    """
    check_limit(limit)
    matrices = {name: check_matrix(name, matrix, len(prepared)) for name, matrix in vectors.items()}
    asked: dict[int, tuple[Prepared, list[int]]] = {}  # by id of what is prepared, which is one for equal texts
    for i, one in enumerate(prepared):
        asked.setdefault(id(one), (one, []))[1].append(i)
    results: list[Result | None] = [None] * len(prepared)
    plain = []
    for one, places in asked.values():
        weights = check_order(order_by, one.first_nn)
        check_expression(one.named, snapshot, {name: matrix[places[0]] for name, matrix in matrices.items()})
        if weights == BY_NN and _is_filtered(one.root):
            plain.append((one, places))
    if len(snapshot.segments) == 1:
        _in_one_pass(snapshot, plain, matrices, limit, results)

    def answer(i: int) -> None:
        given = {name: matrix[i] for name, matrix in matrices.items()}
        results[i] = search(snapshot, prepared[i], given, limit, order_by, False, time.perf_counter())

    rest = [i for i, result in enumerate(results) if result is None]
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if workers == 1 or not any(prepared[i].first_nn for i in rest):  # set algebra is mostly Python: threads would wait
        for i in rest:
            answer(i)
    else:
        with ThreadPoolExecutor(max_workers=workers) as pool:
            list(pool.map(answer, rest))
    return results  # type: ignore[return-value]  # every place is filled


def _is_filtered(root: tree.Node) -> bool:
    return isinstance(root, tree.Nn) and root.k is not None and root.nprobe is None and root.filter is not None


def _in_one_pass(
    snapshot: Snapshot,
    asked: Sequence[tuple[Prepared, list[int]]],
    matrices: Mapping[str, np.ndarray],
    limit: int,
    results: list[Result | None],
) -> None:
    """Answer those of the requests whose filter leaves so few documents that comparing stored vectors is cheapest.

    asked: expressions, and the places of their requests. They are grouped by embedding key and k.
    """
    started = time.perf_counter()
    groups: dict[tuple[str, int], list[_Filtered]] = {}
    for one, places in asked:
        root = one.root
        assert isinstance(root, tree.Nn)
        assert root.filter is not None
        assert root.k is not None
        evaluation = Evaluation(snapshot, {name: matrix[places[0]] for name, matrix in matrices.items()})
        # a filter may search too, with vectors that differ from request to request
        if len(places) > 1 and any(isinstance(node, tree.Nn) for node in tree.walk(root.filter)):
            continue
        inside = evaluation.evaluate(root.filter, None)[0]
        block = snapshot.segments[0].segment.embeddings.get(root.key)
        if block is not None and is_exact(block, docset.size(inside)):
            rows = allowed_rows(block, inside)
            notices = one.notices + tuple(evaluation.notices)
            groups.setdefault((root.key, root.k), []).append(
                _Filtered(places, matrices[root.vector or root.key], rows, notices)
            )
    for (key, k), members in groups.items():
        _look_at_all(snapshot, key, k, members, limit, results, started)


class _Filtered(NamedTuple):
    """Requests of one expression: their places, the matrix of their vectors, and the rows that their filter leaves."""

    places: list[int]
    matrix: np.ndarray
    rows: np.ndarray
    notices: tuple[str, ...]


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
    queries = np.concatenate([member.matrix[member.places] for member in members])
    found_rows, found_scores, counts = nn_kernels.look_each(
        *arrays_of(block).exact,
        block.docs,
        exact_query(block.quantizer, queries),
        np.concatenate(rows),
        np.cumsum([len(one) for one in rows]),
        np.empty(0, dtype=bool) if view.deleted is None else view.deleted,
        min(k, len(block.docs)),
        view.segment.id_order,
    )
    cut = np.minimum(counts, limit)
    is_shown = np.arange(found_rows.shape[1]) < cut[:, None]
    documents = found_rows[is_shown] if block.identity else block.docs[found_rows[is_shown]]
    ids = view.segment.ids.of(documents)
    took_ms = (time.perf_counter() - started) * 1000.0 / len(places)
    notices = [member.notices for member in members for _ in member.places]
    at = 0
    for request, (place, shown, total) in enumerate(zip(places, cut.tolist(), counts.tolist(), strict=True)):
        scores = found_scores[request, :shown]
        results[place] = Result(ids[at : at + shown], scores, total, took_ms, notices[request])
        at += shown
