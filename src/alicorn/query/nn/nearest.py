"""Nearest neighbours over a snapshot: complete radius, and the k nearest.

Scores come in two steps (DESIGN 3.3): an estimate from the code with a bound on its error, then, for what the bound
leaves open, the inner product with the stored vector.

Clusters are pruned by angle. With t the angle of the query to a centroid, and p the largest angle of a member to it,
no member is nearer than t - p, so its cosine is at most cos(max(0, t - p)).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from alicorn.index import EmbeddingBlock, SegmentView, Snapshot
from alicorn.quantization import CODES, FLOAT16, SQ8, ExtendedRaBitQ, Int8, KeyQuantizer, NoCodec, RaBitQ
from alicorn.query.cost import nn_costs
from alicorn.query.nn import kernel as nn_kernels
from alicorn.query.nn import scoring
from alicorn.query.sets import docset, kernels
from alicorn.query.sets.docset import DocSet

_SLACK = np.float32(4e-6)  # rounding of float32 sums of unit vectors, added to the error of every estimate
_HALF_SLACK = np.float32(5e-4)  # a stored row of float16 may be longer than 1 by 2 ** -11
_NO_BOUND = -2.0  # below every cosine
_NO_ROWS = np.empty(0, dtype=np.uint32)
_NO_BITS = np.empty(0, dtype=np.uint64)
_NO_WORDS = np.empty((0, 0), dtype=np.uint64)
_NO_FLOATS = np.empty(0, dtype=np.float32)
_NO_LEVELS = np.empty(0, dtype=np.int8)
_NO_CLUSTERS = np.empty(0, dtype=np.int64)
_NONE_DELETED = np.empty(0, dtype=bool)


class Coded(NamedTuple):
    """What the loop needs of a query to score codes: see nn_kernels.look."""

    numbers: np.ndarray = np.zeros(5, dtype=np.float32)
    levels: np.ndarray = _NO_LEVELS
    table: np.ndarray = _NO_FLOATS
    planes: np.ndarray = _NO_WORDS
    kind: int = nn_kernels.EXACT
    slack: np.float32 = _SLACK


_EXACT = Coded()


@dataclass
class Counters:
    """What an `nn` did: shown by explain. numbers: documents scanned (EBR's measure of work, papers 1.6, tip 1), those
    of which the second part of the code was read, exact distances, clusters probed, clusters pruned."""

    explained: bool = False  # whether the costs of plans are noted
    numbers: np.ndarray = field(default_factory=lambda: np.zeros(5, dtype=np.int64))
    plans: list[str] = field(default_factory=list)
    costs_us: dict[str, float] = field(default_factory=dict)
    bytes_read: int = 0

    @property
    def documents_scanned(self) -> int:
        return int(self.numbers[nn_kernels.SCANNED])

    @property
    def documents_refined(self) -> int:
        return int(self.numbers[nn_kernels.REFINED])

    @property
    def exact_distances(self) -> int:
        return int(self.numbers[nn_kernels.SETTLED])

    @property
    def clusters_probed(self) -> int:
        return int(self.numbers[nn_kernels.PROBED])

    @property
    def clusters_pruned(self) -> int:
        return int(self.numbers[nn_kernels.PRUNED])


class Probe:
    """One query vector against one embedding key: what all segments share, computed when first needed.

    query: (dim,) float32, unit length; exact_query: the same as the loop over stored vectors takes it.
    """

    __slots__ = (
        "_ascending",
        "_coarse",
        "_coded",
        "_cosines",
        "_estimates",
        "_nearest_first",
        "_nprobe",
        "_slack",
        "codec",
        "exact_query",
        "query",
    )

    def __init__(self, quantizer: KeyQuantizer, query: np.ndarray, nprobe: int | None) -> None:
        self.query = query
        self.codec = quantizer.codec
        self.exact_query = exact_query(quantizer, query)
        self._slack = _SLACK + _HALF_SLACK if quantizer.stored == FLOAT16 else _SLACK
        self._coarse = quantizer.coarse
        self._nprobe = nprobe if nprobe is not None and nprobe < quantizer.num_clusters else None
        self._cosines: np.ndarray | None = None
        self._estimates: tuple[np.ndarray, np.float32] | None = None
        self._nearest_first: np.ndarray | None = None
        self._ascending: np.ndarray | None = None
        self._coded: Coded | None = None

    @property
    def all_clusters(self) -> bool:
        return self._nprobe is None

    @property
    def cosines(self) -> np.ndarray:
        """(num_clusters,) float32 inner products with the centroids; with nprobe only those of the clusters probed."""
        if self._cosines is None:
            if self._nprobe is None:
                self._cosines = self._coarse.cosines(self.query)
            else:
                self._nearest_first, self._cosines = self._coarse.nearest(self.query, self._nprobe)
        return self._cosines

    @property
    def estimates(self) -> tuple[np.ndarray, np.float32]:
        """Inner products with all centroids, (num_clusters,) float32, and how far each may be off."""
        if self._estimates is None:
            self._estimates = self._coarse.estimates(self.query)
        return self._estimates

    @property
    def nearest_first(self) -> np.ndarray:
        """The clusters to look in, nearest first."""
        cosines = self.cosines
        if self._nearest_first is None:
            self._nearest_first = np.argsort(-cosines, kind="stable")
        return self._nearest_first

    @property
    def ascending(self) -> np.ndarray:
        """The clusters to look in, by number."""
        if self._ascending is None:
            self._ascending = np.arange(len(self.cosines)) if self._nprobe is None else np.sort(self.nearest_first)
        return self._ascending

    @property
    def coded(self) -> Coded:
        if self._coded is None:
            self._coded = self._code()
        return self._coded

    def _code(self) -> Coded:
        codec = self.codec
        if isinstance(codec, NoCodec):
            return self.uncoded
        if isinstance(codec, SQ8 | Int8):
            levels, numbers = codec.prepare_levels(self.query)
            kind = nn_kernels.LEVELS if isinstance(codec, SQ8) else nn_kernels.WHOLE
            return Coded(numbers, levels, kind=kind, slack=self._slack + numbers[4])
        if isinstance(codec, RaBitQ):
            weights, planes = codec.prepare_bits(self.query)
            return Coded(table=weights, planes=planes, kind=nn_kernels.BITS, slack=self._slack)
        if isinstance(codec, ExtendedRaBitQ):
            levels, weights, numbers = codec.prepare_levels(self.query)
            return Coded(numbers, levels, weights, kind=nn_kernels.SEVERAL_BITS, slack=self._slack + numbers[4])
        table, constant = codec.prepare(self.query)
        numbers = np.array([0, constant, 0, 0, 0], dtype=np.float32)
        return Coded(numbers, table=table, kind=nn_kernels.TABLE, slack=self._slack)

    @property
    def uncoded(self) -> Coded:
        """What the loop needs to look at stored vectors alone."""
        return _EXACT if self._slack == _SLACK else Coded(slack=self._slack)


def exact_query(quantizer: KeyQuantizer, queries: np.ndarray) -> np.ndarray:
    """Queries as the loop over stored vectors takes them. (..., dim) float32; see Int8.padded."""
    return quantizer.codec.padded(queries) if isinstance(quantizer.codec, Int8) else queries


class BlockArrays:
    """The arrays of one block in the order the kernels take them."""

    def __init__(self, block: EmbeddingBlock) -> None:
        coded = block.coded
        sines = np.sqrt(np.maximum(0.0, 1.0 - block.min_cosines.astype(np.float64) ** 2))
        self.docs = block.docs
        stored = _STORED.get(block.quantizer.stored, scoring.FLOATS)
        vectors = block.vectors.view(np.uint8)
        self.exact = (stored, vectors, coded.codes, coded.fine)
        self.in_order = (
            stored,
            vectors,
            block.starts,
            block.min_cosines,
            np.where(block.min_cosines < 0, 1.0, sines).astype(np.float32),  # beyond a right angle: no bound but 1
            block.docs,
            *coded.arrays(),
        )


_STORED = {FLOAT16: scoring.HALVES, CODES: scoring.PLANES}
_arrays: WeakKeyDictionary[EmbeddingBlock, BlockArrays] = WeakKeyDictionary()


def arrays_of(block: EmbeddingBlock) -> BlockArrays:
    """Made once per block, kept as long as the block."""
    arrays = _arrays.get(block)
    if arrays is None:
        arrays = _arrays[block] = BlockArrays(block)
    return arrays


@dataclass(slots=True)
class Ranked:
    """Documents in order of falling cosine, ties by doc_id: segment (n,), number (n,), score (n,)."""

    segments: np.ndarray
    numbers: np.ndarray
    scores: np.ndarray

    def first(self, limit: int) -> Ranked:
        return Ranked(self.segments[:limit], self.numbers[:limit], self.scores[:limit])


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
    found: list[DocSet] = []
    for at, view in enumerate(snapshot.segments):
        block = view.segment.embeddings.get(key)
        inside = None if allowed is None else allowed[at]
        if block is None or (inside is not None and docset.size(inside) == 0):
            found.append(docset.EMPTY)
            continue
        rows, _ = _look(view, block, probe, 0, 1.0 - radius, inside, counters, forced)
        found.append(rows if block.identity else np.sort(block.docs[rows]))
    return found


def k_nearest(
    snapshot: Snapshot,
    key: str,
    probe: Probe,
    k: int,
    allowed: list[DocSet] | None,
    counters: Counters,
    forced: str | None = None,
) -> Ranked:
    """The k nearest live documents over all segments, ties by doc_id; with `allowed`, of those."""
    k = min(k, snapshot.num_docs)
    parts: list[tuple[int, np.ndarray, np.ndarray]] = []
    least = _NO_BOUND
    segments = snapshot.segments
    for at, view in enumerate(segments):
        block = view.segment.embeddings.get(key)
        inside = None if allowed is None else allowed[at]
        if k == 0 or block is None or (inside is not None and docset.size(inside) == 0):
            continue
        rows, scores = _look(view, block, probe, k, least, inside, counters, forced)
        if len(rows):
            parts.append((at, block.documents_of(rows), scores))
            if len(segments) > 1:
                together = np.concatenate([scores for _, _, scores in parts])
                if len(together) >= k:
                    least = float(np.partition(together, len(together) - k)[len(together) - k])
    if not parts:
        return Ranked(docset.NO_NUMBERS, docset.NO_NUMBERS, np.empty(0, dtype=np.float32))
    if len(parts) == 1:
        at, numbers, scores = parts[0]
        return Ranked(np.full(len(numbers), at) if at else np.zeros(len(numbers), np.int64), numbers, scores)
    of_segments = np.repeat([at for at, _, _ in parts], [len(numbers) for _, numbers, _ in parts])
    numbers = np.concatenate([numbers for _, numbers, _ in parts])
    scores = np.concatenate([scores for _, _, scores in parts])
    order = best_first(snapshot, scores, of_segments, numbers, k)
    return Ranked(of_segments[order], numbers[order], scores[order])


def _look(
    view: SegmentView,
    block: EmbeddingBlock,
    probe: Probe,
    k: int,
    least: float,
    inside: DocSet | None,
    counters: Counters,
    forced: str | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of one segment and scores: the k best, best first, of at least `least`; with k = 0 all of them, ascending.

    Deleted documents are left out for k; a radius may hold them.
    """
    plan = _plan(probe, block, inside, counters, forced)
    coded = probe.uncoded if plan == "exact" else probe.coded
    slack = coded.slack
    rows, bits, clusters = _NO_ROWS, _NO_BITS, _NO_CLUSTERS
    if inside is None:
        mode = nn_kernels.ALL
    elif plan == "scan":
        mode = nn_kernels.BITS_SET
        if block.identity:
            bits = docset.as_words(inside, max(len(block.rows_of), len(block.docs)))
        else:
            bits = docset.as_words(allowed_rows(block, inside), len(block.docs))
    else:
        mode = nn_kernels.ANYWHERE if probe.all_clusters else nn_kernels.ROWS
        rows = allowed_rows(block, inside)
    if mode == nn_kernels.ANYWHERE:
        cosines = _NO_FLOATS
        if coded.kind not in (nn_kernels.EXACT, nn_kernels.WHOLE):
            cosines, error = probe.estimates
            slack = slack + error
    else:
        cosines = probe.cosines
        clusters = probe.nearest_first if k else probe.ascending
    return nn_kernels.look(
        *arrays_of(block).in_order,
        probe.exact_query,
        cosines,
        coded.numbers,
        coded.levels,
        coded.table,
        coded.planes,
        coded.kind,
        slack,
        mode,
        rows,
        bits,
        _NONE_DELETED if view.deleted is None or not k else view.deleted,
        clusters,
        k,
        least,
        view.segment.id_order,
        counters.numbers,
    )


def _plan(probe: Probe, block: EmbeddingBlock, inside: DocSet | None, counters: Counters, forced: str | None) -> str:
    """Choose by cost among the plans of cost.nn_costs, for one segment."""
    if inside is None and forced is None:
        counters.plans.append("scan")
        return "scan"
    if probe.all_clusters:
        num_rows = len(block.docs)
    else:
        clusters = probe.nearest_first
        num_rows = int((block.starts[clusters + 1] - block.starts[clusters]).sum())
    costs = _costs(
        block,
        None if inside is None else docset.size(inside),
        num_rows,
        probed=not probe.all_clusters,
        listed=not isinstance(inside, docset.Bitmap),
    )
    if counters.explained:
        for name, cost in costs.items():
            counters.costs_us[name] = counters.costs_us.get(name, 0.0) + cost / 1000.0
    plan = forced if forced in costs else min(costs, key=costs.__getitem__)
    counters.plans.append(plan)
    return plan


def is_exact(block: EmbeddingBlock, num_allowed: int) -> bool:
    """Whether the k nearest of so many documents, in all clusters, are found by comparing their stored vectors."""
    costs = _costs(block, num_allowed, len(block.docs), probed=False, listed=True)
    return min(costs, key=costs.__getitem__) == "exact"


def _costs(
    block: EmbeddingBlock, num_allowed: int | None, num_rows: int, *, probed: bool, listed: bool
) -> dict[str, float]:
    quantizer = block.quantizer
    scan_size, num_clusters = quantizer.codec.scan_size, quantizer.num_clusters
    return nn_costs(num_allowed, num_rows, len(block.docs), num_clusters, scan_size, quantizer.dim, probed, listed)


def exact_cosines(block: EmbeddingBlock, query: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Cosines of a query to stored vectors, as every plan computes them. (dim,), (n,) rows -> (n,) float32."""
    cosines = np.empty(len(rows), dtype=np.float32)
    prepared = exact_query(block.quantizer, query)
    nn_kernels.exact_cosines(*arrays_of(block).exact, prepared, rows.astype(np.uint32), cosines)
    return cosines


def allowed_rows(block: EmbeddingBlock, inside: DocSet | None) -> np.ndarray:
    """The allowed documents that have this embedding, as ascending rows."""
    assert inside is not None
    documents = docset.as_array(inside)
    if block.identity:
        if len(documents) and documents[-1] >= len(block.docs):
            documents = documents[: np.searchsorted(documents, len(block.docs))]
        return documents
    rows = np.empty(len(documents), dtype=np.uint32)
    rows = rows[: kernels.rows_of_documents(block.rows_of, documents, rows)]
    rows.sort()
    return rows


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
        return docset.NO_NUMBERS
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
        return docset.NO_NUMBERS
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
