"""Many requests over one snapshot: on all cores, and in one compiled pass where that can be. Called by collection.py.

What a request costs beside its work - calls, arrays, checks - is paid once for all here: vectors are normalised as a
matrix, and requests for the k nearest of a filter with few documents, whose stored vectors are compared anyway, are
answered by one call of one loop.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from alicorn.index import Snapshot
from alicorn.query import docset, nn_kernels, tree
from alicorn.query.check import check_expression, check_matrix
from alicorn.query.docset import DocSet
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
    given = [{name: matrix[i] for name, matrix in matrices.items()} for i in range(len(prepared))]
    weights = [check_order(order_by, one.first_nn) for one in prepared]
    for expression, of_one in zip(prepared, given, strict=True):
        check_expression(expression.named, snapshot, of_one)
    results: list[Result | None] = [None] * len(prepared)
    if len(snapshot.segments) == 1:
        plain = [i for i, one in enumerate(prepared) if weights[i] == BY_NN and _is_filtered(one.root)]
        _in_one_pass(snapshot, prepared, given, plain, limit, results)

    def answer(i: int) -> None:
        results[i] = search(snapshot, prepared[i], given[i], limit, order_by, False, time.perf_counter())

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
    prepared: Sequence[Prepared],
    given: Sequence[dict[str, np.ndarray]],
    numbers: Sequence[int],
    limit: int,
    results: list[Result | None],
) -> None:
    """Answer those of the requests whose filter leaves so few documents that comparing stored vectors is cheapest.

    They are grouped by embedding key and k.
    """
    started = time.perf_counter()
    view = snapshot.segments[0]
    groups: dict[tuple[str, int], list[tuple[int, Evaluation, DocSet]]] = {}
    for i in numbers:
        root = prepared[i].root
        assert isinstance(root, tree.Nn)
        assert root.filter is not None
        assert root.k is not None
        evaluation = Evaluation(snapshot, given[i])
        inside = evaluation.evaluate(root.filter, None)[0]
        block = view.segment.embeddings.get(root.key)
        if block is not None and is_exact(block, docset.size(inside)):
            groups.setdefault((root.key, root.k), []).append((i, evaluation, inside))
    for (key, k), members in groups.items():
        block = view.segment.embeddings[key]
        rows = [allowed_rows(block, inside) for _, _, inside in members]
        stops = np.cumsum([len(one) for one in rows])
        names = [_vector_name(prepared[i].root) for i, _, _ in members]
        queries = np.stack([given[i][name] for (i, _, _), name in zip(members, names, strict=True)])
        found_rows, found_scores, counts = nn_kernels.look_each(
            *arrays_of(block).exact,
            block.docs,
            exact_query(block.quantizer, queries),
            np.concatenate(rows),
            stops,
            np.empty(0, dtype=bool) if view.deleted is None else view.deleted,
            min(k, len(block.docs)),
            view.segment.id_order,
        )
        cut = np.minimum(counts, limit)
        shown = np.repeat(np.arange(len(cut)), cut), np.concatenate([np.arange(count) for count in cut])
        documents = found_rows[shown] if block.identity else block.docs[found_rows[shown]]
        ids = view.segment.ids.of(documents)
        took_ms = (time.perf_counter() - started) * 1000.0 / len(members)
        at = 0
        for member, (i, evaluation, _) in enumerate(members):
            count = int(cut[member])
            notices = prepared[i].notices + tuple(evaluation.notices)
            results[i] = Result(
                ids[at : at + count], found_scores[member, :count], int(counts[member]), took_ms, notices
            )
            at += count


def _vector_name(root: tree.Node) -> str:
    assert isinstance(root, tree.Nn)
    return root.vector or root.key
