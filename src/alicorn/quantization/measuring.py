"""Measure a Calibration: for sampled queries and filters, the least slack whose recall is high enough.

The filters are shares of the documents, and shares of the clusters, which imitate filters that correlate with the
vectors. With each of these filters, the slack that is kept exceeds the recall by one standard error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from alicorn.quantization.calibration import KS, RECALLS, Calibration, first_scan, least_cosine

SHARES = (1.0, 0.1, 0.01, 0.001)  # of the documents
CLUSTER_SHARES = (0.3, 0.3, 0.1, 0.1, 0.03)
MEASURED_FROM = 2_000  # vectors
_SLACKS = np.arange(0.0, 1.305, 0.01)
_QUERIES = 128
_LEAST = 16  # queries: with fewer nothing is promised
_LARGEST_WORK = 1 << 28  # queries x vectors: some seconds of a core at 128 dimensions
_SPREAD_ROWS = 16_384
_BLOCK = 16_384
_NOT_MEASURED = -1.0
_LEAST_GROWTH = 0.05


class Rows(Protocol):
    """The vectors of one segment by cluster: cluster c has the rows starts[c] to starts[c + 1]."""

    @property
    def starts(self) -> np.ndarray: ...

    def stored(self, rows: np.ndarray) -> np.ndarray: ...


class _Case(NamedTuple):
    """One filter and one K. bounds: (queries,) of the documents looked at first; first: (queries, k) whether a
    neighbour is among them; cosines: (queries, k) of its cluster."""

    bounds: np.ndarray
    first: np.ndarray
    cosines: np.ndarray


def held_out(vectors: np.ndarray) -> np.ndarray:
    """Which vectors are held out of training to be queries: about one in 64, by their bits. (n, dim) -> (n,).

    A vector that centroids were fitted to is nearer to them than a query is, and its recall would be too good.
    """
    bits = np.ascontiguousarray(vectors, dtype=np.float32).view(np.uint32).sum(axis=1, dtype=np.uint32)
    mixed: np.ndarray = (bits * np.uint32(2654435761)) >> np.uint32(26) == 0
    return mixed


def measure(blocks: Sequence[Rows], centroids: np.ndarray, queries: np.ndarray | None = None) -> Calibration | None:
    """The calibration of a key; None where there are too few vectors to measure.

    centroids: (num_clusters, dim) float32 of unit length. queries: (n, dim) float32 of unit length; without them,
    held-out vectors are the queries, and are no answers.
    """
    rng = np.random.default_rng(0)
    vectors = _Vectors(blocks)
    if len(vectors) < MEASURED_FROM:
        return None
    wanted = int(np.clip(_LARGEST_WORK // max(1, len(vectors)), _LEAST, _QUERIES))
    answers = np.ones(len(vectors), dtype=bool)
    if queries is None:
        looked_at = np.sort(rng.choice(len(vectors), min(len(vectors), 128 * wanted), replace=False))
        asked = looked_at[held_out(vectors.some(looked_at))]
        asked = np.sort(rng.permutation(asked)[:wanted])
        if len(asked) < _LEAST:
            return None
        answers[asked] = False
        queries = vectors.some(asked)
    elif len(queries) > wanted:
        queries = queries[np.sort(rng.choice(len(queries), wanted, replace=False))]
    if len(queries) < _LEAST:
        return None
    spread = _spread(vectors, centroids, rng)
    each = []  # filter: of each K and recall
    cosines = queries @ centroids.T
    for allowed in _filters(vectors, answers, len(centroids), rng):
        slacks = np.full((len(KS), len(RECALLS)), _NOT_MEASURED)
        for j, case in _cases(vectors, np.flatnonzero(allowed), queries, cosines):
            slacks[j] = _least_slacks(_recalls(case, spread))
        each.append(slacks)
    largest = np.max(each, axis=0)
    if largest[0, 0] == _NOT_MEASURED:
        return None
    return Calibration(spread, _rising(largest), len(vectors), _growth(each[0], each[1]))


class _Vectors:
    """The vectors of all blocks in one numbering. clusters: (len,) int32."""

    def __init__(self, blocks: Sequence[Rows]) -> None:
        self._blocks = blocks
        self.clusters = np.concatenate(
            [np.repeat(np.arange(len(one.starts) - 1, dtype=np.int32), np.diff(one.starts)) for one in blocks]
        )
        self._stops = np.cumsum([one.starts[-1] for one in blocks])

    def __len__(self) -> int:
        return len(self.clusters)

    def some(self, rows: np.ndarray) -> np.ndarray:
        """(n,) -> (n, dim) float32."""
        places = np.searchsorted(self._stops, rows, side="right")
        result: np.ndarray | None = None
        for place in np.unique(places):
            here = places == place
            block = self._blocks[place]
            found = block.stored(rows[here] - (self._stops[place] - block.starts[-1]))
            if result is None:
                result = np.empty((len(rows), found.shape[1]), dtype=np.float32)
            result[here] = found
        assert result is not None
        return result


def _spread(vectors: _Vectors, centroids: np.ndarray, rng: np.random.Generator) -> float:
    rows = np.sort(rng.choice(len(vectors), min(len(vectors), _SPREAD_ROWS), replace=False))
    return float(np.clip(np.einsum("ij,ij->i", vectors.some(rows), centroids[vectors.clusters[rows]]).mean(), 0, 1))


def _filters(
    vectors: _Vectors, answers: np.ndarray, num_clusters: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Which vectors are allowed: (len(vectors),) bool."""
    for share in SHARES:
        yield answers & (rng.random(len(vectors)) < share)
    for share in CLUSTER_SHARES:
        yield answers & (rng.random(num_clusters) < share)[vectors.clusters]


def _cases(
    vectors: _Vectors, allowed: np.ndarray, queries: np.ndarray, cosines: np.ndarray
) -> Iterator[tuple[int, _Case]]:
    """Each K, by its place in KS, of which there are enough allowed vectors. allowed: ascending rows."""
    ks = [k for k in KS if len(allowed) >= 2 * first_scan(k)]
    if not ks:
        return
    clusters = vectors.clusters[allowed]
    order = np.argsort(clusters, kind="stable")
    starts = np.searchsorted(clusters[order], np.arange(cosines.shape[1] + 1))
    by_cluster = allowed[order]
    neighbours = vectors.clusters[_nearest(vectors, allowed, queries, ks[-1])]
    nearest_first = np.argsort(-cosines, axis=1, kind="stable")
    ranks = np.argsort(nearest_first, axis=1, kind="stable")
    bounds = np.empty((len(ks), len(queries)))
    looked = np.empty((len(ks), len(queries)), dtype=np.int64)
    for at, query in enumerate(queries):
        held = np.cumsum(np.diff(starts)[nearest_first[at]])
        looked[:, at] = 1 + np.searchsorted(held, [first_scan(k) for k in ks])
        rows = [by_cluster[starts[one] : starts[one + 1]] for one in nearest_first[at, : looked[-1, at]]]
        scores = vectors.some(np.concatenate(rows)) @ query
        for i, k in enumerate(ks):
            bounds[i, at] = -np.partition(-scores[: held[looked[i, at] - 1]], k - 1)[k - 1]
    for i, k in enumerate(ks):
        near = neighbours[:, :k]
        first = np.take_along_axis(ranks, near, 1) < looked[i][:, None]
        yield KS.index(k), _Case(bounds[i], first, np.take_along_axis(cosines, near, 1))


def _nearest(vectors: _Vectors, allowed: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    """The k nearest allowed vectors of each query, nearest first: (queries, k) rows. There are as many."""
    best = [np.empty(0, dtype=np.float32)] * len(queries)
    found = [np.empty(0, dtype=np.int64)] * len(queries)
    bounds = np.full(len(queries), -np.inf, dtype=np.float32)
    for start in range(0, len(allowed), _BLOCK):
        rows = allowed[start : start + _BLOCK]
        scores = queries @ vectors.some(rows).T
        for at in range(len(queries)):
            new = np.flatnonzero(scores[at] >= bounds[at])
            if not len(new):
                continue
            best[at], found[at] = np.append(best[at], scores[at, new]), np.append(found[at], rows[new])
            if len(best[at]) > k:
                kept = np.argpartition(-best[at], k - 1)[:k]
                best[at], found[at] = best[at][kept], found[at][kept]
                bounds[at] = best[at].min()
    return np.stack([rows[np.argsort(-scores, kind="stable")] for scores, rows in zip(best, found, strict=True)])


def _recalls(case: _Case, spread: float) -> np.ndarray:
    """The recall of each query with each of _SLACKS: (slacks, queries)."""
    found = np.empty((len(_SLACKS), len(case.bounds)))
    for i, slack in enumerate(_SLACKS):
        least = np.array([least_cosine(spread, float(bound), float(slack)) for bound in case.bounds])
        found[i] = (case.first | (case.cosines >= least[:, None])).mean(axis=1)
    return found


def _least_slacks(found: np.ndarray) -> np.ndarray:
    """Of each of RECALLS, the least slack whose mean recall is a standard error above it: (len(RECALLS),)."""
    sure = found.mean(axis=1) - found.std(axis=1) / np.sqrt(found.shape[1])
    enough = sure[None, :] >= np.array(RECALLS)[:, None]
    return np.where(enough.any(axis=1), _SLACKS[enough.argmax(axis=1)], np.inf)


def _growth(all_of_them: np.ndarray, a_tenth: np.ndarray) -> np.ndarray:
    """By how much the slacks of each K rise with ten times as many vectors, in the mean over the recalls."""
    measured = np.isfinite(all_of_them) & np.isfinite(a_tenth) & (all_of_them >= 0) & (a_tenth >= 0)
    rise = np.full(all_of_them.shape, _LEAST_GROWTH)
    np.subtract(all_of_them, a_tenth, out=rise, where=measured)
    result: np.ndarray = np.maximum(rise.mean(axis=1), _LEAST_GROWTH)
    return result


def _rising(slacks: np.ndarray) -> np.ndarray:
    """More recall never takes less slack; a K that was not measured takes that of the one before."""
    rising: np.ndarray = np.maximum.accumulate(slacks, axis=1)
    for j in range(1, len(rising)):
        if rising[j, 0] == _NOT_MEASURED:
            rising[j] = rising[j - 1]
    return rising
