"""One request: evaluate the expression over a snapshot, order the hits, cut and name them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from alicorn.errors import ConfigError
from alicorn.index import Snapshot
from alicorn.language import tree
from alicorn.language.order import OrderBy
from alicorn.language.prepared import Prepared, Words
from alicorn.query.check import UnitVectors, check_expression
from alicorn.query.expansion.settled import settled
from alicorn.query.facets.checking import check_facets
from alicorn.query.facets.count import count_facets
from alicorn.query.facets.facet import Counts, Facet
from alicorn.query.nn.few import FEW
from alicorn.query.nn.filters import documents_of, kept_filter
from alicorn.query.nn.segment import FoundNearest, SegmentSearch, remembered_search
from alicorn.query.operators import nn
from alicorn.query.order.bm25 import MOST, first_by_bm25
from alicorn.query.order.by_keys import later
from alicorn.query.order.cursor import Cursor, Ordering
from alicorn.query.order.keys import BM25, BY_BM25, BY_NN, BY_STATIC_RANK, check_order
from alicorn.query.order.order_by import ranked, ranked_words
from alicorn.query.order.share import with_shares
from alicorn.query.order.united import first_united
from alicorn.query.restrict import restricted
from alicorn.query.result import Result
from alicorn.query.run import Execution
from alicorn.query.sets.per_segment import Sets, size
from alicorn.query.sets.ranked import Ranked

MAX_OFFSET = 10_000
"""The most hits that `offset` may skip: they are found and ordered nevertheless. A cursor costs no more on a late
page."""


def asked_again(
    snapshot: Snapshot, prepared: Prepared, vectors: UnitVectors, limit: int, order_by: OrderBy | None, started: float
) -> Result | None:
    """The first hits of an `nn` that has been asked of the snapshot, with other words or another vector, nearest first;
    or of words or an `nn`, by static rank: `search` has checked it then, and its way is taken. None where it has not,
    where something is wrong, and for other expressions and orders.
    """
    if type(limit) is not int or limit < 0:
        return None
    asked: tuple[tree.Nn, Words | tree.Node] | None
    if order_by is None:
        asked = prepared.nearest or prepared.narrowed
    else:
        asked = prepared.beside if order_by == "static_rank" else None
    if asked is None:
        return None
    nn, others = asked
    known, query = snapshot.kept.get(id(nn)), vectors.get(nn.vector or nn.key)
    if type(known) is not SegmentSearch or query is None or len(query) != known.dim:
        return None
    order = BY_NN
    found: FoundNearest | tuple[np.ndarray, np.ndarray, int] | None
    if not isinstance(others, Words):
        documents = documents_of(snapshot, others)
        found = None if documents is None else known.of_set(query, documents[0], limit)
    elif order_by is not None:
        listed = known.documents(query)
        found = None if listed is None else first_united(snapshot, others, listed, limit)
        order = BY_STATIC_RANK
    elif others.terms:
        found = known.of_words(query, others, limit)
    else:
        found = None if known.of_all is None else known.in_clusters(query, known.of_all)
    if found is None:
        return None
    numbers, scores, total = found[:3]
    if len(numbers) > limit:
        numbers, scores = numbers[:limit], scores[:limit]
    return Result(
        scores,
        total,
        (time.perf_counter() - started) * 1000.0,
        snapshot,
        np.zeros(len(numbers), dtype=np.int64),
        numbers,
        ordering=tuple.__new__(Ordering, (order, prepared, vectors, snapshot.columns)),
        of_keys=(scores,),
        prepared=prepared,
    )


def search(
    snapshot: Snapshot,
    prepared: Prepared,
    vectors: dict[str, np.ndarray],
    limit: int,
    order_by: OrderBy | None,
    explain: bool,
    started: float,
    offset: int = 0,
    after: str | None = None,
    facets: Mapping[str, Facet] | None = None,
    only: tree.Node | None = None,
    lineage: bool = False,
) -> Result:
    """The result over a snapshot. vectors: of unit length. started: when the request came, by time.perf_counter.

    lineage: say of each hit which operands of the expression's `or` have it.
    """
    check_limit(limit)
    if only is not None:
        check_explained(explain, only)
        snapshot = restricted(snapshot, only)
    if prepared.doubted:
        prepared = settled(snapshot, prepared)
    top = operands_kept(prepared, lineage)
    order = check_order(order_by, prepared, snapshot.columns, snapshot.positions)
    check_expression(prepared.named, snapshot, vectors)
    ordering = Ordering(order, prepared, vectors, snapshot.columns)
    is_first_page = after is None and type(offset) is int and offset == 0
    cursor = None if is_first_page else check_page(prepared, ordering, offset, after)
    wanted = {} if facets is None else check_facets(facets, snapshot.columns)
    evaluation = Execution(snapshot, vectors, explain, top=top)
    # What is noticed on the way tells which operands were looked at, and so of estimates by all documents.
    noticed: Sequence[str] = evaluation.notices if only is None else ()
    best, total, found = first_hits(
        evaluation, ordering, int(offset + limit), cursor, whole=explain or bool(wanted) or top is not None
    )
    if found is None:
        return _result(ordering, evaluation, best.between(offset, offset + limit), total, started, noticed)
    root = prepared.root
    if isinstance(root, tree.StrongOr) and any(root.optional_weight) and limit < total:
        best = with_shares(evaluation, prepared, found, best, ordering, limit)
    counts = count_facets(snapshot, found, wanted) if wanted else {}
    page = best.between(offset, offset + limit)
    result = _result(ordering, evaluation, page, total, started, noticed, counts)
    if lineage:
        result.found_by = evaluation.found_by(page.segments, page.numbers)
        result.num_by_nn = evaluation.num_by_nn()
    return result


def operands_kept(prepared: Prepared, lineage: bool) -> tree.Node | None:
    """The `or` whose operands' documents are kept; None where nobody asks for them.

    Raises ConfigError for an expression that is none.
    """
    if not lineage and (prepared.words is not None or prepared.nearest is not None):
        return None  # a text of words, or of an nn of words, is not parsed
    root = prepared.root
    if isinstance(root, tree.StrongOr) or (lineage and isinstance(root, tree.Or)):
        return root
    if lineage:
        raise ConfigError(f"lineage says which operands of an (or ...) have a hit, got ({root.operator} ...)")
    return None


class FirstHits(NamedTuple):
    """best: the first, in their order; total: how many there are in all; found: all of them, where they were listed."""

    best: Ranked
    total: int
    found: Sets | None


def first_hits(
    evaluation: Execution, ordering: Ordering, limit: int, cursor: Cursor | None, *, whole: bool
) -> FirstHits:
    """The first `limit` hits, or those after a cursor. whole: whether all of them must be listed."""
    prepared, order = ordering.prepared, ordering.order
    if order is not BY_STATIC_RANK and order == BY_NN and not whole:
        nearest = _nearest_first(evaluation, prepared, limit, cursor)
        if nearest is not None:
            first, total = nearest
            rest = first if cursor is None else later(evaluation.snapshot, first, cursor)
            return FirstHits(rest.first(limit), total, None)
    beside = prepared.beside
    if beside is not None and order is BY_STATIC_RANK and cursor is None and not whole:
        search = remembered_search(evaluation.snapshot, beside.nn)
        listed = None if search is None else search.documents(evaluation.vectors[beside.nn.vector or beside.nn.key])
        if listed is not None:
            numbers, scores, total = first_united(evaluation.snapshot, beside.words, listed, limit)
            return FirstHits(Ranked.of_one_segment(numbers, scores), total, None)
    words = prepared.words
    if words is not None and order[0] == BM25 and not whole and cursor is None and 0 < limit <= MOST:
        if order == BY_BM25:
            return FirstHits(*first_by_bm25(evaluation.snapshot, words, limit), None)
        arranged = ranked_words(evaluation, words, ordering, limit)
        if arranged is not None:
            return FirstHits(*arranged, None)
    found = evaluation.run(prepared.root)
    total = size(found)
    return FirstHits(ranked(evaluation, prepared, found, ordering, min(limit, total), cursor), total, found)


def _nearest_first(
    evaluation: Execution, prepared: Prepared, limit: int, cursor: Cursor | None
) -> tuple[Ranked, int] | None:
    """The first documents, and how many there are in all, where the search finds them in the order asked for: no need
    of sets. Of an `nn` with k they are all, so that a cursor can be found among them. None for another tree."""
    nearest = prepared.nearest
    if evaluation.nearest and isinstance(prepared.root, tree.Nn) and prepared.root in evaluation.nearest:
        known = evaluation.nearest[prepared.root]  # of a shard, the others agree
        return known, len(known.numbers)
    if nearest is not None and (cursor is None or nearest.nn.k is not None):
        asked, words = nearest
        search = remembered_search(evaluation.snapshot, asked)
        query = evaluation.vectors[asked.vector or asked.key]
        found = None if search is None else search.of_words(query, words, limit)
        if found is not None:
            return Ranked.of_one_segment(*found[:2]), found[2]
    narrowed = prepared.narrowed if cursor is None and len(evaluation.snapshot.segments) == 1 else None
    if narrowed is not None and evaluation.estimate(narrowed[1]) <= FEW:
        asked, others = narrowed
        kept = kept_filter(evaluation.snapshot, others)
        (rest,) = kept.documents or evaluation.run(others)
        if kept.is_to_be_kept():
            kept.documents = [rest]
        search = remembered_search(evaluation.snapshot, asked)
        assert search is not None
        found = search.of_set(evaluation.vectors[asked.vector or asked.key], rest, limit)
        if found is not None:
            return Ranked.of_one_segment(*found[:2]), found[2]
    root = prepared.root
    if isinstance(root, tree.Nn) and root.k is not None:
        first = nn.ranked(evaluation, root)
        return first, len(first.numbers)
    return None


def _result(
    ordering: Ordering,
    evaluation: Execution,
    best: Ranked,
    total: int,
    started: float,
    noticed: Sequence[str],
    facets: dict[str, Counts] | None = None,
) -> Result:
    snapshot = evaluation.snapshot
    prepared = ordering.prepared
    notices = (*prepared.notices, *noticed)
    explanation = None if evaluation.step is None else evaluation.step.children[0]
    took_ms = (time.perf_counter() - started) * 1000.0
    return Result(
        best.scores,
        total,
        took_ms,
        snapshot,
        best.segments,
        best.numbers,
        notices,
        explanation,
        ordering,
        best.of_keys or (best.scores,),
        facets or {},
        prepared,
    )


def check_page(prepared: Prepared, ordering: Ordering, offset: int, after: str | None) -> Cursor | None:
    """The cursor that is given. Raises ConfigError for an offset or a cursor that cannot be."""
    if isinstance(offset, bool) or not isinstance(offset, int | np.integer) or not 0 <= offset <= MAX_OFFSET:
        raise ConfigError(
            f"offset must be a whole number from 0 to {MAX_OFFSET}, got {offset!r}; beyond, give the cursor of the page"
            " before as after"
        )
    if after is None and not offset:
        return None
    if after is not None and offset:
        raise ConfigError("give offset or after, not both: a cursor is where its page ends")
    root = prepared.root
    if isinstance(root, tree.StrongOr) and any(root.optional_weight):
        raise ConfigError("a (strong-or ...) with :optional-weight has shares of one answer, and no further pages")
    return None if after is None else ordering.read(after)


def check_explained(explain: bool, only: tree.Node | None) -> None:
    if only is not None and explain:
        raise ConfigError("explain estimates by documents of the whole collection: ask for it without `only`")


def check_limit(limit: int) -> None:
    if isinstance(limit, bool) or not isinstance(limit, int | np.integer) or limit < 0:
        raise ConfigError(f"limit must be a whole number from 0, got {limit!r}")
