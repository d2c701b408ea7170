"""Documents near a vector of the request: all within a radius, or the k nearest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from alicorn.errors import QueryError, VectorError
from alicorn.index import Snapshot
from alicorn.index.segment.parts.frequent import is_dense
from alicorn.language import tree
from alicorn.query.nn.counters import Became, Counters
from alicorn.query.nn.filters import kept_filter
from alicorn.query.nn.nearest import k_nearest, within_radius
from alicorn.query.nn.scan import held
from alicorn.query.operators.columns import shown
from alicorn.query.sets import docset
from alicorn.query.sets.docset import EMPTY
from alicorn.query.sets.per_segment import Sets, live, narrow
from alicorn.query.sets.ranked import Ranked

if TYPE_CHECKING:
    from alicorn.query.run import Execution

_MOST_COMBINED = 1_000_000  # documents


def evaluate(evaluation: Execution, node: tree.Nn, within: Sets | None) -> Sets:
    """The k nearest are counted over the whole collection, and narrowed afterwards."""
    if node.radius is not None:
        return _within_radius(evaluation, node, node.radius, within)
    nearest = evaluation.nearest[node] = ranked(evaluation, node)
    return narrow(sets_of(nearest, len(evaluation.snapshot.segments)), within)


def estimate(evaluation: Execution, node: tree.Nn) -> int:
    total = evaluation.snapshot.num_docs
    return total if node.k is None else min(total, node.k)


def check(node: tree.Nn, snapshot: Snapshot, vectors: Mapping[str, np.ndarray]) -> None:
    key, name = node.key, node.vector or node.key
    if key not in snapshot.embeddings:
        known = ", ".join(sorted(snapshot.embeddings)) or "none"
        raise QueryError(f"the collection has no embedding {shown(key)}; it has: {known}", node.offset)
    if name not in vectors:
        given = ", ".join(sorted(vectors)) or "none"
        raise QueryError(f"(nn {key} ...) needs the request's vector {shown(name)}; given: {given}", node.offset)
    dim = snapshot.embeddings[key]
    if len(vectors[name]) != dim:
        raise VectorError(f"vector {name!r}: embedding {key!r} has {dim} dimensions, got {len(vectors[name])}")


def ranked(evaluation: Execution, node: tree.Nn) -> Ranked:
    """The documents of an `nn` with k, nearest first."""
    allowed = allowed_by(evaluation, node)
    quickly = evaluation.nearest_in_segment(node, allowed)
    return nearest_of(evaluation, node, allowed) if quickly is None else quickly


def allowed_by(evaluation: Execution, node: tree.Nn) -> Sets | None:
    """The documents that an `nn` with k may have; None: all. Deleted ones may be among them unless it counts them."""
    if node.filter is None:
        return None
    if evaluation.step is None and evaluation.forced is None:
        kept = kept_filter(evaluation.snapshot, node.filter)
        if kept.is_to_be_kept():
            kept.documents = live(evaluation.snapshot, evaluation.evaluate(node.filter, None))
        if kept.documents is not None:
            return kept.documents
    if not node.counts_documents:
        return evaluation.evaluate(node.filter, _probed_ranges(evaluation, node))
    return live(evaluation.snapshot, evaluation.evaluate(node.filter, None))


def nearest_of(evaluation: Execution, node: tree.Nn, allowed: Sets | None) -> Ranked:
    """The k nearest of the allowed documents."""
    assert node.k is not None
    counters = Counters(evaluation.step is not None)
    if node.recall is not None:
        found = evaluation.nearest_by_recall(node, allowed, counters)
        if counters.explained:
            counters.recall = _what_became(evaluation, node, allowed)
    else:
        if node.scan is not None:
            evaluation.count_clusters(node, node.scan, allowed)
        probe = evaluation.probe(node)
        found = k_nearest(evaluation.snapshot, node.key, probe, node.k, allowed, counters, evaluation.forced)
    _note(evaluation, node, counters)
    return found


def _what_became(evaluation: Execution, node: tree.Nn, allowed: Sets | None) -> Became:
    """The clusters that a `:recall` came to."""
    snapshot, probe = evaluation.snapshot, evaluation.probe(node)
    calibrated = snapshot.quantizers[node.key].calibration is not None
    clusters = None if probe.all_clusters else len(probe.nearest_first)
    return Became(clusters, held(snapshot, node.key, probe.query, clusters, allowed), calibrated)


def _within_radius(evaluation: Execution, node: tree.Nn, radius: float, within: Sets | None) -> Sets:
    if within is None and (quickly := evaluation.within_in_segment(node)) is not None:
        return quickly
    if node.scan is not None:
        evaluation.count_clusters(node, node.scan, None)
    counters = Counters(evaluation.step is not None)
    found = within_radius(
        evaluation.snapshot,
        node.key,
        evaluation.probe(node),
        radius,
        within,
        counters,
        forced=evaluation.forced,
    )
    _note(evaluation, node, counters)
    return found


def _probed_ranges(evaluation: Execution, node: tree.Nn) -> Sets | None:
    """The clusters that an `nn` with nprobe searches, to narrow its filter; None if they are no ranges, or if the
    filter is found sooner without them."""
    assert node.filter is not None
    if _is_of_bitmaps(evaluation.snapshot, node.filter):
        return None
    probe = evaluation.probe(node)
    if probe.all_clusters:
        return None
    clusters = probe.ascending
    ranges: Sets = []
    for view in evaluation.snapshot.segments:
        block = view.segment.embeddings.get(node.key)
        if block is None or not block.identity:
            return None
        ranges.append(docset.Ranges.of(block.starts[clusters], block.starts[clusters + 1]))
    return ranges


def _is_of_bitmaps(snapshot: Snapshot, filter: tree.Node) -> bool:
    """Whether a filter is a term, or combines bitmaps that are short enough to do so in 20 us."""
    if isinstance(filter, tree.Term):
        return True
    if not isinstance(filter, tree.And | tree.Or | tree.Difference) or snapshot.num_docs > _MOST_COMBINED:
        return False
    for node in filter.operands:
        term = node.operand if isinstance(node, tree.Not) else node
        if not isinstance(term, tree.Term):
            return False
        for view in snapshot.segments:
            if not is_dense(view.segment.num_with(term.term), view.segment.num_docs):
                return False
    return True


def sets_of(found: Ranked, num_segments: int) -> Sets:
    """The same documents as a set for each segment."""
    return [
        np.sort(found.numbers[found.segments == at]).astype(np.uint32) if len(found.numbers) else EMPTY
        for at in range(num_segments)
    ]


def _note(evaluation: Execution, node: tree.Nn, counters: Counters) -> None:
    if evaluation.step is not None:
        quantizer = evaluation.snapshot.quantizers[node.key]
        codec = quantizer.codec
        scanned = counters.documents_scanned * (codec.scan_size + 4)
        refined = counters.documents_refined * (codec.code_size - codec.scan_size + 4)
        counters.bytes_read = scanned + refined + counters.exact_distances * quantizer.vector_bytes
        evaluation.step.counters = counters
