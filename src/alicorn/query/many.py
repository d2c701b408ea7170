"""Many requests over one snapshot: on all cores, and in one compiled pass where possible.

The overhead of a request - calls, arrays, checks - is paid once for all here: vectors are normalised as a matrix, and a
repeated expression is checked once. Requests for the nearest of few documents, whose stored vectors are compared
anyway, are answered by one call of one loop (nn/few.py); a filter that is more than words is evaluated once.
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
from alicorn.query.nn import few
from alicorn.query.nn.few import NO_BOUND, NearestEach, Wanted, arrays_of
from alicorn.query.nn.plan import is_exact
from alicorn.query.nn.products import blocks_of, k_nearest_each
from alicorn.query.order.keys import BY_NN, check_order
from alicorn.query.result import Result
from alicorn.query.run import Execution
from alicorn.query.search import check_limit, search
from alicorn.query.sets import docset
from alicorn.query.sets.docset import Bitmap
from alicorn.query.text.in_all import as_lists

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
    of_few: list[tuple[Prepared, list[int]]] = []
    for one, places in asked.values():
        order = check_order(order_by, one, snapshot.columns, snapshot.positions)
        check_expression(one.named, snapshot, {name: matrix[places[0]] for name, matrix in matrices.items()})
        if order == BY_NN and (_has_words(one) or one.narrowed is not None or _is_of_filter(one.root)):
            of_few.append((one, places))
        elif order == BY_NN and isinstance(one.root, tree.Nn) and one.root.k is not None and one.root.in_all_clusters:
            of_all.append(_Asked(one, one.root, places))
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with ThreadPoolExecutor(max_workers=workers) as pool:
        if len(snapshot.segments) == 1 and not counted:  # facets are of whole sets, not of the first hits
            _among_few(snapshot, of_few, matrices, limit, results)
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


def _has_words(prepared: Prepared) -> bool:
    """Whether it is an `nn` whose documents have all of some words."""
    return prepared.nearest is not None and prepared.nearest.words.all and bool(prepared.nearest.words.terms)


def _is_of_filter(root: tree.Node) -> bool:
    """Whether it is an `nn` with k of a filter, complete."""
    return isinstance(root, tree.Nn) and root.filter is not None and root.in_all_clusters


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


class _OfFew(NamedTuple):
    """The requests for one expression. terms: those that its documents have, and sets that they are in (in_all.py)."""

    prepared: Prepared
    places: list[int]
    terms: list[int]
    notices: tuple[str, ...]


def _among_few(
    snapshot: Snapshot,
    asked: Sequence[tuple[Prepared, list[int]]],
    matrices: Mapping[str, np.ndarray],
    limit: int,
    results: list[Result | None],
) -> None:
    """Answer the requests whose words or filter leave so few documents that comparing stored vectors is cheapest."""
    started = time.perf_counter()
    segment = snapshot.segments[0].segment
    groups: dict[Wanted, list[_OfFew]] = {}
    sets: list[np.ndarray | Bitmap] = []
    for one, places in asked:
        notices = one.notices
        if one.nearest is not None and _has_words(one):
            nn, words = one.nearest
            wanted, terms = Wanted.of(snapshot, nn), list(map(segment.terms.find, words.terms))
        else:
            wanted, terms = None, [-2 - len(sets)]
            evaluation = Execution(snapshot, {name: matrix[places[0]] for name, matrix in matrices.items()})
            inside = _narrowed(evaluation, one) if one.narrowed else _filtered(evaluation, one.root, len(places))
            if inside is not None:
                sets.append(inside)
                wanted = Wanted.of(snapshot, one.narrowed[0]) if one.narrowed else _of_set(snapshot, one.root)
                notices += tuple(evaluation.notices)
        if wanted is not None:
            groups.setdefault(wanted, []).append(_OfFew(one, places, terms, notices))
    lists = as_lists(sets)
    for wanted, members in groups.items():
        _answer_few(snapshot, wanted, members, matrices[wanted.vector], lists, limit, results, started)


def _narrowed(evaluation: Execution, prepared: Prepared) -> np.ndarray | Bitmap | None:
    """The documents of the operands beside an `nn` with radius, where they are few."""
    assert prepared.narrowed is not None
    others = prepared.narrowed[1]
    if evaluation.estimate(others) > few.FEW:
        return None
    inside = evaluation.run(others)[0]
    return docset.as_array(inside) if isinstance(inside, docset.Ranges) else inside


def _filtered(evaluation: Execution, root: tree.Node, num_requests: int) -> np.ndarray | Bitmap | None:
    """The documents of the filter of an `nn`, if comparing all of their vectors is the plan."""
    assert isinstance(root, tree.Nn)
    assert root.filter is not None
    # a filter may search too, with vectors that differ from request to request
    if num_requests > 1 and any(isinstance(node, tree.Nn) for node in tree.walk(root.filter)):
        return None
    block = evaluation.snapshot.segments[0].segment.embeddings[root.key]
    inside = evaluation.evaluate(root.filter, None)[0]
    if not is_exact(block, docset.size(inside)):
        return None
    return docset.as_array(inside) if isinstance(inside, docset.Ranges) else inside


def _of_set(snapshot: Snapshot, root: tree.Node) -> Wanted:
    """What the requests for an `nn` with k want of the documents of its filter, however many these are."""
    assert isinstance(root, tree.Nn)
    assert root.k is not None
    most = snapshot.segments[0].segment.num_docs
    return Wanted(root.key, root.vector or root.key, min(root.k, snapshot.num_docs), most, NO_BOUND)


def _answer_few(
    snapshot: Snapshot,
    wanted: Wanted,
    members: Sequence[_OfFew],
    matrix: np.ndarray,
    sets: np.ndarray,
    limit: int,
    results: list[Result | None],
    started: float,
) -> None:
    view = snapshot.segments[0]
    each = [member for member in members for _ in member.places]
    places = [place for member in members for place in member.places]
    terms = np.array([term for member in each for term in member.terms])
    stops = np.cumsum([len(member.terms) for member in each])
    queries = snapshot.quantizers[wanted.key].exact_query(matrix[places]).ravel()
    k = wanted.k or min(limit, few.MOST)
    found, arrays = NearestEach.of(len(stops), k), arrays_of(view, wanted.key)
    search = few.loop_for(arrays.stored.__class__)
    search(arrays, queries, terms, stops, sets, wanted.most, k, wanted.least, found)
    counts = found.counts.tolist()
    cut = np.clip(found.counts, 0, min(k, limit))
    is_shown = np.arange(k) < cut[:, None]
    numbers = found.documents.reshape(len(each), -1)[is_shown]
    ids = view.segment.ids.of(numbers)
    segments = np.zeros(len(numbers), dtype=np.int64)
    took_ms = (time.perf_counter() - started) * 1000.0 / len(places)
    start = 0
    for i, (place, member, shown) in enumerate(zip(places, each, cut.tolist(), strict=True)):
        if counts[i] < 0:
            continue
        scores = found.scores[k * i : k * i + shown]
        part = slice(start, start + shown)
        results[place] = Result(
            scores,
            wanted.total(counts[i]),
            took_ms,
            snapshot,
            segments[part],
            numbers[part],
            member.notices,
            prepared=member.prepared,
            _ids=ids[part],
        )
        start += shown
