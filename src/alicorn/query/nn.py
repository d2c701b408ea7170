"""Nearest neighbours over a snapshot: complete radius, and the k nearest. Called by run.py and order.py.

Scores come in two steps (DESIGN 3.3): an estimate from the code with a bound on its error, then, for what the bound
leaves open, the inner product with the stored vector. The bound is certain, so codes never change an answer.

Clusters are pruned by angle. With t the angle of the query to a centroid, and p the largest angle of a member to it,
no member is nearer than t - p, so its cosine is at most cos(max(0, t - p)).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from alicorn.index import EmbeddingBlock, SegmentView, Snapshot
from alicorn.quantization import OPQ, SQ8, KeyQuantizer, opq, sq8
from alicorn.quantization.coarse import nearest
from alicorn.query import docset, kernels
from alicorn.query.cost import nn_costs
from alicorn.query.docset import DocSet

_SLACK = np.float32(4e-6)  # rounding of float32 sums of unit vectors, added to the error of every estimate
_PRUNE_SLACK = 4e-6  # the same, for the bound of a cluster
_FIRST_CLUSTERS = 32  # an unprobed k looks at this many nearest clusters first, then twice as many, ...


@dataclass
class Counters:
    """What an `nn` did: shown by explain. scanned: documents scanned, EBR's measure of work (papers 1.6, tip 1)."""

    clusters_probed: int = 0
    clusters_pruned: int = 0
    documents_scanned: int = 0
    exact_distances: int = 0
    bytes_read: int = 0
    plans: list[str] = field(default_factory=list)
    costs_us: dict[str, float] = field(default_factory=dict)


class Probe:
    """One query vector against one embedding key: what all segments share.

    query: (dim,) float32, unit length. probed: the nprobe nearest clusters, ascending, or None for all.
    """

    def __init__(self, quantizer: KeyQuantizer, query: np.ndarray, nprobe: int | None) -> None:
        self.query = query
        self.cosines = quantizer.coarse.cosines(query)  # (num_clusters,)
        self.probed = None
        if nprobe is not None and nprobe < quantizer.num_clusters:
            self.probed = np.sort(nearest(self.cosines, nprobe))
        self.codec = quantizer.codec
        self.weights, constant = (None, 0.0) if self.codec.code_size == 0 else self.codec.prepare(query)
        self.bases = self.cosines + np.float32(constant)

    def clusters(self, block: EmbeddingBlock) -> tuple[np.ndarray, np.ndarray]:
        """The clusters with members to look in, ascending, and the largest cosine that a member may have."""
        numbers = np.arange(len(self.cosines)) if self.probed is None else self.probed
        numbers = numbers[block.starts[numbers + 1] > block.starts[numbers]]
        to_query = self.cosines[numbers].astype(np.float64)
        to_member = block.min_cosines[numbers].astype(np.float64)
        sines = np.sqrt(np.maximum(0.0, 1.0 - to_query**2) * np.maximum(0.0, 1.0 - to_member**2))
        most = np.where(to_query >= to_member, 1.0, to_query * to_member + sines)
        return numbers, most + _PRUNE_SLACK


class BlockScorer:
    """Estimates the cosines of rows of one segment's block; counts what it does."""

    def __init__(
        self, view: SegmentView, block: EmbeddingBlock, probe: Probe, allowed: DocSet | None, counters: Counters
    ) -> None:
        self.block, self.probe, self.allowed, self.counters = block, probe, allowed, counters
        self.num_docs = view.segment.num_docs
        self._allowed_rows: np.ndarray | None = None

    def allowed_rows(self) -> np.ndarray:
        """The allowed documents that have this embedding, as ascending rows."""
        if self._allowed_rows is None:
            assert self.allowed is not None
            documents = docset.as_array(self.allowed)
            if self.block.identity:
                self._allowed_rows = documents[: np.searchsorted(documents, len(self.block.docs))]
            else:
                rows = np.empty(len(documents), dtype=np.uint32)
                rows = rows[: kernels.rows_of_documents(self.block.rows_of, documents, rows)]
                rows.sort()
                self._allowed_rows = rows
        return self._allowed_rows

    def plan(self, num_rows: int, forced: str | None) -> str:
        """Choose by cost among the plans of cost.nn_costs."""
        costs = nn_costs(
            None if self.allowed is None else docset.size(self.allowed),
            num_rows,
            len(self.block.docs),
            self.probe.codec.code_size,
            len(self.probe.query),
        )
        for name, cost in costs.items():
            self.counters.costs_us[name] = self.counters.costs_us.get(name, 0.0) + cost / 1000.0
        chosen = forced if forced in costs else min(costs, key=lambda name: costs[name])
        self.counters.plans.append(chosen)
        return chosen

    def score(self, clusters: np.ndarray, forced: str | None) -> tuple[np.ndarray, np.ndarray, np.float32]:
        """Rows of the clusters (ascending numbers), limited to the allowed documents, with estimated cosines.

        Returns rows (n,) uint32 ascending, estimates (n,) float32, and the slack to add to a row's code error; slack 0
        says that the estimates are exact.
        """
        starts, stops = self.block.starts[clusters], self.block.starts[clusters + 1]
        num_rows = int((stops - starts).sum())
        bases = self.probe.bases[clusters]
        plan = self.plan(num_rows, forced)
        self.counters.clusters_probed += len(clusters)
        if plan == "scan":
            rows = np.empty(num_rows, dtype=np.uint32)
            kernels.expand_ranges(starts, stops, rows)
            if self.probe.weights is None:
                estimates = self.exact(rows)
            else:
                estimates = self._scan_codes(starts, stops, bases, num_rows)
            if self.allowed is not None:
                inside = np.zeros(len(self.block.docs), dtype=bool)
                inside[self.allowed_rows()] = True
                kept = inside[rows]
                rows, estimates = rows[kept], estimates[kept]
        else:
            allowed = self.allowed_rows()
            rows = np.empty(len(allowed), dtype=np.uint32)
            ranges = np.empty(len(allowed), dtype=np.int64)
            count = kernels.slice_ranges(allowed, starts, stops, rows, ranges)
            rows, ranges = rows[:count], ranges[:count]
            if plan == "exact" or self.probe.weights is None:
                return rows, self.exact(rows), np.float32(0.0)
            estimates = self._score_codes(rows, bases[ranges])
        slack = np.float32(0.0) if self.probe.weights is None else _SLACK
        return rows, estimates, slack

    def exact(self, rows: np.ndarray) -> np.ndarray:
        """Cosines to the stored vectors. (n,) uint32 -> (n,) float32."""
        cosines = np.empty(len(rows), dtype=np.float32)
        kernels.exact_cosines(self.block.vectors, rows, self.probe.query, cosines)
        self.counters.exact_distances += len(rows)
        self.counters.bytes_read += len(rows) * len(self.probe.query) * 4
        return cosines

    def documents(self, rows: np.ndarray) -> np.ndarray:
        """Rows, ascending, as ascending document numbers."""
        return rows if self.block.identity else np.sort(self.block.docs[rows])

    def _scan_codes(self, starts: np.ndarray, stops: np.ndarray, bases: np.ndarray, num_rows: int) -> np.ndarray:
        estimates = np.empty(num_rows, dtype=np.float32)
        score = sq8.score_ranges if isinstance(self.probe.codec, SQ8) else opq.score_ranges
        score(self.probe.weights, self.block.codes, starts, stops, bases, estimates)
        self._count_codes(num_rows)
        return estimates

    def _score_codes(self, rows: np.ndarray, bases: np.ndarray) -> np.ndarray:
        estimates = np.empty(len(rows), dtype=np.float32)
        score = opq.score_rows if isinstance(self.probe.codec, OPQ) else sq8.score_rows
        score(self.probe.weights, self.block.codes, rows.astype(np.int64), bases, estimates)
        self._count_codes(len(rows))
        return estimates

    def _count_codes(self, count: int) -> None:
        self.counters.documents_scanned += count
        self.counters.bytes_read += count * (self.probe.codec.code_size + 4)


def within_radius(
    snapshot: Snapshot,
    key: str,
    probe: Probe,
    radius: float,
    allowed: list[DocSet] | None,
    counters: Counters,
    forced: str | None = None,
) -> list[DocSet]:
    """Per segment, the documents (of the allowed ones) whose cosine distance is at most the radius: complete."""
    min_cosine = 1.0 - radius
    found: list[DocSet] = []
    for at, view in enumerate(snapshot.segments):
        block = view.segment.embeddings.get(key)
        if block is None or (allowed is not None and docset.size(allowed[at]) == 0):
            found.append(docset.EMPTY)
            continue
        scorer = BlockScorer(view, block, probe, None if allowed is None else allowed[at], counters)
        clusters, most = probe.clusters(block)
        near = clusters[most >= min_cosine]
        counters.clusters_pruned += len(clusters) - len(near)
        rows, estimates, slack = scorer.score(near, forced)
        accepted, border = np.empty_like(rows), np.empty_like(rows)
        num_accepted, num_border = kernels.split_by_radius(
            rows, estimates, block.errors, slack, min_cosine, accepted, border
        )
        accepted, border = accepted[:num_accepted], border[:num_border]
        if num_border:
            border = border[scorer.exact(border) >= min_cosine]
            accepted = docset.as_array(docset.unite([accepted, border], len(block.docs)))
        found.append(scorer.documents(accepted))
    return found


@dataclass(frozen=True)
class Ranked:
    """Documents in order of falling cosine, ties by doc_id: segment (n,), number (n,), score (n,) float32."""

    segments: np.ndarray
    numbers: np.ndarray
    scores: np.ndarray


def k_nearest(
    snapshot: Snapshot,
    key: str,
    probe: Probe,
    k: int,
    allowed: list[DocSet] | None,
    counters: Counters,
    forced: str | None = None,
) -> Ranked:
    """The k nearest documents over all segments, ties by doc_id: of `allowed`, all of them live, or of all live."""
    k = min(k, snapshot.num_docs)
    heap = np.empty(k, dtype=np.float32)
    size = 0
    possible: list[tuple[BlockScorer, int, np.ndarray, np.ndarray]] = []
    for at, view in enumerate(snapshot.segments):
        block = view.segment.embeddings.get(key)
        live = allowed[at] if allowed is not None else live_documents(view)
        if k == 0 or block is None or (live is not None and docset.size(live) == 0):
            continue
        scorer = BlockScorer(view, block, probe, live, counters)
        clusters, most = probe.clusters(block)
        order = np.argsort(-most, kind="stable")
        start, width = 0, _FIRST_CLUSTERS if probe.probed is None else len(order)
        while start < len(order):
            chunk = order[start : start + width]
            if size == k:
                chunk = chunk[most[chunk] >= heap[0]]
                if len(chunk) == 0:
                    break
            rows, estimates, slack = scorer.score(np.sort(clusters[chunk]), forced)
            size = kernels.raise_bound(heap, size, rows, estimates, block.errors, slack)
            bound = heap[0] if size == k else np.float32(-2.0)
            kept, upper = np.empty_like(rows), np.empty_like(estimates)
            count = kernels.keep_possible(rows, estimates, block.errors, slack, bound, kept, upper)
            possible.append((scorer, at, kept[:count].copy(), upper[:count].copy()))
            start, width = start + width, width * 2
        counters.clusters_pruned += len(order) - min(start, len(order))
    bound = heap[0] if k and size == k else np.float32(-2.0)
    return _best(snapshot, k, [(scorer, at, rows[upper >= bound]) for scorer, at, rows, upper in possible])


def _best(snapshot: Snapshot, k: int, possible: list[tuple[BlockScorer, int, np.ndarray]]) -> Ranked:
    possible = [part for part in possible if len(part[2])]
    if not possible:
        empty = np.empty(0, dtype=np.int64)
        return Ranked(empty, empty, np.empty(0, dtype=np.float32))
    scores = np.concatenate([scorer.exact(rows) for scorer, _, rows in possible])
    segments = np.concatenate([np.full(len(rows), at) for _, at, rows in possible])
    numbers = np.concatenate([scorer.block.docs[rows].astype(np.int64) for scorer, _, rows in possible])
    order = best_first(snapshot, scores, segments, numbers, k)
    return Ranked(segments[order], numbers[order], scores[order])


def best_first(
    snapshot: Snapshot, scores: np.ndarray, segments: np.ndarray, numbers: np.ndarray, limit: int
) -> np.ndarray:
    """Positions of the `limit` largest scores in falling order, ties by doc_id (as UTF-8 bytes)."""
    positions = np.arange(len(scores))
    if limit < len(scores):
        bound = np.partition(scores, len(scores) - limit)[len(scores) - limit] if limit else np.inf
        positions = np.flatnonzero(scores >= bound)
    return positions[_ordered(snapshot, scores[positions], segments[positions], numbers[positions])][:limit]


def _ordered(snapshot: Snapshot, scores: np.ndarray, segments: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    id_orders = np.empty(len(scores), dtype=np.int64)
    for at in np.unique(segments):
        here = segments == at
        id_orders[here] = snapshot.segments[at].segment.id_order[numbers[here]]
    order = np.lexsort((id_orders, segments, -scores))
    tied = np.flatnonzero(np.diff(scores[order]) == 0)
    if len(tied) == 0 or np.all(segments == segments[0]):
        return order  # within one segment id_order settles ties
    start = 0
    sorted_scores = scores[order]
    while start < len(order):  # across segments the ids themselves do
        stop = start + int(np.searchsorted(-sorted_scores[start:], -sorted_scores[start], side="right"))
        if stop - start > 1:
            group = order[start:stop]
            ids = [snapshot.segments[segments[i]].segment.doc_ids[int(numbers[i])].as_py().encode() for i in group]
            order[start:stop] = group[sorted(range(len(group)), key=ids.__getitem__)]
        start = stop
    return order


def live_documents(view: SegmentView) -> DocSet | None:
    """The documents that are not deleted, or None when all are live."""
    return None if view.deleted is None else docset.from_mask(~view.deleted)
