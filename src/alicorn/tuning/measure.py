"""The recall of one setting, and its cost, measured by Collection.search, one request at a time, one thread.

Every score of a Result is that of the stored vector, whatever the codec: so a hit counts as found where its score is
that of one of the nearest documents, and documents at equal distance count for each other.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from alicorn.quantization import Settings
from alicorn.query import Collection
from alicorn.tuning.sample import Queries

ONE_RECALL_DEPTH = 10  # 1-recall@10: EBR's measure
_REPEATS = 3  # of each request; the fastest counts, so that a pause of the machine is not the setting's
_EQUAL = 2e-6  # cosines of float32 vectors that differ by less are equal


@dataclass(frozen=True)
class Point:
    """A setting and an nprobe, over all queries.

    recall: share of the k nearest documents that were found; one_recall_at_10: share of queries whose nearest document
    is in the first 10. Means of a query: documents_scanned, clusters_probed and bytes_read as `explain` counts them
    (without a code, every document scanned is a vector read); mean_us, p50_us, p99_us: latency.
    code_bytes, bytes_per_document: of the codes alone, and of all that the embedding occupies, stored vectors included.
    train_s: seconds to train and to rebuild the collection.
    """

    settings: Settings
    nprobe: int
    recall: float
    one_recall_at_10: float
    documents_scanned: float
    bytes_read: float
    mean_us: float
    p50_us: float
    p99_us: float
    code_bytes: int
    bytes_per_document: float
    train_s: float


@dataclass(frozen=True, eq=False)
class Truth:
    """The scores of the nearest documents of each query, best first: (n, depth) float32, -inf behind the last."""

    scores: np.ndarray
    k: int


def nearest_scores(collection: Collection, key: str, queries: Queries, k: int) -> Truth:
    """By complete search, whose answer is exact (decision 002; with RaBitQ, with high probability)."""
    depth = max(k, ONE_RECALL_DEPTH)
    expression, limit = _expression(key, queries, depth)
    scores = np.full((len(queries), depth), -np.inf, dtype=np.float32)
    for at, vector in enumerate(queries.vectors):
        result = collection.search(expression, {key: vector}, limit)
        nearest = _without_own(result.ids, result.scores, queries, at)[:depth]
        scores[at, : len(nearest)] = nearest
    return Truth(scores, k)


def measure(
    collection: Collection, key: str, queries: Queries, truth: Truth, nprobe: int, train_s: float = 0.0
) -> Point:
    """Search every query in the nprobe nearest clusters."""
    depth = truth.scores.shape[1]
    expression, limit = _expression(key, queries, depth, nprobe)
    found, first, scanned, read = [], [], [], []
    for at in range(len(queries)):
        result = collection.search(expression, {key: queries.vectors[at]}, limit, explain=True)
        assert result.explanation is not None
        counters = result.explanation.counters
        assert counters is not None
        scanned.append(counters.documents_scanned or counters.exact_distances)
        read.append(counters.bytes_read)
        scores = _without_own(result.ids, result.scores, queries, at)[:depth]
        wanted = truth.scores[at, : truth.k]
        found.append(_share_found(scores, wanted))
        first.append(bool(np.any(scores[:ONE_RECALL_DEPTH] >= wanted[0] - _EQUAL)))
    us = _latency_us(collection, expression, key, queries, limit)
    blocks = [view.segment.embeddings[key] for view in collection.snapshot().segments]
    quantizer = collection.snapshot().quantizers[key]
    p50, p99 = np.percentile(us, [50, 99])
    return Point(
        settings=quantizer.settings,
        nprobe=nprobe,
        recall=float(np.mean(found)),
        one_recall_at_10=float(np.mean(first)),
        documents_scanned=float(np.mean(scanned)),
        bytes_read=float(np.mean(read)),
        mean_us=float(us.mean()),
        p50_us=float(p50),
        p99_us=float(p99),
        code_bytes=quantizer.codec.code_size,
        bytes_per_document=sum(block.nbytes for block in blocks) / sum(len(block.docs) for block in blocks),
        train_s=train_s,
    )


def calibrated_recall(collection: Collection, key: str, queries: Queries, truth: Truth, recall: float) -> float:
    """The mean recall that `:recall` reaches: of queries that did not calibrate the key, or did."""
    limit = truth.k + (queries.own is not None)
    expression = f"(nn {key} :k {limit} :recall {recall})"
    found = []
    for at, vector in enumerate(queries.vectors):
        result = collection.search(expression, {key: vector}, limit)
        found.append(_share_found(_without_own(result.ids, result.scores, queries, at), truth.scores[at, : truth.k]))
    return float(np.mean(found))


def _share_found(scores: np.ndarray, nearest: np.ndarray) -> float:
    """The share of the nearest documents, by their scores, that is among the scores of an answer."""
    nearest = nearest[nearest > -np.inf]
    return float(np.count_nonzero(scores[: len(nearest)] >= nearest[-1] - _EQUAL) / len(nearest))


def _latency_us(collection: Collection, expression: str, key: str, queries: Queries, limit: int) -> np.ndarray:
    """(n,) microseconds of each request: the fastest of its repetitions."""
    best = np.full(len(queries), np.inf)
    for _ in range(_REPEATS):
        for at, vector in enumerate(queries.vectors):
            started = time.perf_counter()
            collection.search(expression, {key: vector}, limit)
            best[at] = min(best[at], (time.perf_counter() - started) * 1e6)
    return best


def _expression(key: str, queries: Queries, depth: int, nprobe: int | None = None) -> tuple[str, int]:
    """An `nn` and its limit: one document more where a query is a document, which will be left out."""
    limit = depth + (queries.own is not None)
    return (f"(nn {key} :k {limit})" if nprobe is None else f"(nn {key} :k {limit} :nprobe {nprobe})"), limit


def _without_own(ids: list[str], scores: np.ndarray, queries: Queries, at: int) -> np.ndarray:
    """The scores of a result, but not that of the document which is the query."""
    if queries.own is None or queries.own[at] not in ids:
        return scores
    return np.delete(scores, ids.index(queries.own[at]))
