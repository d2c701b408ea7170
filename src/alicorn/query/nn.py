"""Nearest neighbours over a snapshot: complete radius, and the k nearest. Called by run.py and order.py.

Scores come in two steps (DESIGN 3.3): an estimate from the code with a bound on its error, then, for what the bound
leaves open, the inner product with the stored vector. The bound is certain, so codes never change an answer.

Clusters are pruned by angle. With t the angle of the query to a centroid, and p the largest angle of a member to it,
no member is nearer than t - p, so its cosine is at most cos(max(0, t - p)).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from alicorn.index import EmbeddingBlock, SegmentView, Snapshot
from alicorn.quantization import SQ8, KeyQuantizer, NoCodec, opq, sq8
from alicorn.quantization.coarse import nearest
from alicorn.query import docset, kernels
from alicorn.query.cost import nn_costs
from alicorn.query.docset import DocSet

_SLACK = np.float32(4e-6)  # rounding of float32 sums of unit vectors, added to the error of every estimate
_EXACT = np.float32(0.0)  # the slack of scores that are no estimates
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
    """One query vector against one embedding key: what all segments share, computed when first needed.

    query: (dim,) float32, unit length.
    """

    def __init__(self, quantizer: KeyQuantizer, query: np.ndarray, nprobe: int | None) -> None:
        self.query = query
        self.codec = quantizer.codec
        self._coarse = quantizer.coarse
        self._nprobe = nprobe if nprobe is not None and nprobe < quantizer.num_clusters else None

    @property
    def all_clusters(self) -> bool:
        return self._nprobe is None

    @cached_property
    def cosines(self) -> np.ndarray:
        """(num_clusters,) float32 inner products with the centroids."""
        return self._coarse.cosines(self.query)

    @cached_property
    def probed(self) -> np.ndarray:
        """The clusters to look in, ascending."""
        if self._nprobe is None:
            return np.arange(self._coarse.num_clusters)
        return np.sort(nearest(self.cosines, self._nprobe))

    @cached_property
    def prepared(self) -> tuple[np.ndarray, np.ndarray]:
        """What scoring codes needs: the codec's weights or table, and (num_clusters,) what a cluster adds to each."""
        assert not isinstance(self.codec, NoCodec)
        weights, constant = self.codec.prepare(self.query)
        return weights, self.cosines + np.float32(constant)

    def clusters(self, block: EmbeddingBlock) -> tuple[np.ndarray, np.ndarray]:
        """The clusters with members to look in, ascending, and the largest cosine that a member may have."""
        numbers = self.probed[block.starts[self.probed + 1] > block.starts[self.probed]]
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
        """Choose by cost among the plans of cost.nn_costs, for num_rows rows in the clusters to look in."""
        costs = nn_costs(
            None if self.allowed is None else docset.size(self.allowed),
            num_rows,
            len(self.block.docs),
            self.probe.codec.code_size,
            len(self.probe.query),
            probed=not self.probe.all_clusters,
        )
        for name, cost in costs.items():
            self.counters.costs_us[name] = self.counters.costs_us.get(name, 0.0) + cost / 1000.0
        chosen = forced if forced in costs else min(costs, key=lambda name: costs[name])
        self.counters.plans.append(chosen)
        return chosen

    def score(self, clusters: np.ndarray, plan: str) -> tuple[np.ndarray, np.ndarray, np.float32]:
        """Rows of the clusters (ascending numbers), limited to the allowed documents, with estimated cosines.

        Returns rows (n,) uint32 ascending, estimates (n,) float32, and the slack to add to a row's code error; slack 0
        says that the estimates are exact.
        """
        starts, stops = self.block.starts[clusters], self.block.starts[clusters + 1]
        self.counters.clusters_probed += len(clusters)
        coded = self.probe.codec.code_size > 0
        if plan == "scan":
            rows = np.empty(int((stops - starts).sum()), dtype=np.uint32)
            kernels.expand_ranges(starts, stops, rows)
            estimates = self._scan_codes(clusters, starts, stops, len(rows)) if coded else self.exact(rows)
            if self.allowed is not None:
                inside = np.zeros(len(self.block.docs), dtype=bool)
                inside[self.allowed_rows()] = True
                kept = inside[rows]
                rows, estimates = rows[kept], estimates[kept]
            return rows, estimates, _SLACK if coded else _EXACT
        allowed = self.allowed_rows()
        rows = np.empty(len(allowed), dtype=np.uint32)
        ranges = np.empty(len(allowed), dtype=np.int64)
        count = kernels.slice_ranges(allowed, starts, stops, rows, ranges)
        rows, ranges = rows[:count], ranges[:count]
        if plan == "exact" or not coded:
            return rows, self.exact(rows), _EXACT
        return rows, self._score_codes(clusters[ranges], rows), _SLACK

    def score_allowed(self) -> tuple[np.ndarray, np.ndarray, np.float32]:
        """All allowed rows with exact cosines: what `score` gives over all clusters, without looking at any."""
        rows = self.allowed_rows()
        return rows, self.exact(rows), _EXACT

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

    def _scan_codes(self, clusters: np.ndarray, starts: np.ndarray, stops: np.ndarray, num_rows: int) -> np.ndarray:
        weights, bases = self.probe.prepared
        estimates = np.empty(num_rows, dtype=np.float32)
        score = sq8.score_ranges if isinstance(self.probe.codec, SQ8) else opq.score_ranges
        score(weights, self.block.codes, starts, stops, bases[clusters], estimates)
        self._count_codes(num_rows)
        return estimates

    def _score_codes(self, clusters: np.ndarray, rows: np.ndarray) -> np.ndarray:
        weights, bases = self.probe.prepared
        estimates = np.empty(len(rows), dtype=np.float32)
        score = sq8.score_rows if isinstance(self.probe.codec, SQ8) else opq.score_rows
        score(weights, self.block.codes, rows.astype(np.int64), bases[clusters], estimates)
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
        if probe.all_clusters and scorer.plan(len(block.docs), forced) == "exact":
            rows, estimates, slack = scorer.score_allowed()
        else:
            clusters, most = probe.clusters(block)
            near = clusters[most >= min_cosine]
            counters.clusters_pruned += len(clusters) - len(near)
            plan = scorer.plan(int((block.starts[near + 1] - block.starts[near]).sum()), forced)
            rows, estimates, slack = scorer.score(near, plan)
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

    def first(self, limit: int) -> Ranked:
        return Ranked(self.segments[:limit], self.numbers[:limit], self.scores[:limit])


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
    best = _Best(k)
    for at, view in enumerate(snapshot.segments):
        block = view.segment.embeddings.get(key)
        live = allowed[at] if allowed is not None else live_documents(view)
        if k == 0 or block is None or (live is not None and docset.size(live) == 0):
            continue
        scorer = BlockScorer(view, block, probe, live, counters)
        if probe.all_clusters and scorer.plan(len(block.docs), forced) == "exact":
            best.add(scorer, at, *scorer.score_allowed())
        else:
            _search_clusters(best, scorer, at, forced)
    return best.ranked(snapshot)


def _search_clusters(best: _Best, scorer: BlockScorer, at: int, forced: str | None) -> None:
    """The clusters of one segment, the most promising first, until none may hold a better document."""
    clusters, most = scorer.probe.clusters(scorer.block)
    starts = scorer.block.starts
    plan = scorer.plan(int((starts[clusters + 1] - starts[clusters]).sum()), forced)
    order = np.argsort(-most, kind="stable")
    few = not scorer.probe.all_clusters or plan != "scan"  # then another pass costs more than pruning saves
    start, width = 0, len(order) if few else _FIRST_CLUSTERS
    while start < len(order):
        chunk = order[start : start + width]
        chunk = chunk[most[chunk] >= best.bound]
        if len(chunk) == 0:
            break
        best.add(scorer, at, *scorer.score(np.sort(clusters[chunk]), plan))
        start, width = start + width, width * 2
    scorer.counters.clusters_pruned += len(order) - min(start, len(order))


class _Best:
    """Rows that may be among the k best so far. bound: the k-th largest lower bound of a score, -2 while unknown."""

    def __init__(self, k: int) -> None:
        self.bound = np.float32(-2.0)
        self._heap = np.empty(k, dtype=np.float32)
        self._size = 0
        self._parts: list[tuple[BlockScorer, int, np.ndarray, np.ndarray]] = []

    def add(self, scorer: BlockScorer, at: int, rows: np.ndarray, estimates: np.ndarray, slack: np.float32) -> None:
        errors = scorer.block.errors
        self._size = kernels.raise_bound(self._heap, self._size, rows, estimates, errors, slack)
        if self._size == len(self._heap):
            self.bound = self._heap[0]
        kept, upper = np.empty_like(rows), np.empty_like(estimates)
        count = kernels.keep_possible(rows, estimates, errors, slack, self.bound, kept, upper)
        if count:
            self._parts.append((scorer, at, kept[:count].copy(), upper[:count].copy()))

    def ranked(self, snapshot: Snapshot) -> Ranked:
        """The k best by exact cosine."""
        possible = [(scorer, at, rows[upper >= self.bound]) for scorer, at, rows, upper in self._parts]
        if not possible:
            empty = np.empty(0, dtype=np.int64)
            return Ranked(empty, empty, np.empty(0, dtype=np.float32))
        scores = np.concatenate([scorer.exact(rows) for scorer, _, rows in possible])
        segments = np.concatenate([np.full(len(rows), at) for _, at, rows in possible])
        numbers = np.concatenate([scorer.block.docs[rows].astype(np.int64) for scorer, _, rows in possible])
        order = best_first(snapshot, scores, segments, numbers, len(self._heap))
        return Ranked(segments[order], numbers[order], scores[order])


def best_first(
    snapshot: Snapshot, scores: np.ndarray, segments: np.ndarray, numbers: np.ndarray, limit: int
) -> np.ndarray:
    """Positions of the `limit` largest scores in falling order, ties by doc_id (as UTF-8 bytes)."""
    id_orders = np.empty(len(scores), dtype=np.int64)
    kept = []
    for at, view in enumerate(snapshot.segments):
        here = np.flatnonzero(segments == at)
        if len(here):
            id_orders[here] = view.segment.id_order[numbers[here]]
            kept.append(here[_largest(scores[here], id_orders[here], limit)])
    if not kept:
        return np.empty(0, dtype=np.int64)
    positions = np.concatenate(kept)
    order = positions[np.lexsort((id_orders[positions], segments[positions], -scores[positions]))]
    if len(kept) > 1:  # within one segment id_order settles ties; across segments the ids themselves do
        _settle_ties(snapshot, scores, segments, numbers, order)
    return order[:limit]


def _largest(scores: np.ndarray, id_orders: np.ndarray, limit: int) -> np.ndarray:
    """Positions of the `limit` largest scores of one segment, in any order; ties to the smaller id_order."""
    if limit >= len(scores):
        return np.arange(len(scores))
    if limit == 0:
        return np.empty(0, dtype=np.int64)
    bound = np.partition(scores, len(scores) - limit)[len(scores) - limit]
    above, tied = np.flatnonzero(scores > bound), np.flatnonzero(scores == bound)
    missing = limit - len(above)
    if missing < len(tied):
        tied = tied[np.argpartition(id_orders[tied], missing - 1)[:missing]]
    return np.concatenate([above, tied])


def _settle_ties(
    snapshot: Snapshot, scores: np.ndarray, segments: np.ndarray, numbers: np.ndarray, order: np.ndarray
) -> None:
    """Sort every run of equal scores in `order`, in place, by doc_id."""
    falling = scores[order]
    edges = np.flatnonzero(falling[1:] != falling[:-1]) + 1
    for group in np.split(order, edges):  # views of order
        if len(group) > 1 and (segments[group] != segments[group[0]]).any():
            ids = [
                snapshot.segments[at].segment.doc_ids[number].as_py().encode()
                for at, number in zip(segments[group].tolist(), numbers[group].tolist(), strict=True)
            ]
            group[:] = group[sorted(range(len(group)), key=ids.__getitem__)]


def live_documents(view: SegmentView) -> DocSet | None:
    """The documents that are not deleted, or None when all are live."""
    return None if view.deleted is None else docset.from_mask(~view.deleted)
